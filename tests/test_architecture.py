"""The conventions of this code base that a test can hold; ARCHITECTURE.md gives their reasons.

Each rule is a function from a module to its faults. What is exempt is listed with its reason, and an
exemption that nothing needs any more is a fault as well.
"""

import ast
import importlib
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import getmembers, isclass
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from core.settings import VENUES as CONFIGURABLE_VENUES
from core.settings import Store
from core.settings_feed import Column
from stores.registry import KINDS
from venues.generic import FIELDS
from venues.registry import VENUES

ROOT: Final = Path(__file__).resolve().parent.parent
PRODUCT: Final = ("core", "messages", "venues", "stores", "actors", "cli", "web")
BESIDE: Final = ("docs", "benchmarks")
NOT_TESTS: Final = (*PRODUCT, *BESIDE, "supervisor")
SILENT: Final = ("core", "messages", "venues", "stores", "actors", "web", "supervisor")

MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = {
    "core": frozenset({"core"}),
    "messages": frozenset({"core", "messages"}),
    "venues": frozenset({"core", "venues"}),
    "stores": frozenset({"core", "stores"}),
    "actors": frozenset({"core", "messages", "venues", "stores", "actors"}),
    "cli": frozenset(PRODUCT),
    "web": frozenset(PRODUCT),
    "docs": frozenset({*PRODUCT, "docs"}),
    "benchmarks": frozenset({*PRODUCT, "benchmarks", "tests"}),
    "supervisor": frozenset(PRODUCT),
    "tests": frozenset({*PRODUCT, *BESIDE, "tests", "supervisor"}),
}
OURS: Final = tuple(MAY_IMPORT)

CEILING_LINES: Final = 400
LONGER: Final[Mapping[str, str]] = {}
"""Modules of the product above the ceiling, each with its reason."""

BROAD_EXCEPT: Final[Mapping[str, str]] = {
    "actors/base.py:Actor.on_start": "Pykka calls no hook for a failure here: it is told, then raised on",
    "actors/base.py:Actor.on_receive": "where the loop begins: a SystemExit would end all actors",
    "actors/base.py:Actor._salvage": "a record that kills its handler, whatever it raises, is to be buried",
    "actors/port.py:Port.get": "Pykka calls no hook for a failure here: it becomes a message that crashes it",
    "actors/port.py:Port.poll": "as in Port.get",
    "actors/supervisor.py:SupervisorActor._start": "a child's constructor, which is where its loop begins",
    "cli/run.py:_status": "an ask raises what the monitor's handler did; the run must go on",
    "web/asking.py:Asking._call": "the thread's outermost frame: those who wait must hear of any failure",
}
BROAD: Final = frozenset({"Exception", "BaseException"})

NO_SLEEP_IN: Final = ("tests", "core", "messages", "actors")
CLOCKS: Final = frozenset({"time", "datetime"})
READS_THE_CLOCK: Final = {
    "actors/clock.py": "the one door to the machine's clocks, which is injected",
    "core/epochs.py": "needs datetime as a calendar: it reads texts, and no clock",
    "core/points.py": "needs datetime as a calendar, and as what programs pass: now is an argument",
}
PRINTS: Final = {"venues/demo_exchange.py": "a program of its own, which tells its port on standard output"}
IMPURE: Final = frozenset(
    {"asyncio", "pykka", "queue", "select", "selectors", "socket", "subprocess", "threading"}
)
SQL: Final = re.compile(
    r"\b(select\b.+\bfrom|insert\s+into|delete\s+from|update\b.+\bset|(create|alter|drop)\s+(table|view))\b",
    re.IGNORECASE | re.DOTALL,
)
FOREIGN: Final = re.compile(r"(?<![\w.:/*-])/(?:work|farm|home|root|Users)/|\b(?:DESIGN|STYLE)\.md\b")
"""Paths of the machine that somebody works on, and papers that are not part of the project."""


@dataclass(frozen=True)
class Module:
    """A source file of ours."""

    name: str
    """Its path below the root."""
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The top-level package, or the module itself where it is in none."""
        return self.name.partition("/")[0].removesuffix(".py")


Rule = Callable[[Module], Iterator[str]]

pytestmark = pytest.mark.slow  # all of the source is read


def module(name: str, text: str) -> Module:
    """Read a module."""
    return Module(name, text, ast.parse(text))


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Give all modules of some packages; `supervisor` is one by itself."""
    paths = [path for name in packages for path in (*(ROOT / name).rglob("*.py"), *ROOT.glob(f"{name}.py"))]
    names = sorted(str(path.relative_to(ROOT)) for path in paths)
    return tuple(module(name, (ROOT / name).read_text(encoding="utf-8")) for name in names)


def faults(rule: Rule, among: Iterable[Module]) -> list[str]:
    """Give what a rule finds, as `file:line: text`."""
    return [f"{one.name}:{fault}" for one in among for fault in rule(one)]


# The rules


def imported(one: Module) -> Iterator[tuple[int, str]]:
    """Give what a module imports, wherever it does so, names given to import_module included."""
    for node in ast.walk(one.tree):
        match node:
            case ast.Import(names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(name, _, 0):
                yield node.lineno, name or ""
            case ast.ImportFrom():
                yield node.lineno, "."
            case ast.Call(ast.Name("import_module") | ast.Attribute(attr="import_module"), [to, *_]):
                yield node.lineno, _beginning(to)


def _beginning(text: ast.expr) -> str:
    """Give a string, or what an f-string begins with."""
    first = text.values[0] if isinstance(text, ast.JoinedStr) and text.values else text
    return str(first.value) if isinstance(first, ast.Constant) else "?"


def imports_upwards(one: Module) -> Iterator[str]:
    """Tell of imports that the direction forbids."""
    for line, name in imported(one):
        top = name.partition(".")[0]
        if name == "." or (top in OURS and top not in MAY_IMPORT[one.package]):
            yield f"{line}: {one.package} may not import {name}"


def importing(forbidden: frozenset[str]) -> Rule:
    """Give the rule that tells of imports of these."""

    def rule(one: Module) -> Iterator[str]:
        for line, name in imported(one):
            if name.partition(".")[0] in forbidden:
                yield f"{line}: imports {name}"

    return rule


is_impure, reads_clock = importing(IMPURE), importing(CLOCKS)


def sleeps(one: Module) -> Iterator[str]:
    """Tell of sleeping, under whatever name."""
    for node in ast.walk(one.tree):
        match node:
            case ast.Attribute(_, "sleep"):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.ImportFrom(_, names) if any(alias.name == "sleep" for alias in names):
                yield f"{node.lineno}: {ast.unparse(node)}"


def prints(one: Module) -> Iterator[str]:
    """Tell of calls of print."""
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{node.lineno}: prints"


def catches_broadly(one: Module) -> Iterator[str]:
    """Tell of handlers that catch everything, by the function that they are in."""
    for place, node in _with_places(one.tree):
        match node:
            case ast.ExceptHandler(None):
                yield place
            case ast.ExceptHandler(ast.expr() as kinds) if _names(kinds) & BROAD:
                yield place
            case ast.Call(ast.Name("suppress") | ast.Attribute(attr="suppress"), kinds):
                if any(_names(kind) & BROAD for kind in kinds):
                    yield place


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _with_places(node: ast.AST, place: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Give all nodes with the qualified name of what they are in."""
    for child in ast.iter_child_nodes(node):
        inner = f"{place}.{child.name}".lstrip(".") if isinstance(child, Definition) else place
        yield inner, child
        yield from _with_places(child, inner)


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def lacks_docstring(one: Module) -> Iterator[str]:
    """Tell of public modules, classes, functions and methods without a docstring."""
    if not ast.get_docstring(one.tree):
        yield "1: the module"
    yield from _undocumented(one.tree)


def _undocumented(node: ast.Module | ast.ClassDef) -> Iterator[str]:
    for child in node.body:
        if not isinstance(child, Definition) or child.name.startswith("_"):
            continue
        if not ast.get_docstring(child) and "overload" not in map(ast.unparse, child.decorator_list):
            yield f"{child.lineno}: {child.name}"
        if isinstance(child, ast.ClassDef):
            yield from _undocumented(child)


def holds_sql(one: Module) -> Iterator[str]:
    """Tell of statements in SQL; docstrings and other texts that stand alone are prose."""
    prose = {id(node.value) for node in ast.walk(one.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(one.tree):
        match node:
            case ast.Constant(str(text)) if id(node) not in prose and SQL.search(text):
                yield f"{node.lineno}: {text[:60]!r}"


def is_too_long(one: Module) -> Iterator[str]:
    """Tell of a module above the ceiling."""
    lines = one.text.count("\n")
    if lines > CEILING_LINES:
        yield f"{lines}: lines"


# What they are held against


def test_imports_go_one_way() -> None:
    """Core imports nothing of ours, the edges import core, actors those; only tests import the launcher."""
    assert faults(imports_upwards, modules(*OURS)) == []


def test_core_is_pure() -> None:
    """It has no threads, sockets or processes; and no more has messages."""
    assert faults(is_impure, modules("core", "messages")) == []


def test_the_core_and_the_actors_read_no_clock() -> None:
    """Time is an argument, so that tests can pass their own."""
    found = faults(reads_clock, modules("core", "messages", "actors"))
    assert _without(found, READS_THE_CLOCK) == []


def test_nothing_waits_by_sleeping() -> None:
    """A wait is for an event, with a deadline."""
    assert faults(sleeps, modules(*NO_SLEEP_IN)) == []


def test_only_programs_print() -> None:
    """Everything else logs, or tells somebody."""
    assert _without(faults(prints, modules(*SILENT)), PRINTS) == []


def test_no_handler_is_broader_than_it_has_to_be() -> None:
    """An unexpected exception is a bug that the supervisor has to hear of."""
    found = set(faults(catches_broadly, modules(*NOT_TESTS)))
    assert sorted(found - BROAD_EXCEPT.keys()) == [], "catch what can happen, or give a reason"
    assert sorted(BROAD_EXCEPT.keys() - found) == [], "no longer there"


def test_modules_fit_on_a_few_screens() -> None:
    """A longer module has more than one reason to exist."""
    found = {fault.partition(":")[0] for fault in faults(is_too_long, modules(*NOT_TESTS))}
    assert sorted(found - LONGER.keys()) == []
    assert sorted(LONGER.keys() - found) == [], "no longer too long"


def test_actors_hold_no_sql() -> None:
    """What a database wants to hear is its store's business."""
    assert faults(holds_sql, modules("actors")) == []


def test_whatever_is_public_is_documented() -> None:
    assert faults(lacks_docstring, modules(*NOT_TESTS)) == []


@pytest.mark.parametrize("one", modules("messages"), ids=lambda one: str(one.name))
def test_messages_are_frozen_slotted_and_documented(one: Module) -> None:
    """Several threads read them, so nobody may change them."""
    name = one.name.removesuffix(".py").replace("/", ".")
    classes: list[Any] = [
        cls for _, cls in getmembers(importlib.import_module(name), isclass) if cls.__module__ == name
    ]
    for cls in classes:
        if "__dataclass_params__" not in vars(cls):
            assert getattr(cls, "_is_protocol", False) or vars(cls)["__slots__"] == (), f"{cls} has a state"
            continue
        assert cls.__dataclass_params__.frozen, cls
        assert "__slots__" in vars(cls), cls
        assert not (cls.__doc__ or "").startswith(f"{cls.__name__}("), f"{cls} has dataclass's own docstring"


def test_the_configuration_knows_the_venues_stores_and_fields_that_there_are() -> None:
    """Core may not import their registries, so it has their names once more."""
    assert sorted(CONFIGURABLE_VENUES) == sorted(VENUES)
    assert sorted(get_args(Store.model_fields["kind"].annotation)) == sorted(KINDS)
    assert set(get_args(Column)) <= set(FIELDS)


def test_the_project_speaks_of_itself_alone() -> None:
    """No file names a place on somebody's machine."""
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path in files()
        for text in (path.read_text(encoding="utf-8", errors="replace"),)
        for match in FOREIGN.finditer(text)
    ]
    assert found == []


def files() -> list[Path]:
    """Give the project's files: those that git knows of, or without git those that are not hidden."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
            "\0"
        )
    except (OSError, subprocess.CalledProcessError):
        listed = [
            str(path.relative_to(ROOT))
            for package in (*PRODUCT, *BESIDE, "tests")
            for path in (ROOT / package).rglob("*")
            if "__pycache__" not in path.parts
        ]
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def _without(found: Iterable[str], exempt: Mapping[str, str]) -> list[str]:
    return [fault for fault in found if fault.partition(":")[0] not in exempt]


# That each rule can find a fault

FAULTY: Final[tuple[tuple[Rule, str, str], ...]] = (
    (imports_upwards, "core/x.py", "from messages.lane import Shed"),
    (imports_upwards, "core/x.py", "def f():\n    import actors.clock"),
    (imports_upwards, "venues/x.py", "from stores import schema"),
    (imports_upwards, "actors/x.py", "from cli.times import utc_text"),
    (imports_upwards, "cli/x.py", "import supervisor"),
    (imports_upwards, "cli/x.py", "import importlib\nimportlib.import_module(f'tests.{name}')"),
    (imports_upwards, "web/x.py", "from . import asking"),
    (is_impure, "core/x.py", "from threading import Lock"),
    (reads_clock, "actors/x.py", "from time import monotonic"),
    (sleeps, "actors/x.py", "import time as t\nt.sleep(1)"),
    (sleeps, "tests/x.py", "from asyncio import sleep as rest"),
    (prints, "core/x.py", "def f():\n    print()"),
    (catches_broadly, "core/x.py", "try:\n    pass\nexcept:\n    pass"),
    (catches_broadly, "core/x.py", "try:\n    pass\nexcept (OSError, Exception):\n    pass"),
    (catches_broadly, "core/x.py", "with contextlib.suppress(BaseException):\n    pass"),
    (lacks_docstring, "core/x.py", "x = 1"),
    (lacks_docstring, "core/x.py", '"""A."""\nclass A:\n    """A."""\n    def f(self): ...'),
    (holds_sql, "actors/x.py", "f('SELECT x FROM ticks')"),
    (is_too_long, "core/x.py", "x = 1\n" * (CEILING_LINES + 1)),
)


@pytest.mark.parametrize(("rule", "name", "text"), FAULTY)
def test_a_fault_is_found(rule: Rule, name: str, text: str) -> None:
    assert len(faults(rule, [module(name, text)])) == 1


FAULTLESS: Final[tuple[tuple[Rule, str, str], ...]] = (
    (
        imports_upwards,
        "actors/x.py",
        "import core.ledger, messages.lane, venues.dialect, stores.store, numpy",
    ),
    (imports_upwards, "tests/x.py", "import supervisor"),
    (catches_broadly, "core/x.py", "try:\n    pass\nexcept (OSError, ValueError):\n    pass"),
    (lacks_docstring, "core/x.py", '"""A."""\ndef _f(): ...\ndef f():\n    """F."""\n    def g(): ...'),
    (holds_sql, "actors/x.py", '"""Select the rows from a table."""'),
    (is_too_long, "core/x.py", "x = 1\n" * CEILING_LINES),
)


@pytest.mark.parametrize(("rule", "name", "text"), FAULTLESS)
def test_no_fault_is_made_up(rule: Rule, name: str, text: str) -> None:
    assert faults(rule, [module(name, text)]) == []

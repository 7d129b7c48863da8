"""Every command of the pages, run as they say in a fresh copy of the tree.

A page is one shell session: what an earlier block made, a later one may use. What is not run says why
(tests/support/documented.py has the convention). Runs last three seconds, and take a free port.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import kernel_cache
from tests.support.documented import Block, blocks, faults, script
from tests.test_architecture import PRODUCT

PROJECT = Path(__file__).parents[2]
WRITTEN = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "ops").glob("*.md")])
PAGES = {str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8") for path in WRITTEN}
RUN = [name for name, text in PAGES.items() if script(text)]
FILES = ("config.toml", "supervisor.py", "Makefile", "requirements.lock", "requirements-dev.lock")
TIMEOUT_SECONDS = 240
PROLOGUE = """
set -e -o pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy what runs, kernels included, and lend it this environment; the default port is any free one."""
    kernel_cache.load()
    root = tmp_path / "tapeline"
    for package in (*PRODUCT, "ops"):
        shutil.copytree(PROJECT / package, root / package)
    for name in FILES:
        shutil.copy2(PROJECT / name, root)
    config = root / "config.toml"
    text, changed = re.subn(r"^port = 8321$", "port = 0", config.read_text(encoding="utf-8"), flags=re.M)
    assert changed == 1
    config.write_text(text, encoding="utf-8")
    environment = root / ".venv"
    environment.mkdir()
    for path in Path(sys.prefix).iterdir():
        if not path.name.startswith("."):
            (environment / path.name).symlink_to(path)
    # So that make takes it for complete.
    (environment / ".ready").touch()
    (environment / ".ready-dev").touch()
    return root


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_SECONDS + 60)
@pytest.mark.parametrize("page", RUN)
def test_what_a_page_says_can_be_done(page: str, tree: Path) -> None:
    words = ["bash", "-c", PROLOGUE + script(PAGES[page])]
    path = f"{tree / '.venv' / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=tree, env={**os.environ, "PATH": path, "HOME": str(tree)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=TIMEOUT_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8_000:]
    assert "Traceback" not in done.stdout, done.stdout[-8_000:]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_to_the_convention(page: str) -> None:
    assert list(faults(PAGES[page])) == []


def test_there_is_something_to_run() -> None:
    """And in the tutorial above all."""
    assert {"README.md", "docs/tutorial.md", "docs/chaos.md", "docs/tuning.md"} <= set(RUN)


# The reader of pages


def page(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def test_commands_are_the_lines_behind_a_prompt() -> None:
    text = page("```console", "$ one \\", "    more", "printed", "$ two  # shortened", "```")
    assert [block.commands for block in blocks(text)] == [["one     more", "two  # shortened"]]
    assert [block.line for block in blocks(text)] == [1]


def test_comments_right_above_a_block_belong_to_it() -> None:
    text = page(
        "<!-- not run: far -->", "", "<!-- status: 2 -->", "<!-- first: a -->", "<!-- first: b -->",
        "```console", "$ c", "```",
    )  # fmt: skip
    assert blocks(text) == [Block(6, "console", "$ c\n", {"status": "2", "first": "a\nb"})]


def test_what_is_not_to_be_run_is_not(tmp_path: Path) -> None:
    text = page(
        "<!-- not run: it would -->", "```console", "$ touch made", "```", "```python", "1 / 0", "```"
    )
    assert script(text) == ""


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["```console", "$ true", "$ false", "$ true", "```"], 1),
        (["```console", "$ false | true", "```"], 1),
        (["<!-- status: 2 -->", "```console", "$ (exit 2)", "```"], 0),
        (["<!-- status: 2 -->", "```console", "$ true", "```"], 1),
        (["<!-- first: word=x -->", "```console", "$ test $word = x", "```"], 0),
        (
            [
                "<!-- file: a file -->",
                "```toml",
                "x = '$y'",
                "```",
                "```console",
                "$ grep -F '$y' 'a file'",
                "```",
            ],
            0,
        ),
        (["<!-- run -->", "```python", "assert 1 == 2", "```"], 1),
        (["```console", "$ sleep 60 > /dev/null &", "$ kill %1", "```"], 0),
        (["```console", "$ sleep 60 &", "```"], 0),
    ],
)
def test_a_page_fails_where_a_command_does(lines: list[str], status: int, tmp_path: Path) -> None:
    words = ["bash", "-c", PROLOGUE + script(page(*lines))]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == status, done


def test_runs_are_shortened_but_for_those_in_the_background() -> None:
    text = page("```console", "$ run --duration 30s", "$ run --duration 30s &", "$ run --duration 1s", "```")
    assert re.findall(r"^run.*", script(text), re.M) == [
        "run --duration 3s",
        "run --duration 30s &",
        "run --duration 1s",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["```sh", "$ ls", "```"],
        ["```console", "ls", "```"],
        ["```", "python supervisor.py run", "```"],
        ["<!-- not run: -->", "```console", "$ ls", "```"],
        ["<!-- later: x -->", "```console", "$ ls", "```"],
    ],
)
def test_a_fault_of_the_convention_is_found(lines: list[str]) -> None:
    assert len(list(faults(page(*lines)))) == 1

"""Whatever a configuration holds, it becomes settings or lines that say what is wrong."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.settings import TABLES, Settings
from core.settings_loading import load
from core.settings_text import effective, toml

SAMPLE = (Path(__file__).parents[2] / "config.toml").read_text(encoding="utf-8")
DEFAULTS = tomllib.loads(SAMPLE)
KEYS = sorted({*Settings.model_fields, *(key for table in TABLES.values() for key in table.model_fields)})
ENVIRON = {"TOKEN": "hush", "URL": "wss://user:hush@host/hush?hush", "EMPTY": "", "ODD": "a\nb\udcff\x00"}

words = st.sampled_from([
    "", "demo", "generic", "coinbase", "binance", "block", "per-symbol", "lake", "trades", "127.0.0.1",
    "ws://h:1/a", "ws://[", "wss://u:p@h?q#f", "http://p:1", "s3://b/p", "env:TOKEN", "env:URL", "env:EMPTY",
    "env:ODD", "env:NONE", "env:", "/", "..", "\u2028", "\x85", "é", "\U0001f4a5",
])  # fmt: skip
texts = words | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = (
    st.integers(-5, 500)
    | st.integers()
    | st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**400])
    | st.floats()
)
keys = st.sampled_from(KEYS) | texts
anything = st.recursive(
    texts | numbers | st.booleans() | st.datetimes() | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
# Dates are the one kind of value that the writer of effective settings has no use for.
writable = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
parts = st.sampled_from(KEYS) | st.sampled_from(["0", "1", "-1"]) | texts
paths = st.lists(parts, min_size=1, max_size=4).map(".".join)
assignments_of_any_kind = st.text(max_size=12) | st.tuples(paths, texts | writable.map(toml)).map("=".join)
overrides = st.lists(assignments_of_any_kind, max_size=4)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the path of a file that every example overwrites."""
    return tmp_path_factory.mktemp("fuzz") / "config.toml"


def errors_or_text(path: Path | None, assignments: list[str]) -> tuple[str, ...] | str:
    try:
        return effective(load(path, assignments, ENVIRON))
    except SettingsError as error:
        return error.errors


def load_or_refuse(path: Path | None, assignments: list[str]) -> None:
    """Hold loading to its promise; any exception but SettingsError fails the test."""
    outcome = errors_or_text(path, assignments)
    assert outcome
    assert "hush" not in "".join(outcome)
    if isinstance(outcome, str):
        assert tomllib.loads(outcome)
    else:
        assert all(line.strip() and line.isprintable() for line in outcome)


@given(content=st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_bytes(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    load_or_refuse(file, [])


@given(document=st.dictionaries(keys, writable, max_size=4))
def test_random_documents(file: Path, document: dict[str, Any]) -> None:
    file.write_text(
        "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items()), encoding="utf-8"
    )
    load_or_refuse(file, [])


@given(place=st.sampled_from(sorted(DEFAULTS)), key=keys, value=writable, drawn=st.data())
def test_the_sample_with_one_value_exchanged(
    file: Path, place: str, key: str, value: Any, drawn: st.DataObject
) -> None:
    document = tomllib.loads(SAMPLE)
    table = document[place][0] if isinstance(document[place], list) else document[place]
    if isinstance(table, dict):
        table[drawn.draw(st.sampled_from(sorted(table)) | st.just(key))] = value
    else:
        document[place] = value
    file.write_text(
        "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items()), encoding="utf-8"
    )
    load_or_refuse(file, [])


@given(
    at=st.integers(0, len(SAMPLE)),
    cut=st.integers(0, 20),
    inserted=texts | st.sampled_from(['"', "[", "{", "\n", "="]),
)
def test_the_sample_with_characters_exchanged(file: Path, at: int, cut: int, inserted: str) -> None:
    file.write_text(SAMPLE[:at] + inserted + SAMPLE[at + cut :], encoding="utf-8")
    load_or_refuse(file, [])


@given(assignments=overrides)
def test_random_overrides(assignments: list[str]) -> None:
    load_or_refuse(None, assignments)


@given(table=st.sampled_from(sorted(TABLES)), value=anything | texts, drawn=st.data())
def test_an_override_of_any_key_with_anything(table: str, value: Any, drawn: st.DataObject) -> None:
    key = drawn.draw(st.sampled_from(sorted(TABLES[table].model_fields)))
    place = f"{table}.0" if table in ("feeds", "stores") else table
    text = value if isinstance(value, str) else str(value)
    load_or_refuse(
        None, [f"{place}.{key}={text}", f"{place}.{key}.0={text}"][: drawn.draw(st.integers(1, 2))]
    )


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(depth=st.integers(900, 3_000), opening=st.sampled_from(["[", "{a=", "a."]))
def test_deep_nesting(file: Path, depth: int, opening: str) -> None:
    file.write_text(f"feeds = {opening * depth}" if opening != "a." else f"{opening * depth}a = 1")
    load_or_refuse(file, [])
    load_or_refuse(
        None,
        [f"feeds={opening * depth}", f"{'a.' * depth}a=1", f"feeds.0.headers={'[' * depth}{']' * depth}"],
    )

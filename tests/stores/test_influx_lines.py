"""Line protocol, read back by a small parser of our own; identity of points."""

import base64
import math
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.influx_lines import EARLIEST_NS, LATEST_NS, LAYOUTS, PLACES_NS, bodies, hidden, lines, shown
from stores.schema import BYTES, FLOAT, INT32, INT64, TABLES, TEXT, TIMES
from tests.stores.making import NOON_NS, ticks

NASTY = [
    "", " ", ",", "=", '"', "\\", "\n", "\r\n", "\t", "%", "%0A", "\x00", "\x7f", "a\\", "\\n", '\\"',
    "a\\,b", "#", "é", "🚀", "\u2028", "e\u0301",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(NASTY)).map("".join),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    TEXT: texts,
    BYTES: st.binary(max_size=20),
    FLOAT: st.floats(allow_nan=False),
    INT64: st.integers(-(2**63), 2**63 - 1),
    INT32: st.integers(-(2**31), 2**31 - 1),
}
NEVER_NULL = {"session", "ts_ns"}
Point = tuple[str, dict[str, str], dict[str, Any], int]


@st.composite
def tables(draw: st.DrawFn, name: str) -> pa.Table:
    """Draw rows of a table, in which nearly everything may be NULL."""
    values = {
        field.name: VALUES[field.type] if field.name in NEVER_NULL else st.none() | VALUES[field.type]
        for field in TABLES[name]
    }
    rows = draw(st.lists(st.fixed_dictionaries(values), min_size=1, max_size=4))
    return pa.Table.from_pylist(rows, schema=TABLES[name])


def parsed(body: bytes) -> list[Point]:
    """Parse line protocol as its reference has it."""
    text = body.decode()
    assert text.endswith("\n")
    return [parsed_line(line) for line in text[:-1].split("\n")]


def parsed_line(line: str) -> Point:
    key, rest = split_once(line, " ", quoted=False)
    fields, time = split_once(rest, " ", quoted=True)
    measurement, *tags = split_all(key, ",", quoted=False)
    return (
        measurement,
        dict(tag_of(tag) for tag in tags),
        dict(field_of(field) for field in split_all(fields, ",", quoted=True)),
        int(time),
    )


def tag_of(text: str) -> tuple[str, str]:
    name, value = split_once(text, "=", quoted=False)
    assert value
    assert not value.endswith("\\")
    for special in ", =":
        value = value.replace(f"\\{special}", special)
    return name, value


def field_of(text: str) -> tuple[str, Any]:
    name, value = split_once(text, "=", quoted=True)
    if value.startswith('"'):
        assert value.endswith('"')
        return name, unquoted(value[1:-1])
    return name, int(value[:-1]) if value.endswith("i") else float(value)


def unquoted(text: str) -> str:
    found, rest = "", text
    while rest:
        step = 2 if rest[0] == "\\" and rest[1] in '\\"' else 1
        found, rest = found + rest[step - 1], rest[step:]
    return found


def split_once(text: str, at: str, *, quoted: bool) -> tuple[str, str]:
    first, *others = split_all(text, at, quoted=quoted)
    return first, at.join(others)


def split_all(text: str, at: str, *, quoted: bool) -> list[str]:
    parts, escaped, inside = [""], False, False
    for character in text:
        if character == '"' and quoted and not escaped:
            inside = not inside
        if character == at and not escaped and not inside:
            parts.append("")
        else:
            parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def row_of(table: str, point: Point) -> dict[str, Any]:
    """Give the row that a point says, by the encoding's description."""
    _, tags, fields, _ = point
    odd = dict(note.split("=") for note in fields.get("odd", "").split())
    row: dict[str, Any] = {}
    for field in TABLES[table]:
        value = (tags if field.name in LAYOUTS[table].tags else fields).get(field.name)
        if field.name in odd:
            value = float(odd[field.name])
        elif isinstance(value, str):
            value = base64.b64decode(value) if field.type == BYTES else "" if value == "%" else unquote(value)
        row[field.name] = value
    return row


@pytest.mark.slow
@pytest.mark.parametrize("table", sorted(TABLES))
def test_any_row_can_be_read_back_from_its_line(table: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(tables(table))
    def check(rows: pa.Table) -> None:
        points = parsed(b"".join(bodies(table, rows, 1000)))
        expected = rows.to_pylist()
        assert [row_of(table, point) for point in points] == expected
        assert {point[0] for point in points} == {table}
        for point, row in zip(points, expected, strict=True):
            time = next((row[name] for name in TIMES[table] if row[name] is not None), 0)
            assert -(2**63) + 2 <= point[3] <= 2**63 - 2
            assert point[3] // PLACES_NS == min(max(time, EARLIEST_NS), LATEST_NS) // PLACES_NS

    check()


@pytest.mark.parametrize("price", [-0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e21, 123456789.0])
def test_a_float_is_written_so_that_it_is_read_exactly(price: float) -> None:
    ((_, _, fields, _),) = parsed(b"".join(bodies("ticks", ticks(price=price), 1000)))
    assert fields["price"] == price
    assert math.copysign(1, fields["price"]) == math.copysign(1, price)


def test_what_is_not_finite_is_noted() -> None:
    ((_, _, fields, _),) = parsed(b"".join(bodies("ticks", ticks(price=math.inf, z=-math.inf), 1000)))
    assert fields["odd"] == "price=inf z=-inf"
    assert not fields.keys() & {"price", "z"}


def test_half_a_surrogate_pair_is_already_mended() -> None:
    ((_, tags, _, _),) = parsed(b"".join(bodies("ticks", ticks(symbol="x\ud800y"), 1000)))
    assert tags["symbol"] == "x\ufffdy"


@settings(deadline=None)
@given(texts, st.booleans())
def test_a_hidden_text_is_shown_again(text: str, tag: bool) -> None:
    assert shown(hidden(text, tag=tag)) == text


def identity(line: str) -> tuple[Any, ...]:
    measurement, tags, _, time = parsed_line(line.removesuffix("\n"))
    return measurement, tuple(sorted(tags.items())), time


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 10**3, 10**6]),
    st.integers(0, 2**62),
    st.sets(st.tuples(st.integers(0, 9_899), st.integers(0, 100)), min_size=2, max_size=20),
)
def test_rows_of_one_time_are_points_of_their_own(
    resolution: int, start: int, origins: set[tuple[int, int]]
) -> None:
    frames, items = np.array(sorted(origins)).T
    at = NOON_NS + 123_456_789 // resolution * resolution
    rows = ticks(len(frames), ts_event_ns=at, frame=start + frames, item=items)
    found = [identity(line) for line in lines("ticks", rows).to_pylist()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "other", [{"session": 2}, {"session": -1}, {"line": "spot/1/A"}, {"symbol": "ETH-USD"}, {"kind": 1}]
)
def test_rows_of_different_places_are_points_of_their_own(other: dict[str, Any]) -> None:
    assert identity(lines("ticks", ticks())[0].as_py()) != identity(lines("ticks", ticks(**other))[0].as_py())


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(7)), st.integers(0, 7))
def test_a_row_has_the_same_line_in_any_batch(order: list[int], cut: int) -> None:
    symbols = ["a b", "比特币", "a\nb", "", "x", "y%", "z"]
    rows = pa.concat_tables(
        [ticks(symbol=symbol, price=i / 3, frame=i, ts_event_ns=NOON_NS) for i, symbol in enumerate(symbols)]
    )
    whole = lines("ticks", rows).to_pylist()
    moved = rows.take(pa.array(order))
    parts = [*lines("ticks", moved.slice(0, cut)).to_pylist(), *lines("ticks", moved.slice(cut)).to_pylist()]
    assert parts == [whole[i] for i in order]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(1, 5000))
def test_bodies_are_whole_lines_up_to_the_limit(n: int, limit: int) -> None:
    rows = ticks(n, symbol="BTC-USD é") if n else TABLES["ticks"].empty_table()
    parts = list(bodies("ticks", rows, limit))
    assert b"".join(parts).decode() == "".join(lines("ticks", rows).to_pylist())
    assert all(part.endswith(b"\n") for part in parts)
    assert all(len(part) <= limit or part.count(b"\n") == 1 for part in parts)
    assert all(len(a) + b.index(b"\n") + 1 > limit for a, b in pairwise(parts))


def test_a_body_may_be_as_long_as_the_limit() -> None:
    rows = ticks(4, ts_event_ns=NOON_NS)
    (whole,) = bodies("ticks", rows, 10_000)
    assert [part.count(b"\n") for part in bodies("ticks", rows, len(whole) // 2)] == [2, 2]
    assert [part.count(b"\n") for part in bodies("ticks", rows, len(whole) // 2 - 1)] == [1, 1, 1, 1]


def test_points_of_one_millisecond_stay_in_the_order_of_their_frames() -> None:
    rows = ticks(50, ts_event_ns=NOON_NS, frame=np.repeat(np.arange(10), 5), item=np.tile(np.arange(5), 10))
    times = [identity(line)[2] for line in lines("ticks", rows).to_pylist()]
    assert times == sorted(times)

"""Questions in InfluxQL and what is made of the answers."""

import re
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RetryableStoreError
from stores.influx_lines import lines
from stores.influx_query import near, series
from tests.stores.making import ticks

MS_NS = 10**6
moments = st.integers(-(2**63) + 1, 2**63 - 1)
bounds = st.none() | st.integers(-(2**65), 2**65)


def meets(time: int, conditions: list[str]) -> bool:
    """Tell whether a point's time meets conditions such as `time >= 5`."""
    found = [re.fullmatch(r"time (>=|<) (-?\d+)", condition) for condition in conditions]
    assert all(found)
    return all(
        time >= int(match[2]) if match[1] == ">=" else time < int(match[2]) for match in found if match
    )


@settings(deadline=None)
@given(moments, st.integers(0, 2**40), bounds, bounds)
def test_the_points_of_all_rows_in_a_range_are_near_it(
    at: int, frame: int, start: int | None, end: int | None
) -> None:
    point = int(lines("ticks", ticks(ts_event_ns=at, frame=frame))[0].as_py().split()[-1])
    inside = (start is None or at >= start) and (end is None or at < end)
    assert meets(point, list(near(start, end))) or not inside


@settings(deadline=None)
@given(st.integers(-(2**62), 2**62), st.integers(0, 2**40), st.integers(-(2**62), 2**62))
def test_what_is_near_a_range_is_less_than_a_millisecond_from_it(at: int, frame: int, edge: int) -> None:
    point = int(lines("ticks", ticks(ts_event_ns=at, frame=frame))[0].as_py().split()[-1])
    assert at > edge - MS_NS or not meets(point, list(near(edge, None)))
    assert at < edge + MS_NS or not meets(point, list(near(None, edge)))


def answer(*pieces: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({"results": [{"statement_id": 0, "series": pieces, **more}]})


def test_pieces_come_with_their_tags() -> None:
    first = {"name": "m", "tags": {"line": "a"}, "columns": ["time", "x"], "values": [[5, 1.5], [6, None]]}
    second = {"name": "m", "columns": ["time", "x"], "values": [[7, 2]]}
    documents = [answer(first, partial=True), b"\n", answer(second), answer(), b"{}"]
    assert list(series(documents, "m", [float | None])) == [
        ({"line": "a"}, [(5, 1.5), (6, None)]),
        ({}, [(7, 2.0)]),
    ]


def test_another_measurement_is_none_of_ours() -> None:
    other = {"name": "databases", "columns": ["time", "x"], "values": [[7, 2]]}
    assert list(series([answer(other)], "m", [int])) == []


@pytest.mark.parametrize(
    "document",
    [
        b"<html>", b"{", b"\xff", b"[]", b'{"results": 5}', b'{"error": "timeout"}',
        b'{"results": [{"error": "database not found: x"}]}',
        answer({"name": "m", "values": [[5]]}), answer({"name": "m", "values": [[5, "x"]]}),
        answer({"name": "m", "values": [["2020-01-01T00:00:00Z", 1]]}),
        answer({"name": "m", "values": [[5, 1, 2]]}),
    ],
)  # fmt: skip
def test_an_error_or_a_strange_answer_may_be_asked_for_again(document: bytes) -> None:
    with pytest.raises(RetryableStoreError):
        list(series([document], "m", [int]))


@settings(deadline=None)
@given(st.binary(max_size=100) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["results", "series", "values", "error", "name", "tags"]), inner),
    max_leaves=9,
).map(msgspec.json.encode))  # fmt: skip
def test_no_answer_breaks_the_reading_of_it(document: bytes) -> None:
    with suppress(RetryableStoreError):
        list(series([document], "m", [int, str | None]))

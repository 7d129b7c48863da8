"""Rows to columns, and blocks joined."""

from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.columns import Row, block_of, joined
from core.describe import id_text, tick_as_json
from core.records import NO_ID, NO_TIME, TickBlock

COLUMNS = (
    "kind", "ts_event_ns", "ts_recv_ns", "price", "size", "side", "bid", "bid_size", "ask", "ask_size",
    "venue_id", "frame", "item",
)  # fmt: skip
DTYPES = {"kind": np.int8, "side": np.int8, "item": np.int32} | dict.fromkeys(
    ("ts_event_ns", "ts_recv_ns", "frame"), np.int64
)

floats = st.sampled_from([nan, 0.0, 1.5, 1e300])
times = st.sampled_from([NO_TIME, 0, 2**63 - 1])
ids = st.one_of(st.none(), st.integers(-(2**70), 2**70), st.text(max_size=3))


def rows_with(identities: st.SearchStrategy[Any]) -> st.SearchStrategy[Row]:
    """Give rows whose identities are such."""
    return st.tuples(
        st.integers(0, 2), times, times, floats, floats, st.integers(-1, 1), floats, floats, floats, floats,
        identities, st.integers(0, 2**40), st.integers(0, 2**20),
    )  # fmt: skip


def block(rows: list[Row]) -> TickBlock:
    """Make a block of rows."""
    return block_of("f", "v", "S", 7, "f/0/A", rows)


def row(identity: str | int | None = None) -> Row:
    """Make a row of which only the identity matters."""
    return (0, 1, 2, 3.0, 4.0, 0, nan, nan, nan, nan, identity, 5, 6)


@pytest.mark.slow
@given(st.lists(rows_with(ids), min_size=1, max_size=8))
def test_a_block_holds_what_its_rows_held(rows: list[Row]) -> None:
    made = block(rows)
    assert len(made) == len(rows)
    assert (made.feed, made.venue, made.symbol, made.session, made.line) == ("f", "v", "S", 7, "f/0/A")
    for i, name in enumerate(COLUMNS):
        column = getattr(made, name)
        assert not column.flags.writeable
        assert column.flags.c_contiguous
        if name == "venue_id":
            told = [None if each[i] is None else str(each[i]) for each in rows]
            assert [None if value is None else value for value in map(id_or_none, column)] == told
        else:
            assert column.dtype == DTYPES.get(name, np.float64)
            np.testing.assert_array_equal(column, [each[i] for each in rows])


def id_or_none(value: Any) -> str | None:
    """Give an identity as text, unmended."""
    return None if value is None or (isinstance(value, np.integer) and value == NO_ID) else str(value)


@pytest.mark.parametrize("identities", [[1, None, 2**63 - 1], [None, None], [1 - 2**63]])
def test_whole_numbers_stay_numbers(identities: list[int | None]) -> None:
    made = block([row(identity) for identity in identities])
    assert made.venue_id.dtype == np.int64
    assert made.venue_id.tolist() == [NO_ID if identity is None else identity for identity in identities]


@pytest.mark.parametrize("odd", ["1", 2**63, -(2**63), -(2**70), "x"])
def test_anything_else_makes_the_column_text(odd: str | int) -> None:
    """Also the number that stands for an absent one."""
    made = block([row(odd), row(1), row(None)])
    assert made.venue_id.tolist() == [str(odd), "1", None]


@pytest.mark.slow
@given(st.lists(st.lists(rows_with(ids), min_size=1, max_size=4), min_size=1, max_size=4))
def test_joined_blocks_equal_a_block_of_all_rows(parts: list[list[Row]]) -> None:
    together = joined([block(rows) for rows in parts])
    whole = block([each for rows in parts for each in rows])
    assert len(together) == len(whole)
    assert [id_text(value) for value in together.venue_id] == [id_text(value) for value in whole.venue_id]
    for name in COLUMNS:
        assert not getattr(together, name).flags.writeable
        if name != "venue_id":
            np.testing.assert_array_equal(getattr(together, name), getattr(whole, name))
            assert getattr(together, name).dtype == getattr(whole, name).dtype
    assert [tick_as_json(together, i) for i in range(len(whole))] == [
        tick_as_json(whole, i) for i in range(len(whole))
    ]


def test_numbers_joined_with_text_become_text() -> None:
    together = joined([block([row(1), row(None)]), block([row("x"), row(None)])])
    assert together.venue_id.tolist() == ["1", None, "x", None]


def test_one_block_is_given_back_as_it_is() -> None:
    one = block([row()])
    assert joined([one]) is one

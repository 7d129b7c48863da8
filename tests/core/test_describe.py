"""Ticks in words."""

import json
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.columns import block_of
from core.describe import id_text, tick_as_json
from core.records import BOTH, NO_ID, NO_SIDE, NO_TIME, QUOTE, SELL, TRADE, TickBlock


def block(symbol: str, *rows: tuple[object, ...]) -> TickBlock:
    """Make a block of a venue `v`."""
    return block_of("f", "v", symbol, 7, "f/0/A", [(*row, 5, 6) for row in rows])  # type: ignore[misc]


def test_all_that_a_tick_has_is_told() -> None:
    made = block("S", (BOTH, 1, 2, 3.5, 0.0, SELL, 1.25, 10.0, 2.25, 20.0, "id"))
    assert json.loads(tick_as_json(made, 0)) == {
        "venue": "v", "symbol": "S", "kind": "both", "ts_event_ns": 1, "ts_recv_ns": 2, "side": "sell",
        "venue_id": "id", "price": 3.5, "size": 0.0, "bid": 1.25, "bid_size": 10.0,
        "ask": 2.25, "ask_size": 20.0,
    }  # fmt: skip


def test_what_is_absent_is_left_out() -> None:
    made = block(
        "S",
        (TRADE, NO_TIME, 2, 3.5, nan, NO_SIDE, nan, nan, nan, nan, None),
        (QUOTE, NO_TIME, 3, nan, nan, NO_SIDE, 1.0, nan, nan, nan, 9),
    )
    told = [json.loads(tick_as_json(made, i)) for i in range(2)]
    assert told == [
        {"venue": "v", "symbol": "S", "kind": "trade", "ts_recv_ns": 2, "price": 3.5},
        {"venue": "v", "symbol": "S", "kind": "quote", "ts_recv_ns": 3, "bid": 1.0, "venue_id": "9"},
    ]


@pytest.mark.slow
@given(st.text(st.characters(), max_size=6), st.text(st.characters(), max_size=6))
def test_any_text_can_be_told(symbol: str, identity: str) -> None:
    """Half of a surrogate pair as well, which no encoding takes as it is."""
    for half in ("", "\ud83d", "\udc00"):
        made = block(symbol + half, (TRADE, 1, 2, 3.5, 1.0, SELL, nan, nan, nan, nan, identity + half))
        told = json.loads(tick_as_json(made, 0))
        assert told["symbol"].startswith(symbol.encode("utf-8", "replace").decode())
        assert told["venue_id"] == id_text(identity + half)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None), (NO_ID, None), (np.int64(NO_ID), None), (0, "0"), (np.int64(7), "7"), ("", ""),
        ("x", "x"), ("\ud800", "?"), (str(NO_ID), str(NO_ID)),
    ],
)  # fmt: skip
def test_an_identity_is_text_or_absent(value: object, text: str | None) -> None:
    assert id_text(value) == text

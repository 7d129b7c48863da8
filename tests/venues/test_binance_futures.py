"""What Binance futures do differently from spot."""

import json
from typing import Any

import pytest

from core.records import BUY
from tests.venues.recording import told
from venues.binance_futures import BinanceFutures
from venues.dialect import FeedTerms

BOOK: dict[str, Any] = {
    "e": "bookTicker",
    "u": 9001,
    "E": 1715000000124,
    "T": 1715000000123,
    "s": "BTCUSDT",
    "b": "64000.09",
    "B": "0.5",
    "a": "64000.10",
    "A": "1.5",
}
AGG: dict[str, Any] = {
    "e": "aggTrade",
    "E": 1715000000124,
    "s": "BTCUSDT",
    "a": 1001,
    "p": "64000.10",
    "q": "0.25",
    "f": 5001,
    "l": 5003,
    "T": 1715000000123,
    "m": False,
}
NS = 1_715_000_000_123_000_000


def tell(event: dict[str, Any], stream: str) -> list[tuple[Any, ...]]:
    dialect = BinanceFutures(FeedTerms(("BTCUSDT",), ("trades", "quotes")))
    return told(dialect, json.dumps({"stream": stream, "data": event}))


def test_a_book_ticker_has_the_time_when_it_happened() -> None:
    assert tell(BOOK, "btcusdt@bookTicker") == [
        ("quote", "BTCUSDT", 64000.09, 0.5, 64000.10, 1.5, NS, 9001, None)
    ]


def test_an_aggregate_trade_is_as_on_spot() -> None:
    assert tell(AGG, "btcusdt@aggTrade") == [("trade", "BTCUSDT", 64000.10, 0.25, BUY, NS, 1001, 1001)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"T": None}, "missing_field"), ({"T": "now"}, "bad_timestamp"), ({"T": 10**11 - 1}, "bad_timestamp")],
)
def test_a_book_ticker_without_a_readable_time_is_malformed(change: dict[str, Any], reason: str) -> None:
    assert tell(BOOK | change, "btcusdt@bookTicker")[0][:2] == ("malformed", reason)


def test_the_name_and_limits_are_its_own() -> None:
    dialect = BinanceFutures(FeedTerms((), ()))
    assert (dialect.venue, dialect.url()) == ("binance_futures", "wss://fstream.binance.com/stream")
    assert BinanceFutures.max_symbols_per_connection == 200 // 2

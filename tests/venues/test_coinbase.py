"""The Coinbase dialect, message by message."""

import json
from typing import Any

import pytest

from core.records import BUY, NO_TIME, SELL
from tests.venues.recording import comparable, told
from venues.coinbase import Coinbase
from venues.dialect import FeedTerms, Request

NS = 1_715_000_000_123_456_000
MATCH: dict[str, Any] = {
    "type": "match",
    "trade_id": 10,
    "sequence": 50,
    "maker_order_id": "ac928c66",
    "taker_order_id": "132fb6ae",
    "time": "2024-05-06T12:53:20.123456Z",
    "product_id": "BTC-USD",
    "size": "0.25",
    "price": "64000.10",
    "side": "sell",
}
TICKER: dict[str, Any] = {
    "type": "ticker",
    "sequence": 51,
    "product_id": "BTC-USD",
    "price": "64000.10",
    "volume_24h": "1000",
    "best_bid": "64000.09",
    "best_bid_size": "0.5",
    "best_ask": "64000.10",
    "best_ask_size": "1.5",
    "side": "buy",
    "time": "2024-05-06T12:53:20.123456Z",
    "trade_id": 10,
    "last_size": "0.25",
}


def coinbase(*channels: str) -> Coinbase:
    return Coinbase(FeedTerms(("BTC-USD",), channels or ("trades", "quotes")))


def tell(message: object) -> list[tuple[Any, ...]]:
    """Give what one message as JSON leads to, NaN spelled out."""
    return comparable(told(coinbase(), json.dumps(message)))


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


def test_subscribe_asks_for_the_channels_in_coinbases_words() -> None:
    text = '{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channels":["matches","ticker"]}'
    assert coinbase().subscribe(("BTC-USD", "ETH-USD")) == (Request(text, "matches,ticker"),)
    text = '{"type":"unsubscribe","product_ids":["BTC-USD"],"channels":["ticker"]}'
    assert coinbase("quotes").unsubscribe(("BTC-USD",)) == (Request(text, None),)


@pytest.mark.parametrize(("makers", "aggressors"), [("sell", BUY), ("buy", SELL)])
@pytest.mark.parametrize("kind", ["match", "last_match"])
def test_a_match_is_a_trade_of_the_other_side_than_the_makers(
    kind: str, makers: str, aggressors: int
) -> None:
    assert tell(MATCH | {"type": kind, "side": makers}) == [
        ("trade", "BTC-USD", 64000.10, 0.25, aggressors, NS, 10, 10)
    ]


def test_a_ticker_is_a_quote_and_its_sequence_proves_no_gap() -> None:
    assert tell(TICKER) == [("quote", "BTC-USD", 64000.09, 0.5, 64000.10, 1.5, NS, 51, None)]


def test_a_ticker_of_an_older_feed_has_neither_sizes_nor_always_a_time() -> None:
    old = without(TICKER, "best_bid_size", "best_ask_size", "time")
    assert tell(old) == [("quote", "BTC-USD", 64000.09, "nan", 64000.10, "nan", NO_TIME, 51, None)]


def test_an_empty_side_is_passed_on_as_zero() -> None:
    assert tell(TICKER | {"best_bid": "0", "best_bid_size": "0"})[0][2:4] == (0.0, 0.0)


def test_a_subscription_is_acknowledged_once_all_channels_are_listed() -> None:
    listed = [{"name": name, "product_ids": ["BTC-USD"]} for name in ("ticker", "heartbeat", "matches")]
    answer = {"type": "subscriptions", "channels": listed}
    assert tell(answer) == [("acknowledged", "matches,ticker")]
    assert tell(answer | {"channels": listed[:2]}) == [("control",)]
    assert told(coinbase("quotes"), json.dumps(answer)) == [("acknowledged", "ticker")]


def test_an_error_is_a_refusal_with_its_reason() -> None:
    error = {"type": "error", "message": "Failed to subscribe", "reason": "XYZ is not a valid product"}
    assert tell(error) == [("refused", "Failed to subscribe: XYZ is not a valid product")]
    assert tell(without(error, "reason")) == [("refused", "Failed to subscribe")]


@pytest.mark.parametrize("kind", ["heartbeat", "status"])
def test_signs_of_life_are_control(kind: str) -> None:
    assert tell({"type": kind, "sequence": 1, "product_id": "BTC-USD"}) == [("control",)]


@pytest.mark.parametrize(
    "kind", ["l2update", "snapshot", "received", "open", "done", "change", "auction", "new"]
)
def test_other_kinds_are_ignored(kind: str) -> None:
    assert tell({"type": kind, "product_id": "BTC-USD", "changes": [["buy", "1", "2"]]}) == [("ignored",)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": None}, "missing_field"),
        ({"product_id": None}, "missing_field"),
        ({"time": None}, "missing_field"),
        ({"type": None}, "missing_field"),
        ({"type": 5}, "bad_type"),
        ({"product_id": 5}, "bad_type"),
        ({"price": "abc"}, "bad_type"),
        ({"price": True}, "bad_type"),
        ({"price": "1_000"}, "bad_type"),
        ({"price": "NaN"}, "bad_price"),
        ({"price": "1e400"}, "bad_price"),
        ({"size": "inf"}, "bad_price"),
        ({"trade_id": "x"}, "bad_type"),
        ({"trade_id": -1}, "bad_type"),
        ({"trade_id": 2**63}, "bad_type"),
        ({"side": "SELL"}, "bad_type"),
        ({"time": "2024-05-06T12:53:99.1Z"}, "bad_timestamp"),
        ({"time": 1715000000}, "bad_timestamp"),
    ],
)
def test_a_bad_value_costs_the_record_and_says_why(change: dict[str, Any], reason: str) -> None:
    frame = json.dumps(MATCH | change).encode()
    symbol = change.get("product_id", "BTC-USD")
    expected = symbol if isinstance(symbol, str) else None
    assert told(coinbase(), frame) == [("malformed", reason, frame, expected)]


def test_a_ticker_with_a_bad_time_is_malformed() -> None:
    assert tell(TICKER | {"time": "now"})[0][1] == "bad_timestamp"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "malformed_json"),
        (b'{"type":"match"', "malformed_json"),
        (b'{"type":"match","note":"\xff"}', "malformed_json"),
        (b'{"type":"l2update","changes":[NaN]}', "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b"[]", "bad_type"),
        (b"7", "bad_type"),
        (b"{}", "missing_field"),
        (b'{"type":"match"}', "missing_field"),
        (b'{"type":"subscriptions","channels":5}', "bad_type"),
    ],
)
def test_a_frame_that_is_no_message_is_malformed(frame: bytes, reason: str) -> None:
    assert told(coinbase(), frame) == [("malformed", reason, frame[: 64 * 1024], None)]

"""The Binance spot dialect, message by message."""

import json
from typing import Any

import pytest

from core.records import BUY, NO_TIME, SELL
from tests.venues.recording import told
from venues.binance import Binance
from venues.dialect import FeedTerms

NS = 1_715_000_000_123_000_000
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
    "m": True,
    "M": True,
}
TRADE = {name: value for name, value in AGG.items() if name not in "afl"} | {"e": "trade", "t": 5001}
BOOK: dict[str, Any] = {
    "u": 9001,
    "s": "BTCUSDT",
    "b": "64000.09",
    "B": "0.5",
    "a": "64000.10",
    "A": "1.5",
}
AGG_CALL = ("trade", "BTCUSDT", 64000.10, 0.25, SELL, NS, 1001, 1001)
TRADE_CALL = ("trade", "BTCUSDT", 64000.10, 0.25, SELL, NS, 5001, 5001)
BOOK_CALL = ("quote", "BTCUSDT", 64000.09, 0.5, 64000.10, 1.5, NO_TIME, 9001, None)


def binance(*channels: str) -> Binance:
    return Binance(FeedTerms(("BTCUSDT",), channels or ("trades", "quotes")))


def combined(event: Any, stream: str = "") -> bytes:
    """Give the frame of a combined stream, named by the event unless told otherwise."""
    name = stream or f"btcusdt@{event.get('e', 'bookTicker')}"
    return json.dumps({"stream": name, "data": event}, separators=(",", ":")).encode()


def test_subscribe_names_streams_in_lower_case_and_counts_requests() -> None:
    dialect = binance()
    (asked,) = dialect.subscribe(("BTCUSDT",))
    assert asked.text == '{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@bookTicker"],"id":1}'
    assert asked.key == "1"
    (ended,) = dialect.unsubscribe(("BTCUSDT",))
    assert ended.text == '{"method":"UNSUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@bookTicker"],"id":2}'
    assert ended.key == "2"


def test_subscribe_asks_for_at_most_200_streams_at_a_time() -> None:
    symbols = tuple(f"S{number}USDT" for number in range(250))
    requests = binance().subscribe(symbols)
    params = [json.loads(request.text)["params"] for request in requests]
    assert [len(streams) for streams in params] == [200, 200, 100]
    assert [name for streams in params for name in streams] == [
        f"{symbol.lower()}@{stream}" for symbol in symbols for stream in ("aggTrade", "bookTicker")
    ]
    assert [request.key for request in requests] == ["1", "2", "3"]


def test_a_full_connection_stays_below_the_venues_streams() -> None:
    assert Binance.max_symbols_per_connection == 1024 // 2


@pytest.mark.parametrize("shape", [combined, lambda event: json.dumps(event).encode()])
@pytest.mark.parametrize(("event", "call"), [(AGG, AGG_CALL), (TRADE, TRADE_CALL), (BOOK, BOOK_CALL)])
def test_events_are_read_combined_and_raw(shape: Any, event: dict[str, Any], call: tuple[Any, ...]) -> None:
    assert told(binance(), shape(event)) == [call]


def test_an_event_is_read_whatever_the_order_of_the_envelope() -> None:
    frame = json.dumps({"data": AGG, "padding": "x" * 100, "stream": "btcusdt@aggTrade"})
    assert told(binance(), frame) == [AGG_CALL]
    assert told(binance(), combined(BOOK, "!bookTicker")) == [BOOK_CALL]
    assert told(binance(), combined(BOOK, "x" * 100 + "@bookTicker")) == [BOOK_CALL]


def test_a_buyer_who_is_not_the_maker_is_the_aggressor() -> None:
    assert told(binance(), combined(AGG | {"m": False}))[0][4] == BUY


def test_microseconds_are_told_by_their_magnitude() -> None:
    assert told(binance(), combined(AGG | {"T": 1715000000123456}))[0][5] == 1715000000123456000


@pytest.mark.parametrize(("first", "other", "call"), [(AGG, TRADE, AGG_CALL), (TRADE, AGG, TRADE_CALL)])
def test_a_symbols_first_stream_of_trades_is_its_only_one(
    first: dict[str, Any], other: dict[str, Any], call: tuple[Any, ...]
) -> None:
    dialect = binance()
    assert told(dialect, combined(first)) == [call]
    assert told(dialect, combined(other)) == [("ignored",)]
    assert told(dialect, combined(first)) == [call]
    assert told(dialect, combined(other | {"s": "ETHUSDT"}))[0][:2] == ("trade", "ETHUSDT")


def test_a_malformed_trade_does_not_decide_the_source() -> None:
    dialect = binance()
    assert told(dialect, combined(TRADE | {"T": 10**11 - 1}))[0][:2] == ("malformed", "bad_timestamp")
    assert told(dialect, combined(AGG)) == [AGG_CALL]


def test_an_empty_side_is_passed_on_as_zero() -> None:
    call = told(binance(), combined(BOOK | {"a": "0.00000000", "A": "0.00000000"}))[0]
    assert call[4:6] == (0.0, 0.0)


@pytest.mark.parametrize(
    "frame",
    [
        combined({"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [["1", "2"]], "a": []}),
        combined({"e": "kline", "E": 1, "s": "BTCUSDT", "k": {}}),
        combined({"e": "24hrTicker", "E": 1, "s": "BTCUSDT", "p": "1", "a": "1", "b": "2"}),
        combined({"lastUpdateId": 160, "bids": [["1", "2"]], "asks": []}, "btcusdt@depth5"),
        combined({"e": "avgPrice", "s": "BTCUSDT"}, "btcusdt@avgPrice"),
        combined([{"e": "24hrMiniTicker"}], "!miniTicker@arr"),
        b'{"lastUpdateId":160,"bids":[],"asks":[]}',
        b"{}",
    ],
)
def test_other_events_are_ignored(frame: bytes) -> None:
    assert told(binance(), frame) == [("ignored",)]


@pytest.mark.parametrize(
    ("frame", "call"),
    [
        (b'{"result":null,"id":1}', ("acknowledged", "1")),
        (b'{"id":"mine","result":null}', ("acknowledged", "mine")),
        (b'{"result":null,"id":null}', ("control",)),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', ("refused", "Invalid request (code 2)")),
        (b'{"code":3,"msg":"Invalid JSON"}', ("refused", "Invalid JSON (code 3)")),
        (b'{"error":"too many"}', ("refused", "too many")),
        (b'{"e":"serverShutdown","E":1715000000123}', ("later", "serverShutdown")),
    ],
)
def test_replies_and_requests_of_the_venue_are_control(frame: bytes, call: tuple[str, ...]) -> None:
    assert told(binance(), frame) == [call]


@pytest.mark.parametrize(
    ("event", "change", "reason"),
    [
        (AGG, {"p": None}, "missing_field"),
        (AGG, {"s": None}, "missing_field"),
        (AGG, {"a": "x"}, "bad_type"),
        (AGG, {"a": 2**63}, "bad_type"),
        (AGG, {"s": 7}, "bad_type"),
        (AGG, {"e": 7}, "bad_type"),
        (AGG, {"m": "maybe"}, "bad_type"),
        (AGG, {"p": True}, "bad_type"),
        (AGG, {"p": "nan"}, "bad_price"),
        (AGG, {"q": "1e400"}, "bad_price"),
        (AGG, {"T": "now"}, "bad_timestamp"),
        (AGG, {"T": -5}, "bad_timestamp"),
        (AGG, {"T": 10**11 - 1}, "bad_timestamp"),
        (BOOK, {"b": None}, "missing_field"),
        (BOOK, {"u": None}, "missing_field"),
        (BOOK, {"b": []}, "bad_type"),
        (BOOK, {"B": "inf"}, "bad_price"),
        (BOOK, {"a": "-Infinity"}, "bad_price"),
    ],
)
def test_a_bad_value_costs_the_record_and_says_why(
    event: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    frame = combined(event | change, f"btcusdt@{event.get('e', 'bookTicker')}")
    symbol = change.get("s", "BTCUSDT")
    expected = symbol if isinstance(symbol, str) else None
    assert told(binance(), frame) == [("malformed", reason, frame, expected)]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "malformed_json"),
        (b'{"stream":"btcusdt@aggTrade","data":{', "malformed_json"),
        (b'{"stream":"btcusdt@aggTrade","data":{"note":"\xff"}}', "malformed_json"),
        (b'{"data":' * 50_000, "malformed_json"),
        (b"[]", "bad_type"),
        (b"7", "bad_type"),
        (b'{"stream":"btcusdt@aggTrade"}', "missing_field"),
        (b'{"stream":"btcusdt@aggTrade","data":null}', "missing_field"),
        (b'{"stream":"btcusdt@aggTrade","data":5}', "bad_type"),
        (b'{"stream":"btcusdt@bookTicker","data":{}}', "missing_field"),
        (b'{"e":"trade"}', "missing_field"),
    ],
)
def test_a_frame_that_is_no_event_is_malformed(frame: bytes, reason: str) -> None:
    assert told(binance(), frame) == [("malformed", reason, frame[: 64 * 1024], None)]

"""The generic dialect, message by message."""

import json
from typing import Any

import pytest

from core.errors import UsageError
from core.records import BUY, NO_SIDE, NO_TIME, RAW_LIMIT, SELL
from tests.venues.recording import comparable, told
from venues.dialect import FeedTerms, Request
from venues.generic import Generic

TRADE: dict[str, Any] = {
    "symbol": "BTC-USD",
    "price": 64000.1,
    "size": "0.25",
    "side": "buy",
    "id": "a-1",
    "seq": 7,
}
QUOTE: dict[str, Any] = {
    "symbol": "BTC-USD",
    "bid": "64000.0",
    "bid_size": 1,
    "ask": 64000.1,
    "ask_size": 2.5,
}


def generic(**fields: str) -> Generic:
    return Generic(FeedTerms(("BTC-USD",), ("trades", "quotes"), fields=fields))


def tell(message: object, **fields: str) -> list[tuple[Any, ...]]:
    """Give what one message as JSON leads to, NaN spelled out."""
    return comparable(told(generic(**fields), json.dumps(message)))


def only_reason(frame: bytes | str) -> str:
    """Give the reason of a frame that is one malformed record."""
    calls = told(generic(), frame)
    assert [call[0] for call in calls] == ["malformed"]
    return str(calls[0][1])


def test_subscribe_and_unsubscribe_name_the_symbols_and_await_no_answer() -> None:
    asked = generic().subscribe(("BTC-USD", "ETH-USD"))
    assert asked == (Request('{"action":"subscribe","symbols":["BTC-USD","ETH-USD"]}', None),)
    ended = generic().unsubscribe(("BTC-USD",))
    assert ended == (Request('{"action":"unsubscribe","symbols":["BTC-USD"]}', None),)


def test_a_price_alone_is_a_trade() -> None:
    assert tell(TRADE) == [("trade", "BTC-USD", 64000.1, 0.25, BUY, NO_TIME, "a-1", 7)]


def test_what_is_null_or_absent_of_a_trade_stays_absent() -> None:
    message = {
        "symbol": "X",
        "price": 5,
        "size": None,
        "side": None,
        "timestamp": None,
        "id": None,
        "bid": None,
    }
    assert tell(message) == [("trade", "X", 5.0, "nan", NO_SIDE, NO_TIME, None, None)]


def test_bid_and_ask_without_a_price_are_a_quote() -> None:
    assert tell(QUOTE) == [("quote", "BTC-USD", 64000.0, 1.0, 64000.1, 2.5, NO_TIME, None, None)]


def test_an_empty_side_is_passed_on_as_zero() -> None:
    assert tell({"symbol": "X", "bid": 0, "ask": "2"}) == [
        ("quote", "X", 0.0, "nan", 2.0, "nan", NO_TIME, None, None)
    ]


def test_price_bid_and_ask_are_both() -> None:
    assert tell(TRADE | QUOTE) == [
        ("both", "BTC-USD", 64000.1, 0.25, BUY, 64000.0, 1.0, 64000.1, 2.5, NO_TIME, "a-1", 7)
    ]


def test_a_price_with_one_side_of_the_book_keeps_that_side() -> None:
    assert tell({"symbol": "X", "price": 3, "bid": 2}) == [
        ("both", "X", 3.0, "nan", NO_SIDE, 2.0, "nan", "nan", "nan", NO_TIME, None, None)
    ]


def test_volume_stands_in_for_an_absent_size() -> None:
    assert tell({"symbol": "X", "price": 1, "volume": "9"})[0][3] == 9.0
    assert tell({"symbol": "X", "price": 1, "volume": "9", "size": 4})[0][3] == 4.0


@pytest.mark.parametrize(
    ("word", "side"), [("buy", BUY), ("SELL", SELL), ("Buy", BUY), ("b", BUY), ("S", SELL), (None, NO_SIDE)]
)
def test_sides_are_read_in_any_case(word: str | None, side: int) -> None:
    assert tell(TRADE | {"side": word})[0][4] == side


@pytest.mark.parametrize(
    "stamp",
    [
        1715000000123456789,
        "1715000000123456789",
        "1715000000.123456789",
        "2024-05-06T12:53:20.123456789Z",
        "2024-05-06T14:53:20.123456789+02:00",
    ],
)
def test_times_of_every_form_come_to_the_same_nanosecond(stamp: object) -> None:
    assert tell(TRADE | {"timestamp": stamp})[0][5] == 1715000000123456789


@pytest.mark.parametrize(
    ("sent", "identity"),
    [(5, 5), ("5", 5), ("05", "05"), ("a", "a"), ("", None), (2**63, str(2**63)), (-3, -3)],
)
def test_an_id_is_text_or_a_whole_number(sent: object, identity: object) -> None:
    assert tell(TRADE | {"id": sent})[0][6] == identity


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"symbol": None}, "missing_field"),
        ({"price": None}, "missing_field"),
        ({"price": None, "bid": 1}, "missing_field"),
        ({"price": None, "ask": 1}, "missing_field"),
        ({"symbol": 5}, "bad_type"),
        ({"symbol": ["BTC-USD"]}, "bad_type"),
        ({"price": True}, "bad_type"),
        ({"price": "1_000"}, "bad_type"),
        ({"price": " 1 "}, "bad_type"),
        ({"price": [1]}, "bad_type"),
        ({"price": "nan"}, "bad_price"),
        ({"price": "-Infinity"}, "bad_price"),
        ({"price": "1e400"}, "bad_price"),
        ({"price": 10**400}, "bad_price"),
        ({"size": "inf"}, "bad_price"),
        ({"size": False}, "bad_type"),
        ({"side": "long"}, "bad_type"),
        ({"side": 1}, "bad_type"),
        ({"timestamp": "yesterday"}, "bad_timestamp"),
        ({"timestamp": True}, "bad_timestamp"),
        ({"timestamp": -1}, "bad_timestamp"),
        ({"timestamp": {}}, "bad_timestamp"),
        ({"id": 1.5}, "bad_type"),
        ({"id": True}, "bad_type"),
        ({"seq": "7"}, "bad_type"),
        ({"seq": 7.0}, "bad_type"),
        ({"seq": True}, "bad_type"),
        ({"seq": 2**63}, "bad_type"),
    ],
)
def test_a_bad_value_costs_the_record_and_says_why(change: dict[str, Any], reason: str) -> None:
    frame = json.dumps(TRADE | change).encode()
    symbol = change.get("symbol", "BTC-USD")
    expected = symbol if isinstance(symbol, str) else None
    assert told(generic(), frame) == [("malformed", reason, frame, expected)]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"\xff", "malformed_json"),
        (b'{"symbol":"X","price":1,"note":"\xff"}', "malformed_json"),
        (b'{"symbol":"\\ud800","price":1}', "malformed_json"),
        (b'{"symbol":"X","price":NaN}', "malformed_json"),
        (b"[{", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b'{"x":' * 100_000, "malformed_json"),
        (b'{"symbol":"X","price":1e400}', "bad_price"),
        (b'{"symbol":"X","price":' + b"9" * 5000 + b"}", "bad_price"),
        (b"5", "bad_type"),
        (b'"text"', "bad_type"),
        (b"null", "bad_type"),
        (b"{}", "missing_field"),
        (b'{"price":1}', "missing_field"),
        (b'{"type":"trade","price":1}', "missing_field"),
        (b'{"type":"trade","symbol":"X"}', "missing_field"),
    ],
)
def test_a_frame_that_is_no_record_is_malformed(frame: bytes, reason: str) -> None:
    assert only_reason(frame) == reason


def test_a_nul_in_a_symbol_is_read_as_it_came() -> None:
    assert told(generic(), b'{"symbol":"A\\u0000","price":1}')[0][1] == "A\0"


def test_raw_bytes_are_cut_at_the_limit() -> None:
    calls = told(generic(), b"x" * (RAW_LIMIT + 1))
    assert calls == [("malformed", "malformed_json", b"x" * RAW_LIMIT, None)]


def test_a_bad_element_of_an_array_costs_only_itself() -> None:
    frame = (
        b' [{"symbol":"X","price":1}, {"symbol":"X"},7,{"symbol":"X","price":1e999},{"symbol":"Y","price":2}]'
    )
    calls = told(generic(), frame)
    assert [call[:3] for call in calls] == [
        ("trade", "X", 1.0),
        ("malformed", "missing_field", b'{"symbol":"X"}'),
        ("malformed", "bad_type", b"7"),
        ("malformed", "bad_price", b'{"symbol":"X","price":1e999}'),
        ("trade", "Y", 2.0),
    ]


def test_every_element_of_an_array_is_a_record() -> None:
    assert told(generic(), b'[{"type":"heartbeat"}]')[0][:2] == ("malformed", "missing_field")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribed", "symbols": ["X"]},
        {"type": "heartbeat", "price": 1},
        {"event": "pong"},
        {"action": "subscribe"},
        {"type": "something else"},
        {"type": 5},
        [],
    ],
)
def test_a_message_without_symbol_and_price_is_control(message: object) -> None:
    assert tell(message) == [("control",)]


def test_an_error_is_a_refusal_in_the_venues_words() -> None:
    assert tell({"type": "error", "message": "no such symbol"}) == [("refused", "no such symbol")]
    assert tell({"event": "error", "code": 3}) == [("refused", '{"event": "error", "code": 3}')]


def test_fields_are_read_from_the_names_that_the_venue_uses() -> None:
    sent = {"s": "X", "p": "1.5", "q": 2, "volume": 99, "t": 5, "type": "print"}
    names = {"symbol": "s", "price": "p", "size": "q", "id": "t", "seq": "t"}
    assert tell(sent, **names) == [("trade", "X", 1.5, 2.0, NO_SIDE, NO_TIME, 5, 5)]


def test_a_renamed_size_has_no_stand_in() -> None:
    assert tell({"symbol": "X", "price": 1, "volume": 99}, size="q")[0][3] == "nan"


def test_a_name_that_is_claimed_is_no_longer_read_as_ours() -> None:
    assert tell({"symbol": "X", "price": 1, "ask": 2}, bid="price")[0][0] == "quote"


def test_a_name_that_is_not_ours_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'price'"):
        generic(prise="p")

"""Whatever a frame holds: decode raises nothing, and the frame is decoded, control or ignored."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.records import NO_TIME, RAW_LIMIT, REASONS
from tests.venues.recording import comparable, place, told
from venues.dialect import FeedTerms
from venues.registry import VENUES, dialect_class

VALID: dict[str, tuple[dict[str, Any], ...]] = {
    "generic": (
        {"symbol": "X", "price": "1", "size": 2, "side": "buy", "timestamp": 171500000, "id": "", "seq": 1},
        {"symbol": "X", "bid": 1, "ask": "2", "bid_size": 3, "ask_size": 4, "timestamp": "2024-05-06T07:08Z"},
        {"type": "error", "message": "no"},
    ),
    "coinbase": (
        {
            "type": "match", "trade_id": 10, "sequence": 50, "time": "2024-05-06T07:08:09.123456Z",
            "product_id": "X-Y", "size": "0.25", "price": "64000.10", "side": "sell",
        },
        {
            "type": "ticker", "sequence": 51, "product_id": "X-Y", "best_bid": "1", "best_bid_size": "2",
            "best_ask": "3", "best_ask_size": "4", "time": "2024-05-06T07:08:09.123456Z",
        },
        {"type": "subscriptions", "channels": [{"name": "matches"}, {"name": "ticker"}]},
        {"type": "error", "message": "no", "reason": "none"},
    ),
    "binance_futures": (
        {"e": "aggTrade", "s": "XY", "a": 1, "p": "1", "q": "2", "T": 1715000000123, "m": True},
        {"e": "trade", "s": "XY", "t": 1, "p": "1", "q": "2", "T": 1715000000123, "m": False},
        {
            "e": "bookTicker", "u": 1, "s": "XY", "b": "1", "B": "2", "a": "3", "A": "4",
            "T": 1715000000123, "E": 1715000000124,
        },
        {"result": None, "id": 1},
        {"error": {"code": 2, "msg": "no"}, "id": 1},
        {"e": "serverShutdown", "E": 1715000000123},
    ),
}  # fmt: skip
VALID["binance"] = VALID["binance_futures"]

pytestmark = pytest.mark.slow

FRAGMENTS = (
    "null", "true", "[]", "{}", "-0", "0.0", "1e400", "-1e400", "1e-400", "NaN", "Infinity", "1_000",
    '""', '"nan"', '"-inf"', '"1e400"', '" 1 "', '"1_000"', '"null"', '"true"', '"\\ud800"', '"\\u0000"',
    '"\\udc00\\ud800"', '"٣"', '"2024-05-06T07:08:09Z"', '"9999-12-31T23:59:59.9Z"', '"error"', '"trade"',
    "9" * 40, "-" + "9" * 25, "9" * 400, '"' + "9" * 400 + '"', "9" * 5000, '"' + "9" * 5000 + '"',
    str(2**63), str(2**64), '"' + "\\u00e9" * 9 + '"', "[" * 60 + "]" * 60, "[" * 30_000, '{"a":' * 30_000,
)  # fmt: skip

words = st.sampled_from(
    sorted({name for messages in VALID.values() for message in messages for name in message})
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
fragments = st.sampled_from(FRAGMENTS) | values.map(json.dumps)
anywhere = pytest.mark.parametrize("venue", [venue for venue in VENUES if venue in VALID])


def written(message: dict[str, str]) -> str:
    """Give an object whose values are JSON already."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in message.items()) + "}"


@st.composite
def mutated(draw: st.DrawFn, venue: str) -> str:
    """Give a valid message with some of its values replaced, removed or added."""
    message = {name: json.dumps(value) for name, value in draw(st.sampled_from(VALID[venue])).items()}
    for name in draw(st.lists(st.sampled_from(sorted(message)), max_size=2)):
        message.pop(name, None)
        if draw(st.booleans()) or draw(st.booleans()):
            message[name] = draw(fragments)
    message.update(draw(st.dictionaries(words, fragments, max_size=1)))
    return written(message)


@st.composite
def messages(draw: st.DrawFn, venue: str) -> str:
    """Give a mutated message, for Binance sometimes in the envelope of a combined stream."""
    message = draw(mutated(venue))
    if not venue.startswith("binance") or draw(st.booleans()):
        return message
    stream = draw(
        st.sampled_from(("@aggTrade", "@bookTicker", "@trade", "@depth5", "!ticker@arr", "", "\ud800"))
    )
    name = draw(st.sampled_from((json.dumps(f"x{stream}"), "null", "7")))
    return f'{{"stream":{name},"data":{message}}}'


def check(venue: str, frame: bytes) -> list[tuple[Any, ...]]:
    """Decode a frame anew, hold what it leads to against the contract and give it."""
    calls = told(dialect_class(venue)(FeedTerms(("X",), ("trades", "quotes"))), frame)
    place(calls)
    for name, *arguments in calls:
        if name == "malformed":
            reason, raw, symbol = arguments
            assert reason in REASONS[3:8]
            assert type(raw) is bytes
            assert len(raw) <= RAW_LIMIT
            assert symbol is None or type(symbol) is str
        elif name in ("trade", "quote", "both"):
            check_tick(*arguments)
    return calls


def check_tick(symbol: object, *rest: Any) -> None:
    """Hold a tick's types and ranges against the contract."""
    *numbers, time, identity, seq = rest
    assert type(symbol) is str
    assert all(type(value) is float or (type(value) is int and value in (-1, 0, 1)) for value in numbers)
    assert not any(abs(value) == float("inf") for value in numbers)
    assert type(time) is int
    assert time == NO_TIME or 0 <= time < 2**63
    assert identity is None or type(identity) is str or (type(identity) is int and abs(identity) < 2**63)
    assert seq is None or (type(seq) is int and abs(seq) < 2**63)


@anywhere
@given(frame=st.binary(max_size=64))
@example(frame=b"")
@example(frame=b"\xef\xbb\xbf{}")
def test_any_bytes_are_survived(venue: str, frame: bytes) -> None:
    check(venue, frame)


@anywhere
@given(value=values)
def test_any_json_is_survived(venue: str, value: object) -> None:
    check(venue, json.dumps(value).encode())


@anywhere
@given(drawn=st.data())
def test_any_mutation_of_a_message_is_survived(venue: str, drawn: st.DataObject) -> None:
    check(venue, drawn.draw(messages(venue)).encode())


@anywhere
@given(drawn=st.data())
def test_a_message_with_a_damaged_byte_is_survived(venue: str, drawn: st.DataObject) -> None:
    frame = bytearray(drawn.draw(messages(venue)).encode())
    frame[drawn.draw(st.integers(0, len(frame) - 1))] = drawn.draw(st.integers(0, 255))
    check(venue, bytes(frame[: drawn.draw(st.integers(0, len(frame)))]))


@pytest.mark.parametrize("venue", ["binance", "binance_futures"])
@pytest.mark.parametrize("stream", ["@aggTrade", "@bookTicker", "@trade"])
@given(drawn=st.data())
def test_what_an_event_is_does_not_depend_on_the_order_of_its_envelope(
    venue: str, stream: str, drawn: st.DataObject
) -> None:
    event = drawn.draw(mutated(venue))
    first = check(venue, f'{{"stream":"xy{stream}","data":{event}}}'.encode())
    last = check(venue, f'{{"padding":"{"-" * 80}","data":{event},"stream":"xy{stream}"}}'.encode())
    assert without_raw(first) == without_raw(last)


@given(drawn=st.data())
def test_a_tick_is_the_same_alone_and_in_an_array(drawn: st.DataObject) -> None:
    message = drawn.draw(mutated("generic"))
    alone = check("generic", message.encode())
    if place(alone) == "decoded":
        again = check("generic", f"[{message},{message}]".encode())
        spoilt = again[0][:2] == ("malformed", "malformed_json")
        assert without_raw(again) == without_raw(alone) * (1 if spoilt else 2)


def without_raw(calls: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(*call[:2], call[3]) if call[0] == "malformed" else call for call in comparable(calls)]

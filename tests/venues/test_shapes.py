"""Whatever a shape accepts, `decode` says the same of, to the bit; and ordinary frames are accepted."""

import re
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.payloads import Payloads
from core.records import NO_ID, NO_TIME, TRADE
from core.scanning import Scanned, Scanner
from tests.venues.recording import told
from venues.dialect import Dialect, FeedTerms
from venues.registry import VENUES, dialect_class

SYMBOLS = ("BTCUSDT", "BTC-USD", "X")
AGG = (
    '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1715000000124,"s":"BTCUSDT","a":1001,'
    '"p":"64000.10","q":"0.25","f":5001,"l":5003,"T":1715000000123,"m":true,"M":true}}'
)
AGG_US = AGG.replace("124,", "124000,").replace("123,", "123456,").replace("true,", "false,")
GENERIC = (
    '{"symbol":"BTC-USD","price":64000.1,"size":"0.25","side":"buy","timestamp":1715000000123,"id":"1","seq":7}',
    '{"symbol":"BTC-USD","bid":64000.0,"ask":64000.1,"bid_size":1,"ask_size":2.5,'
    '"timestamp":"2024-05-06T07:08:09.123456789Z"}',
    '{"symbol":"BTC-USD","price":"1","volume":2,"side":"Sell","id":7}',
    '{"type":"tick","symbol":"X","price":3,"size":null,"bid":"64000.0","ask":64000.1,"seq":1}',
)
ORDINARY: Mapping[str, tuple[str, ...]] = {
    "binance": (
        AGG,
        AGG_US,
        '{"stream":"btcusdt@bookTicker","data":{"u":9001,"s":"BTCUSDT","b":"64000.09000000",'
        '"B":"0.50000000","a":"64000.10000000","A":"1.50000000"}}',
    ),
    "binance_futures": (
        AGG,
        '{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":9001,"E":1715000000124,'
        '"T":1715000000123,"s":"BTCUSDT","b":"64000.09","B":"0.5","a":"64000.10","A":"1.5"}}',
    ),
    "coinbase": (
        '{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae",'
        '"time":"2024-05-06T07:08:09.123456Z","product_id":"BTC-USD","size":"0.25","price":"64000.10",'
        '"side":"sell"}',
        '{"type":"ticker","sequence":51,"product_id":"BTC-USD","price":"64000.10","open_24h":"63000",'
        '"volume_24h":"1000","low_24h":"62000","high_24h":"65000","volume_30d":"30000","best_bid":"64000.09",'
        '"best_bid_size":"0.5","best_ask":"64000.10","best_ask_size":"1.5","side":"buy",'
        '"time":"2024-05-06T07:08:09.123456Z","trade_id":10,"last_size":"0.25"}',
        '{"type":"ticker","sequence":51,"product_id":"BTC-USD","best_bid":"64000.09","best_ask":"64000.10"}',
    ),
    "generic": GENERIC,
    "demo": GENERIC,
}
VALUES = (
    "null", "true", "false", "0", "1", "-1", "-0", "0.0", "1.5", "1e5", '"1e5"', '""', '"null"', '"0"',
    '"00"', '"1."', '".5"', '"+1"', '" 1"', "1.", "01", "9007199254740993", '"9007199254740993"',
    "0.1234567890123456", '"0.12345678901234567"', "123456789012345678", "9223372036854775799",
    "9223372036854775808", "1" * 25, '"buy"', '"sell"', '"BUY"', '"bUY"', '"b"', '"S"', "[]", "{}",
    '{"a":1}', '"aggTrade"', '"bookTicker"', '"trade"', '"match"', '"last_match"', '"BTCUSDT"', '"X"',
    '"ETH"', '"x@aggTrade"', '"x@bookTicker"', '"x@trade@bookTicker"', '"x@bookTicker@aggTrade"',
    '"1970-01-01T00:00:00Z"', '"1969-12-31T23:59:59Z"', '"2024-02-29T00:00:00.5Z"',
    '"2023-02-29T00:00:00.5Z"', '"2262-01-01T00:00:00Z"', '"2024-05-06T24:00:00Z"',
    '"2024-05-06t07:08:09z"', '"2024-05-06T07:08:09+01:00"', "99999999999", "100000000000",
    "99999999999999999", "100000000000000000", "9223372036", "9223372037", '"\\u0041"', '"é"', '"\x7f"',
    '"1715000000"', '"7"', '"-7"', '"0.0000000000000000000001"', '"0.00000000000000000000001"',
    '"' + "9" * 20 + '"', "1." + "1" * 30,
)  # fmt: skip
MEMBER = re.compile(r'"\w+":("[^"]*"|[-0-9.a-z]+)')
anywhere = pytest.mark.parametrize("venue", VENUES)


def dialect(venue: str, fields: Mapping[str, str] | None = None) -> Dialect:
    """Give a dialect that has seen an ordinary frame of each kind."""
    one = dialect_class(venue)(FeedTerms(SYMBOLS, ("trades", "quotes"), fields=fields))
    for frame in ORDINARY[venue]:
        told(one, frame)
    return one


def bits(call: tuple[Any, ...]) -> list[object]:
    """Give what is called with each float as its bits, and any NaN as the same."""
    return [
        ("nan" if value != value else struct.pack("d", value)) if isinstance(value, float) else value
        for value in call
    ]


def read(scanner: Scanner, scanned: Scanned, i: int) -> tuple[Any, ...]:
    """Give an accepted frame as the call that `decode` must make."""
    name = ("trade", "quote", "both")[scanned.kind[i]]
    trade, book = ("price", "size", "side"), ("bid", "bid_size", "ask", "ask_size")
    columns = {"trade": trade, "quote": book, "both": trade + book}[name]
    values = [getattr(scanned, column)[i].item() for column in columns]
    ids = [None if value == NO_ID else value for value in (scanned.venue_id[i].item(), scanned.seq[i].item())]
    return (name, scanner.symbols[scanned.symbol[i]], *values, scanned.ts_event_ns[i].item(), *ids)


def check(one: Dialect, frames: list[bytes]) -> int:
    """Hold what is accepted of some frames against `decode`; give how many are."""
    scanner = Scanner(one.shapes, SYMBOLS, one.takes)
    scanned = scanner.scan(Payloads.of(frames))
    for i in scanned.ok.nonzero()[0].tolist():
        (call,) = told(one, frames[i])
        assert bits(call) == bits(read(scanner, scanned, i)), frames[i]
    return int(scanned.ok.sum())


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[str, ...]) -> bytes:
    """Give an ordinary frame with a few things changed: values, members, blanks, its end, single bytes."""
    frame = draw(st.sampled_from(seeds))
    for how in draw(
        st.lists(st.sampled_from(("value", "drop", "double", "swap", "blank", "end")), max_size=3)
    ):
        members = list(MEMBER.finditer(frame))
        if not members:
            break
        one, other = draw(st.sampled_from(members)), draw(st.sampled_from(members))
        if how == "value":
            frame = frame[: one.start(1)] + draw(st.sampled_from(VALUES)) + frame[one.end(1) :]
        elif how == "drop":
            frame = frame[: one.start()] + frame[one.end() :].removeprefix(",")
        elif how == "double":
            frame = f"{frame[: other.start()]}{one.group()},{frame[other.start() :]}"
        elif how == "swap":
            name = other.group().partition(":")[0]
            frame = frame[: one.start()] + name + frame[one.start(1) - 1 :]
        elif how == "blank":
            place = one.start(draw(st.integers(0, 1)))
            frame = frame[:place] + draw(st.sampled_from((" ", "\t\r\n", "\x0b", "\0"))) + frame[place:]
        else:
            frame += draw(st.sampled_from((" ", "}", "x", "\n", ",", "{}", "\0")))
    damaged = bytearray(frame.encode())
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        damaged[draw(st.integers(0, len(damaged) - 1))] = draw(
            st.sampled_from(b'{}[]:,"\\0123456789.eE+- ') | st.integers(0, 255)
        )
    return bytes(damaged[: draw(st.sampled_from((None, None, None, draw(st.integers(0, len(damaged))))))])


@anywhere
def test_every_ordinary_frame_is_accepted(venue: str) -> None:
    frames = [frame.encode() for frame in ORDINARY[venue]]
    assert check(dialect(venue), frames) == len(frames)
    assert {shape.kind for shape in dialect(venue).shapes} >= {TRADE, 1}


@anywhere
@pytest.mark.slow
@given(drawn=st.data())
def test_decode_says_the_same_of_what_is_accepted(venue: str, drawn: st.DataObject) -> None:
    one = dialect(venue)
    check(one, drawn.draw(st.lists(mutated(ORDINARY[venue]), min_size=1, max_size=12)))


@anywhere
@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES)
def test_decode_says_the_same_of_any_value_in_any_place(venue: str, value: str) -> None:
    frames = [
        (frame[: one.start(1)] + value + frame[one.end(1) :]).encode()
        for frame in ORDINARY[venue]
        for one in MEMBER.finditer(frame)
    ]
    check(dialect(venue), frames)


def test_a_symbols_trades_are_left_to_decode_until_it_has_found_their_source() -> None:
    one = dialect_class("binance")(FeedTerms(SYMBOLS, ("trades", "quotes")))
    scanner, batch = Scanner(one.shapes, SYMBOLS, one.takes), Payloads.of([AGG.encode()])
    assert not scanner.scan(batch).ok.any()
    told(one, AGG)
    assert scanner.scan(batch).ok.all()


def test_on_a_line_that_names_no_other_stream_trades_are_read_at_once_from_the_first() -> None:
    """And should another come all the same, it is left out: told once is told once."""
    url = "wss://stream.binance.com:9443/stream"
    one = dialect_class("binance")(FeedTerms(SYMBOLS, ("trades", "quotes"), url))
    scanner, batch = Scanner(one.shapes, SYMBOLS, one.takes), Payloads.of([AGG.encode()])
    assert scanner.scan(batch).ok.all()
    assert told(one, AGG.replace("aggTrade", "trade").replace('"a":', '"t":')) == [("ignored",)]
    other = dialect_class("binance")(FeedTerms(SYMBOLS, ("trades",), f"{url}?streams=btcusdt@trade"))
    assert not Scanner(other.shapes, SYMBOLS, other.takes).scan(batch).ok.any()


def test_a_symbol_whose_source_is_another_stream_stays_with_decode() -> None:
    one = dialect_class("binance")(FeedTerms(SYMBOLS, ("trades", "quotes")))
    told(one, AGG.replace("aggTrade", "trade").replace('"a":', '"t":'))
    scanner, batch = Scanner(one.shapes, SYMBOLS, one.takes), Payloads.of([AGG.encode()])
    assert not scanner.scan(batch).ok.any()
    assert not scanner.scan(batch).ok.any()
    assert told(one, AGG) == [("ignored",)]


@pytest.mark.parametrize(
    ("fields", "frame"),
    [
        ({"price": "p", "id": "t", "seq": "t"}, '{"symbol":"X","p":1,"size":2,"t":7,"price":"no"}'),
        (
            {"symbol": "s", "size": "v", "timestamp": "T"},
            '{"s":"X","price":1,"v":2,"T":171500000,"volume":9}',
        ),
        ({"volume": "size"}, '{"symbol":"X","price":1,"size":2}'),
        ({"id": "seq"}, '{"symbol":"X","price":1,"seq":5}'),
        ({"bid": "b", "ask": "a"}, '{"symbol":"X","b":1,"a":2,"bid":"no"}'),
        ({"symbol": "type"}, '{"type":"X","price":1}'),
        ({"price": "bid"}, '{"symbol":"X","bid":1}'),
    ],
)
def test_generic_shapes_follow_the_names_of_the_feed(fields: dict[str, str], frame: str) -> None:
    assert check(dialect("generic", fields), [frame.encode()]) == 1


@pytest.mark.parametrize("fields", [{"price": "p", "bid": "p"}, {"id": "t", "timestamp": "t"}])
def test_generic_has_no_shapes_where_two_names_share_a_field(fields: dict[str, str]) -> None:
    assert dialect("generic", fields).shapes == ()


names = st.sampled_from(
    ("symbol", "price", "size", "volume", "bid", "ask", "side", "timestamp", "id", "seq", "é")
)


@pytest.mark.slow
@given(fields=st.dictionaries(names.filter(str.isascii), names, max_size=4), drawn=st.data())
def test_decode_says_the_same_whatever_the_names(fields: dict[str, str], drawn: st.DataObject) -> None:
    check(dialect("generic", fields), drawn.draw(st.lists(mutated(GENERIC), min_size=1, max_size=8)))


def test_a_venue_without_a_time_has_none() -> None:
    one = dialect("binance")
    scanner = Scanner(one.shapes, SYMBOLS, one.takes)
    assert scanner.scan(Payloads.of([ORDINARY["binance"][2].encode()])).ts_event_ns.tolist() == [NO_TIME]

"""The scanner: what it reads, what it refuses, and that a frame's neighbours change nothing."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import records, scan_kernel, scan_tables, scan_values, shapes
from core.payloads import Payloads
from core.records import BUY, NO_ID, NO_SIDE, NO_TIME, QUOTE, SELL, TRADE
from core.scanning import Scanned, Scanner
from core.shapes import EPOCH, ISO, Shape

SYMBOLS = ("BTC", "ETH", "A-SYMBOL-OF-MANY-LETTERS", "A-SYMBOL-OF-OTHER-LETTERS", 'q"', "é", "\ud800", "")
TRADES = Shape(
    kind=TRADE, literals={"type": "match"}, absent=("bid",), symbol="symbol", price="price", size="size",
    side="side", sides={"true": SELL, '"buy"': BUY}, time="a rather long name", times=EPOCH | ISO,
    id="id", id_as_text=True, seq="seq", optional=frozenset(("size", "side", "time", "id", "seq")),
)  # fmt: skip
WRAPPED = Shape(
    kind=QUOTE, container="data", ending=("stream", "@book"), symbol="symbol",
    bid="bid", bid_size="bid_size", ask="ask", ask_size="ask_size", id="number", seq="number",
)  # fmt: skip
FRAME: dict[str, Any] = {"type": "match", "symbol": "BTC", "price": 1.5}
BOOK: dict[str, Any] = {"symbol": "ETH", "bid": 1, "bid_size": "0", "ask": "2.50", "ask_size": 4, "number": 7}
EMPTY = {
    "kind": -1, "symbol": -1, "side": NO_SIDE, "ts_event_ns": NO_TIME, "venue_id": NO_ID, "seq": NO_ID,
    "price": "nan", "size": "nan", "bid": "nan", "bid_size": "nan", "ask": "nan", "ask_size": "nan",
}  # fmt: skip


def scan(*frames: bytes | str) -> Scanned:
    texts = [frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame for frame in frames]
    return Scanner((TRADES, WRAPPED), SYMBOLS).scan(Payloads.of(texts))


def rows(scanned: Scanned) -> list[dict[str, Any]]:
    columns = {name: getattr(scanned, name).tolist() for name in (*EMPTY, "ok")}
    return [
        {name: "nan" if values[i] != values[i] else values[i] for name, values in columns.items()}
        for i in range(len(scanned))
    ]


def row(frame: bytes | str) -> dict[str, Any]:
    (one,) = rows(scan(frame))
    return one


def text(fields: dict[str, Any], **raw: str) -> str:
    """Give an object as JSON; what is raw is JSON already."""
    members = {name: json.dumps(value) for name, value in fields.items()} | {
        name.replace("_", " ") if name.startswith("a_") else name: value for name, value in raw.items()
    }
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"


def book(**raw: str) -> str:
    return text({"stream": "x@book"}, data=text(BOOK, **raw))


def test_a_trade_is_read_with_what_is_there() -> None:
    assert row(text(FRAME)) == EMPTY | {"ok": True, "kind": TRADE, "symbol": 0, "price": 1.5}
    full = FRAME | {"size": "0.25", "side": "buy", "a rather long name": 1715000000123, "id": "12", "seq": 3}
    assert row(text(full)) == EMPTY | {
        "ok": True, "kind": TRADE, "symbol": 0, "price": 1.5, "size": 0.25, "side": BUY,
        "ts_event_ns": 1_715_000_000_123_000_000, "venue_id": 12, "seq": 3,
    }  # fmt: skip


def test_a_quote_in_a_container_is_read() -> None:
    assert row(book()) == EMPTY | {
        "ok": True, "kind": QUOTE, "symbol": 1, "bid": 1.0, "bid_size": 0.0, "ask": 2.5, "ask_size": 4.0,
        "venue_id": 7, "seq": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ({"price": "9007199254740991"}, "price", 9007199254740991.0),
        ({"price": '"0.10000000000000000"'}, "price", 0.1),
        ({"price": '"0.0000000000000000000001"'}, "price", 1e-22),
        ({"size": "null"}, "size", "nan"),
        ({"size": "0.00"}, "size", 0.0),
        ({"side": "true"}, "side", SELL),
        ({"side": "null"}, "side", NO_SIDE),
        ({"symbol": '"A-SYMBOL-OF-OTHER-LETTERS"'}, "symbol", 3),
        ({"symbol": '""'}, "symbol", 7),
        ({"id": "0"}, "venue_id", 0),
        ({"id": "9223372036854775799"}, "venue_id", 9223372036854775799),
        ({"id": '"999999999999999999"'}, "venue_id", 999999999999999999),
        ({"a_rather_long_name": "0"}, "ts_event_ns", 0),
        ({"a_rather_long_name": "9223372036"}, "ts_event_ns", 9223372036 * 10**9),
        ({"a_rather_long_name": "100000000000"}, "ts_event_ns", 10**17),
        ({"a_rather_long_name": "100000000000000"}, "ts_event_ns", 10**17),
        ({"a_rather_long_name": "100000000000000000"}, "ts_event_ns", 10**17),
        ({"a_rather_long_name": '"1970-01-01T00:00:00Z"'}, "ts_event_ns", 0),
        ({"a_rather_long_name": '"2000-02-29T00:00:00.5Z"'}, "ts_event_ns", 951_782_400_500_000_000),
        ({"a_rather_long_name": '"2261-12-31T23:59:59.999999999Z"'}, "ts_event_ns", 9214646399999999999),
        ({"other": '"text"'}, "ok", True),
        ({"other": "-12.25"}, "ok", True),
        ({"other": "false"}, "ok", True),
        ({"other": "null"}, "ok", True),
    ],
)
def test_values_are_read_exactly(raw: dict[str, str], name: str, value: object) -> None:
    assert row(text(FRAME, **raw))[name] == value


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n "])
def test_white_space_may_stand_wherever_json_has_it(blank: str) -> None:
    frame = (
        book().replace("{", f"{blank}{{{blank}").replace(",", f"{blank},{blank}").replace("}", f"{blank}}}")
    )
    assert row(frame.replace('":', f'"{blank}:{blank}') + blank)["ok"]


@pytest.mark.parametrize(
    "raw",
    [
        *({"price": value} for value in (
            "0", '"0.000"', "-1", '"-1"', "+1", "01", '"01"', "1.", ".5", '"1."', "1e5", '"1e5"', "null",
            '""', '" 1"', "true", "[1]", "9007199254740993", "0.12345678901234567",
            '"0.00000000000000000000001"',
            "1" * 30, "nan", '"nan"', '"1', '1"',
        )),
        *({"size": value} for value in ("-0", "nul", "nulll", '"null"', "{}")),
        *({"side": value} for value in ('"sell"', '"BUY"', "false", "truetrue", '"true"', "buy", "1")),
        *({"symbol": value} for value in ('"XRP"', "null", "7", '"BTC', '"\\u0042TC"', '"é"')),
        *({"symbol": value} for value in ('"q\\""', "BTC")),
        *({"id": value} for value in (
            "9223372036854775808", "18446744073709551617", "-1", "1.0", "007", '"007"', '"a"', '""', "true",
            '"1000000000000000000"',
        )),
        *({"seq": value} for value in ('"1"', "1.5", "-1")),
        *({"a_rather_long_name": value} for value in (
            "-1", "1.5", "9223372037", "99999999999999999", '"1715000000"', '"2023-02-29T00:00:00Z"',
            '"1969-12-31T23:59:59Z"', '"2262-01-01T00:00:00Z"', '"2024-13-01T00:00:00Z"',
            '"2024-01-32T00:00:00Z"', '"2024-00-01T00:00:00Z"', '"2024-01-00T00:00:00Z"',
            '"2024-01-01T24:00:00Z"', '"2024-01-01T00:60:00Z"', '"2024-01-01T00:00:60Z"',
            '"2024-01-01T00:00:00"', '"2024-01-01T00:00:00.Z"', '"2024-01-01T00:00:00.1234567890Z"',
            '"2024-01-01 00:00:00Z"', '"2024-01-01T00:00:00,5Z"', '"2024-01-01T00:00:00.5xZ"', '""',
        )),
        *({"other": value} for value in (
            "[]", "{}", "nil", "01", "1e5", "-", "1.", '"\\n"', '"\t"', '"\x7f"', '"é"', "1" * 19, "",
        )),
        {"type": '"matches"'}, {"type": '"m"'}, {"type": "null"}, {"type": "1"},
        {"bid": "1"}, {"bid": "null"},
    ],
)  # fmt: skip
def test_what_is_not_surely_of_the_shape_is_refused(raw: dict[str, str]) -> None:
    assert row(text(FRAME, **raw)) == EMPTY | {"ok": False}


@pytest.mark.parametrize(
    "frame",
    [
        "", " ", "{}", "}", "{", "[]", "null", text(FRAME)[:-1], text(FRAME)[1:], text(FRAME) + "}",
        text(FRAME) + "x", text(FRAME) + text(FRAME), "[" + text(FRAME) + "]", text(FRAME) + ",}",
        text(FRAME).replace("}", ",}"), text(FRAME).replace("{", "{,"), text(FRAME).replace(":", "::"),
        text(FRAME).replace("}", ',"price":1.5}'), text(FRAME).replace("}", ',"symbol":"BTC"}'),
        text({"type": "match", "symbol": "BTC"}), text({"symbol": "BTC", "price": 1}),
        b"\xef\xbb\xbf" + text(FRAME).encode(), text(FRAME) + "\0", text(FRAME).replace(":", "\x0b:"),
        text(BOOK), text({"stream": "x@book"}, data=text(BOOK))[:-1],
        text({"stream": "x@books"}, data=text(BOOK)),
        text({}, data=text(BOOK)), text({"stream": "x@book"}, data=text(BOOK)).replace("}", "}}"),
        text({"stream": "x@book"}, data="{}"), text({"stream": "x@book"} | BOOK, data="null"),
        book(bid="0"), book(ask="null"), book(ask_size="null"), book(number='"7"'),
        text({"stream": "x@book"}, data=text(BOOK), more=text({})), book(data="{}"),
        '{"stream":"x@book","data":{' + text(BOOK)[1:] + ',"data":' + text(BOOK) + "}",
    ],
)  # fmt: skip
def test_what_is_no_single_object_of_the_shape_is_refused(frame: str | bytes) -> None:
    assert row(frame) == EMPTY | {"ok": False}


orders = st.permutations(sorted({**FRAME, "id": 5, "other": "é", "size": "1", "more": 0}.items()))
frames = (
    orders.map(dict).map(text)
    | st.permutations(sorted(BOOK.items())).map(
        lambda members: text({"stream": "x@book"}, data=text(dict(members)))
    )
    | st.sampled_from((text(FRAME), text(FRAME, price="0"), book(), "{}", f" {text(FRAME)} "))
    | orders.map(lambda members: text({name: value for name, value in members if name != "other"}))
)  # fmt: skip


@given(batch=st.lists(frames, max_size=8))
def test_a_frame_is_read_the_same_alone_and_among_others(batch: list[str]) -> None:
    assert rows(scan(*batch)) == [row(frame) for frame in batch]


@given(frame=frames, begin=st.integers(0, 400), tail=st.binary(max_size=12))
def test_a_frame_that_is_cut_is_not_read_on_in_the_next(frame: str, begin: int, tail: bytes) -> None:
    whole = frame.encode()
    parts = (whole, whole[: begin % len(whole)], whole[begin % len(whole) :] + tail)
    assert rows(scan(*parts)) == [row(part) for part in parts]


@given(value=st.integers(0, 10**17), places=st.integers(0, 25), quoted=st.booleans())
def test_decimals_are_those_of_float(value: int, places: int, quoted: bool) -> None:
    digits = str(value).rjust(places + 1, "0")
    number = f"{digits[: len(digits) - places]}.{digits[len(digits) - places :]}".rstrip(".")
    read = row(text(FRAME, price=f'"{number}"' if quoted else number))
    assert not read["ok"] or read["price"] == float(number)


def test_more_members_than_are_remembered_are_read() -> None:
    long = text(FRAME, **{f"k{i}": "1" for i in range(200)})
    assert scan(long, long, long, text(FRAME)).ok.all()


def test_symbols_are_told_apart_however_many_and_whatever_their_hashes() -> None:
    names = [f"{i}-USDT-240628" for i in range(3000)]
    scanner = Scanner((TRADES,), names)
    scanned = scanner.scan(Payloads.of([text(FRAME | {"symbol": name}).encode() for name in names]))
    assert [scanner.symbols[code] for code in scanned.symbol] == names


def test_a_symbol_is_known_from_the_next_scan_on() -> None:
    scanner = Scanner((TRADES,))
    batch = Payloads.of([text(FRAME).encode()])
    assert not scanner.scan(batch).ok.any()
    scanner.add("ETH")
    scanner.add("BTC")
    scanner.add("ETH")
    assert scanner.symbols == ["ETH", "BTC"]
    assert scanner.scan(batch).symbol.tolist() == [1]


def test_a_no_is_asked_again_once_it_has_refused_a_frame_and_a_yes_never() -> None:
    asked, taken = [], {"ETH"}

    def takes(symbol: str, shape: Shape) -> bool:
        asked.append(symbol)
        return symbol in taken

    scanner = Scanner((TRADES,), ("BTC", "ETH"), takes)
    btc, eth = (Payloads.of([text(FRAME | {"symbol": name}).encode()]) for name in ("BTC", "ETH"))
    assert scanner.scan(eth).ok.all()
    assert scanner.scan(eth).ok.all()
    assert asked == ["BTC", "ETH"]
    assert rows(scanner.scan(btc)) == [EMPTY | {"ok": False}]
    taken.add("BTC")
    assert scanner.scan(btc).ok.all()
    assert asked == ["BTC", "ETH", "BTC"]


def test_a_batch_and_a_set_of_shapes_may_be_empty() -> None:
    assert len(scan()) == 0
    assert not Scanner((), SYMBOLS).scan(Payloads.of([b"{}"])).ok.any()


def test_what_was_read_cannot_be_changed() -> None:
    scanned = scan(text(FRAME))
    assert not any(getattr(scanned, name).flags.writeable for name in (*EMPTY, "ok"))


@pytest.mark.parametrize("ends", [[1], [70_000], [2, 1], [-1]])
def test_frames_that_do_not_lie_in_the_text_are_an_error(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="does not lie"):
        Scanner((TRADES,), SYMBOLS).scan(Payloads(b"" if ends == [1] else b"{}", np.array(ends, np.int64)))


def test_what_the_kernel_shares_with_other_modules_is_the_same_there() -> None:
    for name in ("NO_TIME", "NO_ID", "NO_SIDE"):
        assert getattr(scan_kernel, name) == getattr(records, name), name
    assert (scan_values.EPOCH, scan_values.ISO) == (shapes.EPOCH, shapes.ISO)
    assert scan_tables.STEPS == (scan_kernel.STEPS, 5)
    for name in (
        "SLOTS", "UNUSED", "PRICE", "BID", "ASK_PRICE", "SIZE", "BID_SIZE", "ASK_SIZE", "SYMBOL", "SIDE",
        "TIME", "ID", "SEQ", "ID_AND_SEQ", "LITERAL", "ENDING", "ABSENT", "CONTAINER", "FLOATS", "INTS",
        "NO", "YES", "ASK",
    ):  # fmt: skip
        assert getattr(scan_kernel, name) == getattr(scan_tables, name), name

"""Binance spot: streams `aggTrade` and `bookTicker`, combined on one connection.

Documentation: "WebSocket Streams for Binance" (web-socket-streams of the spot API).

Quirks:

- streams are named in lower case, events name the symbol in upper case;
- a symbol has two streams of trades: `aggTrade`, which is subscribed here, and `trade`, where a URL names
  it. They tell the same trades: the one that a symbol shows first is its source, the other is left out;
- `m` says that the buyer was the maker: the aggressor sold;
- times are milliseconds, or microseconds where the URL asks for them: their magnitude tells;
- spot's `bookTicker` has neither an event name nor a time, and its update ids skip;
- `serverShutdown` asks to connect anew, soon;
- a connection that sends more than 5 messages a second is closed, and that counts pongs.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar, Final, Literal

import msgspec
from msgspec import Struct, defstruct

from core.records import BUY, NO_TIME, QUOTE, RAW_LIMIT, SELL, TRADE
from core.shapes import Shape
from venues.dialect import Dialect, FeedTerms, Request, Sink
from venues.parsing import Unreadable, epoch_ns
from venues.schema import UNDECODABLE, EpochTime, Number, Whole, check_utf8, fault, parse_object

_STREAMS: Final = {"trades": "aggTrade", "quotes": "bookTicker"}
_STREAMS_PER_REQUEST: Final = 200
_HEAD: Final = 64
"""How far into a combined frame the stream's name is looked for."""


class Print(
    Struct, kw_only=True, rename={"symbol": "s", "price": "p", "size": "q", "time": "T", "maker": "m"}
):
    """What both kinds of trades say."""

    symbol: str
    price: Number
    size: Number
    time: EpochTime
    maker: bool
    """The buyer was."""


class AggTrade(Print, rename={"id": "a"}):
    """Trades of one order at one price.

    ``{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1715000000124,"s":"BTCUSDT","a":1001,
    "p":"64000.10","q":"0.25","f":5001,"l":5003,"T":1715000000123,"m":true,"M":true}}``
    """

    e: Literal["aggTrade"]
    id: Whole


class Trade(Print, rename={"id": "t"}):
    """One trade.

    ``{"stream":"btcusdt@trade","data":{"e":"trade","E":1715000000124,"s":"BTCUSDT","t":5001,
    "p":"64000.10","q":"0.25","T":1715000000123,"m":true,"M":true}}``
    """

    e: Literal["trade"]
    id: Whole


class BookTicker(
    Struct,
    kw_only=True,
    gc=False,
    rename={"id": "u", "symbol": "s", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A", "time": "T"},
):
    """A top of book.

    ``{"stream":"btcusdt@bookTicker","data":{"u":9001,"s":"BTCUSDT","b":"64000.09","B":"0.5",
    "a":"64000.10","A":"1.5"}}``
    """

    e: Literal["bookTicker"] = "bookTicker"
    id: Whole
    symbol: str
    bid: Number
    bid_size: Number
    ask: Number
    ask_size: Number


AGG_TRADES: Final = Shape(
    kind=TRADE,
    container="data",
    ending=("stream", "@aggTrade"),
    literals={"e": "aggTrade"},
    symbol="s",
    price="p",
    size="q",
    side="m",
    sides={"true": SELL, "false": BUY},
    time="T",
    id="a",
    seq="a",
)
BOOK_TICKERS: Final = Shape(
    kind=QUOTE,
    container="data",
    ending=("stream", "@bookTicker"),
    absent=("e",),
    symbol="s",
    bid="b",
    bid_size="B",
    ask="a",
    ask_size="A",
    id="u",
)


class Binance(Dialect):
    """Binance spot."""

    venue = "binance"
    default_url = "wss://stream.binance.com:9443/stream"
    # 1,024 streams a connection, of which a symbol takes two.
    max_symbols_per_connection = 512
    # One less than documented: the pongs that the connection sends count as well.
    requests_per_second = 4.0

    events: ClassVar[Mapping[str, type[Struct]]] = {
        "bookTicker": BookTicker,
        "aggTrade": AggTrade,
        "trade": Trade,
    }
    """By the name in field `e`."""

    def __init__(self, terms: FeedTerms) -> None:
        super().__init__(terms)
        self._ids = count(1)
        self._sources: dict[str, str] = {}
        self._aggregated = bool(terms.url) and "@trade" not in terms.url
        """Only `aggTrade` can come: a line that names no other stream. A capture may hold both."""
        self._combined = tuple((f"@{name}".encode(), _combined(event)) for name, event in self.events.items())

    def subscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give as few requests as there may be."""
        return self._requests("SUBSCRIBE", symbols)

    def unsubscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give as few requests as there may be."""
        return self._requests("UNSUBSCRIBE", symbols)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Give the two combined streams that are subscribed to."""
        return (AGG_TRADES, BOOK_TICKERS)

    def takes(self, symbol: str, shape: Shape) -> bool:
        """Leave a symbol's trades to `decode` until that has found `aggTrade` to be their source."""
        return shape.kind != TRADE or self._aggregated or self._sources.get(symbol) == "aggTrade"

    def decode(self, frame: bytes, sink: Sink) -> None:
        """Read one event, combined or raw, or one reply."""
        head = frame[:_HEAD]
        for mark, decoder in self._combined:
            if mark in head:
                try:
                    check_utf8(frame)
                    event = decoder.decode(frame).data
                except UNDECODABLE:
                    break
                self._tell(event, frame, sink)
                return
        self._read(frame, sink)

    def _requests(self, method: str, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        names = [
            f"{symbol.lower()}@{_STREAMS[channel]}" for symbol in symbols for channel in self.terms.channels
        ]
        starts = range(0, len(names), _STREAMS_PER_REQUEST)
        return tuple(self._request(method, names[start : start + _STREAMS_PER_REQUEST]) for start in starts)

    def _request(self, method: str, names: list[str]) -> Request:
        number = next(self._ids)
        text = msgspec.json.encode({"method": method, "params": names, "id": number}).decode()
        return Request(text, str(number))

    def _tell(self, event: Any, frame: bytes, sink: Sink) -> None:
        """Tell an event of one of `events`."""
        try:
            if isinstance(event, BookTicker):
                self._quote(event, sink)
            else:
                self._trade(event, sink)
        except Unreadable as unreadable:
            sink.malformed(unreadable.reason, frame[:RAW_LIMIT], event.symbol)

    def _quote(self, event: BookTicker, sink: Sink) -> None:
        time = self._time(event)
        sink.quote(event.symbol, event.bid, event.bid_size, event.ask, event.ask_size, time, event.id, None)

    def _time(self, event: BookTicker) -> int:
        return NO_TIME

    def _trade(self, event: AggTrade | Trade, sink: Sink) -> None:
        time = epoch_ns(event.time)
        if self._sources.setdefault(event.symbol, "aggTrade" if self._aggregated else event.e) != event.e:
            sink.ignored()
            return
        side = SELL if event.maker else BUY
        sink.trade(event.symbol, event.price, event.size, side, time, event.id, event.id)

    def _read(self, frame: bytes, sink: Sink) -> None:
        """Read a frame of any form: replies, raw events, other events, and what is none of them."""
        event: Any = None
        try:
            message = parse_object(frame)
            event = message.get("data") if "stream" in message else message
            kind = _kind(message, event)
            wanted = self.events.get(kind)
            if wanted is None:
                _tell_other(kind, event, sink)
                return
            record = _convert(event, wanted)
        except Unreadable as unreadable:
            sink.malformed(unreadable.reason, frame[:RAW_LIMIT], _symbol(event))
        else:
            self._tell(record, frame, sink)


def _combined(event: type[Struct]) -> msgspec.json.Decoder[Any]:
    """Give a decoder of frames that hold an event; what precedes it was looked at already."""
    return msgspec.json.Decoder(defstruct("Combined", [("data", event)]), strict=False)


def _kind(message: dict[str, Any], event: Any) -> str:
    """Give an event's name, `reply` for a reply "" for what has none; Unreadable where it cannot have one."""
    if isinstance(event, list):
        return ""  # A stream of all markets.
    if not isinstance(event, dict):
        raise Unreadable("missing_field" if event is None else "bad_type")
    name = event.get("e")
    if name is not None:
        if not isinstance(name, str):
            raise Unreadable("bad_type")
        return name
    if "stream" not in message:
        if not message.keys().isdisjoint(("result", "error", "code")):
            return "reply"
        return "bookTicker" if {"u", "s"} <= event.keys() else ""
    stream = message["stream"]
    return "bookTicker" if isinstance(stream, str) and stream.endswith("bookTicker") else ""


def _convert(event: dict[str, Any], wanted: type[Struct]) -> Struct:
    try:
        return msgspec.convert(event, wanted, strict=False)
    except msgspec.ValidationError:
        raise Unreadable(fault(wanted, event)) from None


def _symbol(event: Any) -> str | None:
    symbol = event.get("s") if isinstance(event, dict) else None
    return symbol if isinstance(symbol, str) else None


def _tell_other(kind: str, event: Any, sink: Sink) -> None:
    """Tell what holds no record."""
    if kind == "reply":
        _tell_reply(event, sink)
    elif kind == "serverShutdown":
        sink.later(kind)
    else:
        sink.ignored()


def _tell_reply(reply: dict[str, Any], sink: Sink) -> None:
    """Tell the answer to a request.

    ``{"result":null,"id":1}`` or ``{"error":{"code":2,"msg":"Invalid request"},"id":1}``, formerly
    ``{"code":2,"msg":"Invalid request","id":1}``
    """
    error = reply.get("error", reply if "code" in reply else None)
    key = reply.get("id")
    if error is not None:
        sink.refused(_words(error))
    elif isinstance(key, str | int):
        sink.acknowledged(str(key))
    else:
        sink.control()


def _words(error: Any) -> str:
    if isinstance(error, dict):
        return f"{error.get('msg', 'no reason given')} (code {error.get('code')})"
    return str(error)

"""The generic dialect: one JSON object a tick, or an array of them, with names that a feed may rename.

Documentation: "Add a venue" (docs/add-a-venue.md) and the configuration reference of `feeds.fields`.

Quirks:

- subscriptions are not acknowledged;
- a number may be a JSON number or a decimal string, and null is as good as absent;
- a price alone is a trade, bid and ask without a price are a quote, a price and either of them are both;
- times are ISO 8601 or epoch numbers, whose magnitude tells their unit;
- an object that names a `type`, `event` or `action` and neither symbol nor prices is no record: a
  heartbeat, an answer, an error. In an array every element is a record.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from math import nan
from operator import attrgetter
from typing import Any, Final, cast

import msgspec
from msgspec import Raw, Struct, defstruct

from core.errors import UsageError
from core.records import BOTH, BUY, NO_SIDE, NO_TIME, QUOTE, RAW_LIMIT, SELL, TRADE
from core.shapes import EPOCH, ISO, Shape
from venues.dialect import Dialect, FeedTerms, Request, Sink
from venues.parsing import Unreadable, number, time_ns
from venues.schema import UNDECODABLE, check_utf8, parse_object

_CONTROL: Final = frozenset(
    ("subscribed", "unsubscribed", "subscriptions", "heartbeat", "error", "ping", "pong", "welcome", "status")
)
_WORDS_LIMIT: Final = 500
"""Bytes of an error without a message that are told in its place."""
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
"""A whole number as text, such as reads back as the same text and fits into 63 bits."""
_ARRAY: Final = msgspec.json.Decoder(list[Raw])
_OPTIONAL: Final = frozenset(("size", "bid_size", "ask_size", "side", "time", "id", "seq"))
_NEVER_IN_TICKS: Final = frozenset(("type", "event", "action", "message"))
"""What decides only where there is no symbol."""
_SIDES: Final = {"buy": BUY, "b": BUY, "sell": SELL, "s": SELL}

_SIDE_WORDS: Final = {
    f'"{word}"': side for lower, side in _SIDES.items() for word in (lower, lower.upper(), lower.capitalize())
}


class Message(Struct, gc=False):
    """A tick or a control message. Fields take any JSON, so that one bad value does not hide the others.

    ``{"symbol":"BTC-USD","price":64000.1,"size":"0.25","side":"buy","timestamp":1715000000123,
    "id":"a-1","seq":7}``, ``{"symbol":"BTC-USD","bid":64000.0,"ask":64000.1,"bid_size":1,"ask_size":2.5,
    "timestamp":"2024-05-06T07:08:09.123456789Z"}``, ``{"type":"heartbeat"}``
    """

    symbol: Any = None
    price: Any = None
    size: Any = None
    volume: Any = None
    """Stands in for an absent size."""
    bid: Any = None
    ask: Any = None
    bid_size: Any = None
    ask_size: Any = None
    side: Any = None
    timestamp: Any = None
    id: Any = None
    seq: Any = None
    type: Any = None
    event: Any = None
    action: Any = None
    message: Any = None
    """An error's words."""


FIELDS: Final = Message.__struct_fields__
"""Our names of the fields: the keys of `FeedTerms.fields`."""


class Generic(Dialect):
    """Any feed that sends ticks as flat JSON objects; `FeedTerms.fields` says what it calls things."""

    venue = "generic"
    one_channel = True
    default_url = ""

    def __init__(self, terms: FeedTerms) -> None:
        super().__init__(terms)
        self._message = renamed(terms.fields) if terms.fields else Message
        self._decoder = msgspec.json.Decoder(self._message)

    def subscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give one request for all symbols."""
        return (_request("subscribe", symbols),)

    def unsubscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give one request for all symbols."""
        return (_request("unsubscribe", symbols),)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Give trades, quotes and both by the feed's names; none where two of them mean one field."""
        keys = _keys(self._message, self.terms.fields or {})
        named = [key for ours, key in keys.items() if ours != "seq" or key != keys.get("id")]
        readable = "symbol" in keys and len(set(named)) == len(named)
        return tuple(_shapes(keys)) if readable else ()

    def decode(self, frame: bytes, sink: Sink) -> None:
        """Read one object or an array of objects."""
        if frame[:1] == b"{" or not frame.lstrip(b" \t\r\n").startswith(b"["):
            self._read(frame, sink)
            return
        try:
            check_utf8(frame)
            elements = _ARRAY.decode(frame)
        except UNDECODABLE:
            sink.malformed("malformed_json", frame[:RAW_LIMIT])
            return
        for element in elements:
            self._read(bytes(element), sink, alone=False)
        if not elements:
            sink.control()

    def _read(self, raw: bytes, sink: Sink, *, alone: bool = True) -> None:
        """Read one object; one that is `alone` in its frame may be something else than a tick."""
        symbol = None
        try:
            message = self._parse(raw)
            symbol = message.symbol
            if alone and symbol is None and _is_control(message):
                _tell_control(message, raw, sink)
            else:
                _tell_tick(message, sink)
        except Unreadable as unreadable:
            known = symbol if isinstance(symbol, str) else None
            sink.malformed(unreadable.reason, raw[:RAW_LIMIT], known)

    def _parse(self, raw: bytes) -> Message:
        try:
            check_utf8(raw)
            return self._decoder.decode(raw)
        except UNDECODABLE:
            # Either it is no object or a number in it is too large: the second look tells them apart.
            return msgspec.convert(parse_object(raw), self._message)


def renamed(fields: Mapping[str, str]) -> type[Message]:
    """Give a Message whose fields are read from a venue's names; UsageError for a name that is not ours.

    Two of ours may be read from one of theirs (a trade id is often both `id` and `seq`). A name of
    theirs that is claimed is no longer read as ours, and a size that was named has no stand-in.
    """
    for ours in fields:
        if ours not in FIELDS:
            near = get_close_matches(ours, FIELDS, 1)
            raise UsageError(
                f"unknown field {ours!r}; "
                + (f"did you mean {near[0]!r}?" if near else f"known are {FIELDS}")
            )
    owners: dict[str, str] = {}
    others: dict[str, Any] = {}
    for ours in sorted(FIELDS, key=lambda name: name not in fields):
        theirs = fields.get(ours, ours)
        if ours not in fields and (theirs in owners or (ours == "volume" and "size" in fields)):
            others[ours] = None
        elif theirs in owners:
            others[ours] = property(attrgetter(owners[theirs]))
        else:
            owners[theirs] = ours
    named = [(ours, Any, None) for ours in owners.values()]
    rename = {ours: theirs for theirs, ours in owners.items()}
    return cast(type[Message], defstruct("Renamed", named, rename=rename, namespace=others))


def _keys(message: type[Message], names: Mapping[str, str]) -> dict[str, str]:
    """Give the keys that ticks are read from, by our names; one of ours that is not read has none."""
    keys = {field.name: field.encode_name for field in msgspec.structs.fields(message)}
    shared = {ours: names[ours] for ours in names if isinstance(getattr(message, ours), property)}
    return {ours: key for ours, key in (keys | shared).items() if ours not in _NEVER_IN_TICKS}


def _shapes(keys: Mapping[str, str]) -> Iterator[Shape]:
    sizes = [keys[ours] for ours in ("size", "volume") if ours in keys]
    book = {ours: keys[ours] for ours in ("bid", "ask", "bid_size", "ask_size") if ours in keys}
    prices = [keys[ours] for ours in ("bid", "ask") if ours in keys]
    if "price" in keys:
        for size in sizes or (None,):
            other = [key for key in sizes if key != size]
            trade = {"price": keys["price"], "size": size, "side": keys.get("side"), "sides": _SIDE_WORDS}
            yield _shape(TRADE, keys, trade, (*other, *prices))
            if len(prices) == 2:
                yield _shape(BOTH, keys, trade | book, other)
    if len(prices) == 2:
        yield _shape(QUOTE, keys, book, [keys["price"]] if "price" in keys else [])


def _shape(kind: int, keys: Mapping[str, str], values: dict[str, Any], absent: Iterable[str]) -> Shape:
    marks: dict[str, Any] = {"time": keys.get("timestamp"), "id": keys.get("id"), "seq": keys.get("seq")}
    optional = {ours for ours, key in (marks | values).items() if key is not None}
    return Shape(
        kind=kind,
        symbol=keys["symbol"],
        **values,
        **marks,
        times=EPOCH | ISO,
        id_as_text=marks["id"] != marks["seq"],
        absent=tuple(absent),
        optional=frozenset(optional & _OPTIONAL),
    )


def _request(action: str, symbols: tuple[str, ...]) -> Request:
    return Request(msgspec.json.encode({"action": action, "symbols": symbols}).decode(), None)


def _is_control(message: Message) -> bool:
    """Tell whether a message without a symbol is something else than a tick without a symbol."""
    if isinstance(message.type, str) and message.type in _CONTROL:
        return True
    unpriced = message.price is None and message.bid is None and message.ask is None
    kinds = (message.type, message.event, message.action)
    return unpriced and any(kind is not None for kind in kinds)


def _tell_control(message: Message, raw: bytes, sink: Sink) -> None:
    if "error" not in (message.type, message.event):
        sink.control()
    elif isinstance(message.message, str):
        sink.refused(message.message)
    else:
        sink.refused(raw[:_WORDS_LIMIT].decode(errors="replace"))


def _tell_tick(message: Message, sink: Sink) -> None:
    """Tell a trade, a quote or both; Unreadable where it is none."""
    symbol, price, bid, ask = message.symbol, message.price, message.bid, message.ask
    if symbol is None or (price is None and (bid is None or ask is None)):
        raise Unreadable("missing_field")
    if not isinstance(symbol, str):
        raise Unreadable("bad_type")
    time = NO_TIME if message.timestamp is None else time_ns(message.timestamp)
    marks = (time, _identity(message.id), _sequence(message.seq))
    if price is None:
        sink.quote(symbol, *_book(message), *marks)
    elif bid is None and ask is None:
        sink.trade(symbol, *_print(message), *marks)
    else:
        sink.both(symbol, *_print(message), *_book(message), *marks)


def _print(message: Message) -> tuple[float, float, int]:
    size = message.volume if message.size is None else message.size
    return _number(message.price), _number(size), _side(message.side)


def _book(message: Message) -> tuple[float, float, float, float]:
    return (
        _number(message.bid),
        _number(message.bid_size),
        _number(message.ask),
        _number(message.ask_size),
    )


def _number(value: Any) -> float:
    # A float that came out of JSON is finite but for what `parse` let through.
    if value.__class__ is float and value - value == 0.0:
        return float(value)
    return nan if value is None else number(value)


def _side(value: Any) -> int:
    if value is None:
        return NO_SIDE
    side = _SIDES.get(value.lower()) if isinstance(value, str) else None
    if side is None:
        raise Unreadable("bad_type")
    return side


def _identity(value: Any) -> str | int | None:
    """Give an id that duplicates are found by. An empty one names nothing: it would make all ticks one.

    Both are stored as text, so `7` and `"7"` are one id.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else value
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable("bad_type")
    return value if abs(value) < 2**63 else str(value)


def _sequence(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise Unreadable("bad_type")
    return value

"""Coinbase Exchange: channels `matches` and `ticker` of its WebSocket feed.

Documentation: "Exchange WebSocket Overview", "Exchange WebSocket Channels", "Exchange WebSocket Rate Limits".

Quirks:

- `side` of a match is the maker's: the aggressor's is the other one;
- `trade_id` counts up by one within a product, and so proves a gap. `sequence` runs over a product's
  order messages, most of which these channels leave out: it proves none;
- a subscription is greeted by the product's last match (`last_match`), which may be one that was seen
  before: its `trade_id` tells;
- a ticker comes with every match and repeats its price: here it is a quote and nothing else;
- one `subscriptions` message answers each request, listing all that the connection now has.
"""

from typing import Any, Final, Literal, Union

import msgspec
from msgspec import Struct, defstruct

from core.records import BUY, NO_TIME, QUOTE, RAW_LIMIT, SELL, TRADE
from core.shapes import ISO, Shape
from venues.dialect import Dialect, Request, Sink
from venues.parsing import Unreadable, iso_ns
from venues.schema import (
    UNDECODABLE,
    IsoTime,
    Number,
    Whole,
    check_utf8,
    fault,
    parse_object,
)

_CHANNELS: Final = {"trades": "matches", "quotes": "ticker"}
_NAN: Final = float("nan")


class Match(Struct, tag_field="type", tag="match", gc=False):
    """A trade.

    ``{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae",
    "time":"2024-05-06T07:08:09.123456Z","product_id":"BTC-USD","size":"0.25","price":"64000.10",
    "side":"sell"}``
    """

    product_id: str
    trade_id: Whole
    price: Number
    size: Number
    side: Literal["buy", "sell"]
    time: IsoTime


class LastMatch(Match, tag="last_match"):
    """The trade before the subscription, of the same form."""


class Ticker(Struct, tag_field="type", tag="ticker", gc=False):
    """A top of book. Feeds of before 2022 have no sizes.

    ``{"type":"ticker","sequence":51,"product_id":"BTC-USD","price":"64000.10","open_24h":"63000",
    "volume_24h":"1000","low_24h":"62000","high_24h":"65000","volume_30d":"30000","best_bid":"64000.09",
    "best_bid_size":"0.5","best_ask":"64000.10","best_ask_size":"1.5","side":"buy",
    "time":"2024-05-06T07:08:09.123456Z","trade_id":10,"last_size":"0.25"}``
    """

    product_id: str
    sequence: Whole
    best_bid: Number
    best_ask: Number
    best_bid_size: Number | None = None
    best_ask_size: Number | None = None
    time: IsoTime | None = None


class Channel(Struct):
    """One entry of `subscriptions`."""

    name: str


class Subscriptions(Struct, tag_field="type", tag="subscriptions"):
    """What the connection is subscribed to.

    ``{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"],"account_ids":null},
    {"name":"ticker","product_ids":["BTC-USD"],"account_ids":null}]}``
    """

    channels: list[Channel]


class Refusal(Struct, tag_field="type", tag="error"):
    """A request that failed.

    ``{"type":"error","message":"Failed to subscribe","reason":"XYZ-USD is not a valid product"}``
    """

    message: str
    reason: str | None = None


# Kinds of no interest are named all the same: one that is known costs no second look.
_CONTROL: Final = tuple(defstruct(kind, [], tag_field="type", tag=kind) for kind in ("heartbeat", "status"))
_IGNORED: Final = tuple(
    defstruct(kind, [], tag_field="type", tag=kind)
    for kind in ("l2update", "snapshot", "received", "open", "done", "change", "activate", "rfq_match")
)
_MESSAGES: Final[tuple[type[Struct], ...]] = (
    Match, LastMatch, Ticker, Subscriptions, Refusal, *_CONTROL, *_IGNORED,
)  # fmt: skip
_KINDS: Final = {str(message.__struct_config__.tag): message for message in _MESSAGES}
_DECODER: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Union[_MESSAGES], strict=False)  # noqa: UP007


_MATCHES: Final = Shape(
    kind=TRADE,
    literals={"type": "match"},
    symbol="product_id",
    price="price",
    size="size",
    side="side",
    sides={'"buy"': SELL, '"sell"': BUY},
    time="time",
    times=ISO,
    id="trade_id",
    seq="trade_id",
)
_TICKERS: Final = Shape(
    kind=QUOTE,
    literals={"type": "ticker"},
    symbol="product_id",
    bid="best_bid",
    bid_size="best_bid_size",
    ask="best_ask",
    ask_size="best_ask_size",
    time="time",
    times=ISO,
    id="sequence",
    optional=frozenset(("bid_size", "ask_size", "time")),
)


class Coinbase(Dialect):
    """Coinbase Exchange."""

    venue = "coinbase"
    default_url = "wss://ws-feed.exchange.coinbase.com"
    requests_per_second = 8.0

    def subscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give one request for all symbols."""
        return (Request(self._request("subscribe", symbols), self._key()),)

    def unsubscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give one request for all symbols; what answers it does not name it."""
        return (Request(self._request("unsubscribe", symbols), None),)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Give the messages of the two channels."""
        return (_MATCHES, _TICKERS)

    def decode(self, frame: bytes, sink: Sink) -> None:
        """Read one message."""
        try:
            check_utf8(frame)
            message = _DECODER.decode(frame)
        except UNDECODABLE:
            _explain(frame, sink)
            return
        if isinstance(message, Ticker):
            _quote(message, frame, sink)
        elif isinstance(message, Match):
            _trade(message, frame, sink)
        elif isinstance(message, Subscriptions):
            self._acknowledge(message, sink)
        elif isinstance(message, Refusal):
            sink.refused(": ".join(text for text in (message.message, message.reason) if text))
        elif isinstance(message, _CONTROL):
            sink.control()
        else:
            sink.ignored()

    def _request(self, kind: str, symbols: tuple[str, ...]) -> str:
        request = {"type": kind, "product_ids": symbols, "channels": self._channels()}
        return msgspec.json.encode(request).decode()

    def _channels(self) -> tuple[str, ...]:
        return tuple(_CHANNELS[channel] for channel in self.terms.channels)

    def _key(self) -> str:
        return ",".join(self._channels())

    def _acknowledge(self, message: Subscriptions, sink: Sink) -> None:
        listed = {channel.name for channel in message.channels}
        if listed.issuperset(self._channels()):
            sink.acknowledged(self._key())
        else:
            sink.control()


def _trade(match: Match, frame: bytes, sink: Sink) -> None:
    try:
        time = iso_ns(match.time)
    except Unreadable as unreadable:
        sink.malformed(unreadable.reason, frame[:RAW_LIMIT], match.product_id)
        return
    side = SELL if match.side == "buy" else BUY
    trade_id = match.trade_id
    sink.trade(match.product_id, match.price, match.size, side, time, trade_id, trade_id)


def _quote(ticker: Ticker, frame: bytes, sink: Sink) -> None:
    try:
        time = NO_TIME if ticker.time is None else iso_ns(ticker.time)
    except Unreadable as unreadable:
        sink.malformed(unreadable.reason, frame[:RAW_LIMIT], ticker.product_id)
        return
    bid_size, ask_size = ticker.best_bid_size, ticker.best_ask_size
    sink.quote(
        ticker.product_id,
        ticker.best_bid,
        _NAN if bid_size is None else bid_size,
        ticker.best_ask,
        _NAN if ask_size is None else ask_size,
        time,
        ticker.sequence,
        None,
    )


def _explain(frame: bytes, sink: Sink) -> None:
    """Say why a frame is none of the messages above."""
    symbol = None
    try:
        message = parse_object(frame)
        kind = message.get("type")
        if isinstance(kind, str) and kind not in _KINDS:
            sink.ignored()
            return
        product = message.get("product_id")
        symbol = product if isinstance(product, str) else None
        if kind is None:
            reason = "missing_field"
        else:
            reason = fault(_KINDS[kind], message) if isinstance(kind, str) else "bad_type"
    except Unreadable as unreadable:
        reason = unreadable.reason
    sink.malformed(reason, frame[:RAW_LIMIT], symbol)

"""The contract between the pipeline and a venue: what a dialect must say, and whom it says it to.

A dialect turns one frame at a time into calls on a Sink. It holds no state that must survive a
crash, reads no clock, and raises nothing whatever the frame holds.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from core.shapes import Shape


@dataclass(frozen=True, slots=True)
class Request:
    """A frame that the connection sends to the venue."""

    text: str
    key: str | None
    """What `Sink.acknowledged` names when the venue has accepted it; None: never acknowledged."""


@dataclass(frozen=True, slots=True)
class Ping:
    """An application-level ping that the venue expects (WebSocket pings are answered without asking)."""

    every_seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class FeedTerms:
    """What a dialect is told of its feed."""

    symbols: tuple[str, ...]
    channels: tuple[str, ...]
    """Of `trades` and `quotes`."""
    url: str = ""
    """Empty: the venue's own."""
    fields: Mapping[str, str] | None = None
    """`generic` only: our name of a field to the venue's."""


class Sink(Protocol):
    """Takes what a dialect read in one frame. `item` counts up with each of the first four calls.

    Prices and sizes are floats (NaN: absent); times are epoch ns (NO_TIME: absent). The dialect
    passes what it read: the sink checks prices, symbols, duplicates and gaps. `venue_id` is the
    identity that duplicates are found by, within the symbol and the channel (None: none); `seq` is
    an id that counts up by one within the symbol and channel, so that a hole proves a gap.
    """

    def trade(
        self,
        symbol: str,
        price: float,
        size: float,
        side: int,
        ts_event_ns: int,
        venue_id: str | int | None,
        seq: int | None,
    ) -> None:
        """Take a trade; `side` is the aggressor's: BUY, SELL or NO_SIDE."""

    def quote(
        self,
        symbol: str,
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
        ts_event_ns: int,
        venue_id: str | int | None,
        seq: int | None,
    ) -> None:
        """Take a top of book; a zero or NaN bid or ask is an empty side."""

    def both(
        self,
        symbol: str,
        price: float,
        size: float,
        side: int,
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
        ts_event_ns: int,
        venue_id: str | int | None,
        seq: int | None,
    ) -> None:
        """Take a trade and the top of book in one tick."""

    def malformed(self, reason: str, raw: bytes, symbol: str | None = None) -> None:
        """Take a record that cannot become a tick; `reason` is one of `core.records.REASONS`."""

    def acknowledged(self, key: str) -> None:
        """The venue accepted the request with this key; the frame counts as control."""

    def refused(self, text: str) -> None:
        """The venue refused something, in its words; the frame counts as control."""

    def later(self, text: str) -> None:
        """The venue asks us to reconnect (maintenance, connection too old); the frame counts as control."""

    def control(self) -> None:
        """The frame is a heartbeat, a pong, or the like."""

    def ignored(self) -> None:
        """The frame is of a kind that Tapeline has no use for: books, candles, unknown channels."""


class Dialect(ABC):
    """One venue's way of speaking. Subclasses are stateless but for what a re-read frame sets again."""

    venue: ClassVar[str]
    default_url: ClassVar[str]
    one_channel: ClassVar[bool] = False
    """Ids and sequence numbers run across trades and quotes of a symbol."""
    max_symbols_per_connection: ClassVar[int | None] = None
    requests_per_second: ClassVar[float | None] = None
    """How fast the venue lets a client send; None: no limit is documented."""
    ping: ClassVar[Ping | None] = None

    def __init__(self, terms: FeedTerms) -> None:
        self.terms = terms

    def url(self) -> str:
        """Give the URL to connect to."""
        return self.terms.url or self.default_url

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Give the forms of the commonest frames, which are then read without `decode`, the likeliest first.

        A promise: of a frame that fits a shape, `decode` would tell the one record that the shape reads.
        """
        return ()

    def takes(self, symbol: str, shape: Shape) -> bool:
        """Tell whether a symbol's frames may be read by a shape; those that may not go to `decode`.

        Asked before a batch is read, once for a yes, which is for good, and again after a batch in which a
        no sent a frame to `decode`.
        """
        return True

    @abstractmethod
    def subscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give the requests that subscribe to the feed's channels of these symbols."""

    @abstractmethod
    def unsubscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        """Give the requests that end it."""

    @abstractmethod
    def decode(self, frame: bytes, sink: Sink) -> None:
        """Read one frame and tell the sink what it held; never raises, whatever the bytes.

        A frame is one of three: it has records (any of the first four calls of Sink, as many as
        there are), or it is control (one of the next four), or it is ignored.
        """

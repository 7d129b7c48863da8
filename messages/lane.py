"""What every message of the data lane says about itself, so that a mailbox can bound and count it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, Self

from core.describe import tick_as_json
from core.records import DeadLetter, TickBlock

Key = tuple[str, str | None]
"""Feed and symbol: what a mailbox's bound is kept for."""


class DataMessage(Protocol):
    """A message of the data lane: bounded, in order, and accounted for."""

    @property
    def sender(self) -> str:
        """Name of the actor that put it: a consistent cut is kept per sender."""

    @property
    def feed(self) -> str:
        """The feed whose records it carries."""

    @property
    def key(self) -> Key | None:
        """What its weight counts against; None: it is never shed and weighs nothing."""

    @property
    def weight(self) -> int:
        """Ticks, or bytes before decoding."""

    @property
    def nbytes(self) -> int:
        """Memory that it holds, roughly."""

    @property
    def records(self) -> int:
        """Records that it carries; 0 before decoding."""

    @property
    def frames(self) -> int:
        """Frames that it carries; 0 after decoding."""

    def units(self) -> "Sequence[DataMessage]":
        """The same content in the smallest pieces that can be handled alone."""

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """The dead letters that stand for it if it cannot be handled."""

    def shed(self) -> "Shed":
        """What stands in its place when it is shed."""


class Unshed:
    """What a message of the data lane says of itself that is never shed and carries no tick."""

    __slots__ = ()

    key: ClassVar[Key | None] = None
    weight: ClassVar[int] = 0
    records: ClassVar[int] = 0
    frames: ClassVar[int] = 0

    @property
    def nbytes(self) -> int:
        """Too few to count."""
        return 0

    def units(self) -> Sequence[Self]:
        """Give itself."""
        return (self,)

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give none: it carries no record."""
        return ()

    def shed(self) -> "Shed":
        """Never asked: it has no key."""
        raise AssertionError(f"{type(self).__name__} is never shed")


@dataclass(frozen=True, slots=True)
class Shed(Unshed):
    """Stands in a mailbox where messages were shed, so that the loss is counted and told in order.

    Made by a mailbox; the receiving actor counts it and puts a gap in its place.
    """

    sender: str
    feed: str
    venue: str
    symbol: str | None
    session: int
    line: str
    # `field()`, lest the base's zeros be taken for defaults.
    records: int = field()  # type: ignore[misc]
    frames: int = field()  # type: ignore[misc]
    first_frame: int
    last_frame: int
    ts_recv_ns: int
    """Receive time of the last record shed."""

    def merged(self, later: "Shed") -> "Shed":
        """Count a later one of the same key and sender too."""
        return replace(
            self,
            records=self.records + later.records,
            frames=self.frames + later.frames,
            last_frame=max(self.last_frame, later.last_frame),
            ts_recv_ns=max(self.ts_recv_ns, later.ts_recv_ns),
        )


class OfOneSymbol(ABC):
    """What a message says of itself that carries a block of one symbol's ticks."""

    __slots__ = ()

    sender: str
    frames: ClassVar[int] = 0

    @property
    @abstractmethod
    def ticks(self) -> TickBlock:
        """The ticks that it carries."""

    @property
    def feed(self) -> str:
        """The block's."""
        return self.ticks.feed

    @property
    def key(self) -> Key:
        """The bound is kept per symbol."""
        return (self.ticks.feed, self.ticks.symbol)

    @property
    def weight(self) -> int:
        """Ticks."""
        return len(self.ticks)

    @property
    def records(self) -> int:
        """Ticks."""
        return len(self.ticks)

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give one a tick, as JSON."""
        block = self.ticks
        return tuple(
            DeadLetter(
                block.feed, block.venue, block.symbol, actor, error, tick_as_json(block, i),
                int(block.ts_recv_ns[i]), block.session, block.line, int(block.frame[i]), int(block.item[i]),
            )
            for i in range(len(block))
        )  # fmt: skip

    def shed(self) -> Shed:
        """Blocks are shed whole."""
        block = self.ticks
        return Shed(
            self.sender, block.feed, block.venue, block.symbol, block.session, block.line, len(block), 0,
            int(block.frame[0]), int(block.frame[-1]), int(block.ts_recv_ns[-1]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Batch:
    """Data messages that were waiting when the actor looked; made by the actor's own port."""

    messages: tuple[DataMessage, ...]


@dataclass(frozen=True, slots=True)
class Salvage:
    """What is left of a message whose handler crashed, in its smallest pieces; made by the replacement."""

    units: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Resume:
    """Tells a replacement to finish what its predecessor left; made by the actor's own port."""

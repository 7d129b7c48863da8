"""From a normalizer to detectors and writers: blocks of ticks, refused records, gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.describe import tick_as_json
from core.records import DeadLetter, Gap, Malformed, TickBlock
from messages.lane import Key, Shed


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """From a normalizer to the detector of the block's symbol: score these."""

    sender: str
    block: TickBlock

    frames: int = 0

    @property
    def feed(self) -> str:
        """The block's."""
        return self.block.feed

    @property
    def key(self) -> Key:
        """The bound is kept per symbol."""
        return (self.block.feed, self.block.symbol)

    @property
    def weight(self) -> int:
        """Ticks."""
        return len(self.block)

    @property
    def records(self) -> int:
        """Ticks."""
        return len(self.block)

    @property
    def nbytes(self) -> int:
        """Of the columns."""
        return self.block.nbytes

    def units(self) -> "Sequence[Ticks]":
        """One message a tick."""
        return [Ticks(self.sender, self.block.slice(i, i + 1)) for i in range(len(self.block))]

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """One a tick, as JSON."""
        return block_letters(self.block, actor, error)

    def shed(self) -> Shed:
        """Blocks are shed whole."""
        return block_shed(self.sender, self.block)


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """From a normalizer to every writer: records that could not become ticks."""

    sender: str
    feed: str
    rows: tuple[Malformed, ...]

    frames: int = 0

    @property
    def key(self) -> Key:
        """Bounded as one symbol of the feed."""
        return (self.feed, None)

    @property
    def weight(self) -> int:
        """Records."""
        return len(self.rows)

    @property
    def records(self) -> int:
        """Records."""
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Of the raw bytes, and some for the rest."""
        return sum(200 + len(row.raw) for row in self.rows)

    def units(self) -> "Sequence[Refused]":
        """One message a record."""
        return [Refused(self.sender, self.feed, (row,)) for row in self.rows]

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """One a record, with its bytes."""
        return tuple(
            DeadLetter(
                row.feed, row.venue, row.symbol, actor, error, row.raw,
                row.ts_recv_ns, row.session, row.line, row.frame, row.item,
            )
            for row in self.rows
        )  # fmt: skip

    def shed(self) -> Shed:
        """Shed whole."""
        first, last = self.rows[0], self.rows[-1]
        return Shed(
            self.sender, self.feed, first.venue, None, first.session, first.line, len(self.rows), 0,
            first.frame, last.frame, last.ts_recv_ns,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GapNoted:
    """A gap, in order with the data around it: to the symbol's detector, which passes it on to the
    writers, or straight to the writers where it concerns a whole line.
    """

    sender: str
    gap: Gap

    key: None = None
    weight: int = 0
    nbytes: int = 0
    records: int = 0
    frames: int = 0

    @property
    def feed(self) -> str:
        """The gap's."""
        return self.gap.feed

    def units(self) -> "tuple[GapNoted, ...]":
        """Give itself."""
        return (self,)

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give none: it carries no record."""
        return ()

    def shed(self) -> Shed:
        """Never asked: it has no key."""
        raise AssertionError("a gap is never shed")


@dataclass(frozen=True, slots=True)
class WantDetector:
    """From a normalizer to the supervisor: a symbol came up that has no detector yet (replay only)."""

    feed: str
    symbol: str
    normalizer: str


@dataclass(frozen=True, slots=True)
class DetectorReady:
    """From the supervisor to a normalizer: the address it asked for."""

    symbol: str
    address: Any
    """`Address[DetectorMessage]`."""


def block_letters(block: TickBlock, actor: str, error: str) -> tuple[DeadLetter, ...]:
    """Give a dead letter for each tick of a block."""
    return tuple(
        DeadLetter(
            block.feed, block.venue, block.symbol, actor, error, tick_as_json(block, i),
            int(block.ts_recv_ns[i]), block.session, block.line, int(block.frame[i]), int(block.item[i]),
        )
        for i in range(len(block))
    )  # fmt: skip


def block_shed(sender: str, block: TickBlock) -> Shed:
    """Give what stands in the place of a block that was shed."""
    return Shed(
        sender, block.feed, block.venue, block.symbol, block.session, block.line, len(block), 0,
        int(block.frame[0]), int(block.frame[-1]), int(block.ts_recv_ns[-1]),
    )  # fmt: skip

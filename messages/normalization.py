"""From a normalizer to detectors and writers: blocks of ticks, refused records, gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.records import DeadLetter, Gap, Malformed, TickBlock
from messages.lane import Key, OfOneSymbol, Shed, Unshed


@dataclass(frozen=True, slots=True, eq=False)
class Ticks(OfOneSymbol):
    """From a normalizer to the detector of the block's symbol: score these."""

    sender: str
    block: TickBlock

    @property
    def ticks(self) -> TickBlock:
        """The block."""
        return self.block

    @property
    def nbytes(self) -> int:
        """Of the columns."""
        return self.block.nbytes

    def units(self) -> "Sequence[Ticks]":
        """One message a tick."""
        return [Ticks(self.sender, self.block.slice(i, i + 1)) for i in range(len(self.block))]


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
class GapNoted(Unshed):
    """A gap, in order with the data around it: to the symbol's detector, which passes it on to the
    writers, or straight to the writers where it concerns a whole line.
    """

    sender: str
    gap: Gap

    @property
    def feed(self) -> str:
        """The gap's."""
        return self.gap.feed


@dataclass(frozen=True, slots=True)
class WantDetector:
    """From a normalizer to the supervisor: a symbol came up that has no detector yet (replay only)."""

    feed: str
    symbol: str
    normalizer: str


@dataclass(frozen=True, slots=True)
class DetectorReady:
    """To a normalizer: from the supervisor, the address that it asked for; from a detector that has taken
    over a symbol, its own.
    """

    symbol: str
    address: Any
    """`Address[DetectorMessage]`."""

"""From detectors: scored blocks to the writers, and answers to whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.records import DeadLetter, ScoredBlock
from core.standing import Standing
from messages.lane import Key, Shed
from messages.normalization import block_letters, block_shed


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """From a detector to every writer: store these."""

    sender: str
    block: ScoredBlock

    frames: int = 0

    @property
    def feed(self) -> str:
        """The block's."""
        return self.block.ticks.feed

    @property
    def key(self) -> Key:
        """The bound is kept per symbol."""
        return (self.block.ticks.feed, self.block.ticks.symbol)

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

    def units(self) -> "Sequence[Scored]":
        """One message a tick."""
        return [Scored(self.sender, self.block.slice(i, i + 1)) for i in range(len(self.block))]

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """One a tick, as JSON."""
        return block_letters(self.block.ticks, actor, error)

    def shed(self) -> Shed:
        """Blocks are shed whole."""
        return block_shed(self.sender, self.block.ticks)


@dataclass(frozen=True, slots=True)
class RecentTicks:
    """Ask a detector for the last validated ticks of a symbol; it answers with a tuple of ScoredBlock."""

    symbol: str
    n: int = 100
    feed: str | None = None
    """None: of any feed that has the symbol."""


@dataclass(frozen=True, slots=True)
class ReportSymbols:
    """From the monitor to a detector: tell how your symbols stand, at most so many."""

    most: int


@dataclass(frozen=True, slots=True)
class SymbolsReported:
    """From a detector to the monitor: the answer to `ReportSymbols`."""

    detector: str
    symbols: tuple[tuple[str, str, Standing], ...]
    """Feed, symbol, and how it stands."""

"""From detectors: scored blocks to the writers, and answers to whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.records import ScoredBlock, TickBlock
from core.standing import Standing
from messages.lane import OfOneSymbol


@dataclass(frozen=True, slots=True, eq=False)
class Scored(OfOneSymbol):
    """From a detector to every writer: store these."""

    sender: str
    block: ScoredBlock

    @property
    def ticks(self) -> TickBlock:
        """The block's."""
        return self.block.ticks

    @property
    def nbytes(self) -> int:
        """Of the columns."""
        return self.block.nbytes

    def units(self) -> "Sequence[Scored]":
        """One message a tick."""
        return [Scored(self.sender, self.block.slice(i, i + 1)) for i in range(len(self.block))]


@dataclass(frozen=True, slots=True)
class RecentTicks:
    """Ask a detector for the last validated ticks of a symbol; it answers with a tuple of ScoredBlock."""

    symbol: str
    n: int = 100
    feed: str | None = None
    """None: of any feed that has the symbol."""
    refused: bool = False
    """Whether as many of the last refused ticks follow the validated ones, in blocks of their own."""


@dataclass(frozen=True, slots=True)
class ReportSymbols:
    """From the monitor to a detector: tell how your symbols stand, at most so many; the next ones in turn."""

    most: int
    turn: int = 0
    """How often it was asked before: from that follows which symbols are next."""


@dataclass(frozen=True, slots=True)
class SymbolsReported:
    """From a detector to the monitor: the answer to `ReportSymbols`."""

    detector: str
    symbols: tuple[tuple[str, str, Standing], ...]
    """Feed, symbol, and how it stands."""

"""Between connections, the journal's actor and the recoverer: what is on disk, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.checkpointing import JournalMark, LineKey, Place
from core.memory import Remembered
from core.symbol_state import SymbolState
from messages.ingestion import FrameRefused, Frames, LineReset
from messages.lane import Unshed
from messages.observation import RecoveryProgressed


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """From a connection to the journal's actor: a new segment is written to; sync it from now on."""

    path: Path


@dataclass(frozen=True, slots=True)
class SegmentClosed(Unshed):
    """From a connection to its normalizer, behind all frames of a segment, and on from there to the detectors
    and the writers, as their data goes: whoever has it from everybody has all rows of the segment.

    A recoverer puts one to every normalizer behind all that it read.
    """

    sender: str
    mark: JournalMark
    through: frozenset[str] = frozenset()
    """Names of the actors from which a writer gets it."""
    stores: frozenset[str] = frozenset()
    """Those whose writers get it: those that the normalizer spoke to when it passed."""

    @property
    def feed(self) -> str:
        """The line's."""
        return self.mark.feed


@dataclass(frozen=True, slots=True)
class MemoryMarked:
    """From a normalizer to the journal's actor: what it remembers at the mark."""

    mark: JournalMark
    detectors: frozenset[str]
    """Names of those that tell the states of the mark's symbols."""
    stores: frozenset[str]
    """Names of those that settle it."""
    streams: Sequence[Remembered]


@dataclass(frozen=True, slots=True)
class StatesMarked:
    """From a detector to the journal's actor: the states of the mark's symbols that it has, at the mark."""

    mark: JournalMark
    detector: str
    states: Sequence[tuple[str, SymbolState]]


@dataclass(frozen=True, slots=True)
class SegmentSettled:
    """From a writer to the journal's actor: the store or its spool has all rows from before the mark."""

    mark: JournalMark
    store: str


@dataclass(frozen=True, slots=True)
class RowsLost:
    """From a writer to the journal's actor: rows of these lines are neither in the store nor in the spool."""

    lines: frozenset[str] | None
    """None: of any."""


@dataclass(frozen=True, slots=True)
class RecoveryRead:
    """From the recoverer to the journal's actor: all was read that is to be recovered."""

    covered: Mapping[LineKey, Place]
    marks: tuple[JournalMark, ...]
    """Those that it put behind it."""


@dataclass(frozen=True, slots=True)
class SyncJournal:
    """Timer of the journal's actor: sync what has grown."""


@dataclass(frozen=True, slots=True)
class TrimJournal:
    """Timer of the journal's actor: bring the checkpoint up to date, and make room."""


@dataclass(frozen=True, slots=True)
class JournalRead:
    """From a recoverer's port to the recoverer: what it read of the journal, in order."""

    messages: tuple[Frames | FrameRefused | LineReset, ...]
    progress: RecoveryProgressed


@dataclass(frozen=True, slots=True)
class JournalEnded:
    """From a recoverer's port to the recoverer: all that is to be recovered was read."""

    warnings: tuple[str, ...]
    """Segments that are torn or cannot be read, one line each."""
    covered: Mapping[LineKey, Place]
    """How far each line was read."""
    progress: RecoveryProgressed

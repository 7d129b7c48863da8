"""Between connections, the journal's actor and the recoverer: what is on disk, and what comes back."""

from dataclasses import dataclass
from pathlib import Path

from messages.ingestion import FrameRefused, Frames, LineReset
from messages.lane import Unshed


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """From a connection to the journal's actor: a new segment is written to; sync it from now on."""

    path: Path


@dataclass(frozen=True, slots=True)
class SegmentClosed(Unshed):
    """From a connection to its normalizer, behind all frames of a segment, and on from there to the detectors
    and the writers, as their data goes: whoever has it from everybody has all rows of the segment.
    """

    sender: str
    feed: str
    path: Path
    through: frozenset[str] = frozenset()
    """Names of the actors from which a writer gets it."""


@dataclass(frozen=True, slots=True)
class SegmentSettled:
    """From a writer to the journal's actor: the store or its spool has all rows of the segment."""

    path: Path
    store: str


@dataclass(frozen=True, slots=True)
class SyncJournal:
    """Timer of the journal's actor: sync what has grown."""


@dataclass(frozen=True, slots=True)
class TrimJournal:
    """Timer of the journal's actor: see whether old sessions have to make room."""


@dataclass(frozen=True, slots=True)
class JournalRead:
    """From a recoverer's port to the recoverer: what it read of the journal, in order."""

    messages: tuple[Frames | FrameRefused | LineReset, ...]
    lines: int
    """Frames read so far, for the progress."""


@dataclass(frozen=True, slots=True)
class JournalEnded:
    """From a recoverer's port to the recoverer: all that is to be recovered was read."""

    warnings: tuple[str, ...]
    """Segments that are torn or cannot be read, one line each."""

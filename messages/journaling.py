"""Between connections, the journal's actor and the recoverer: what is on disk, and what comes back."""

from dataclasses import dataclass
from pathlib import Path

from messages.ingestion import FrameRefused, Frames, LineReset


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """From a connection to the journal's actor: a new segment is written to; sync it from now on."""

    path: Path


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

"""From a replayer's port to the replayer: what it read of the captures."""

from dataclasses import dataclass

from messages.ingestion import Frames


@dataclass(frozen=True, slots=True)
class CaptureRead:
    """Frames of one read, at most one message a feed."""

    frames: tuple[Frames, ...]
    lines: int
    """Lines of the captures read so far, for the progress."""


@dataclass(frozen=True, slots=True)
class CaptureEnded:
    """Every capture was read to its end."""

    error: str = ""
    """Why not to its end, in one line: a file changed while it was read."""

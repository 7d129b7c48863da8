"""What a connection knows and what it remembers of its line: immutable values."""

from dataclasses import dataclass, field
from typing import Any, Final

from core.backoff import Backoff
from core.frames import FrameState

BUSY_SECONDS: Final = 60.0
"""How long a venue that says "too many requests" or "try again later" without a time is left alone."""
TRY_AGAIN_LATER: Final = 1013
"""The close code with which a server asks for that (IANA's registry of RFC 6455 close codes)."""


def one_line(text: str) -> str:
    """Give a venue's words without line breaks and other characters that a terminal would act on."""
    return "".join(character if character.isprintable() else " " for character in text)


@dataclass(frozen=True, slots=True)
class LineTerms:
    """What a connection knows of its line."""

    feed: str
    line: str
    session: int
    symbols: tuple[str, ...]
    stale_seconds: float
    acknowledge_seconds: float
    connect_timeout_seconds: float
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class LineState:
    """One line, across all its connections and incarnations of the actor."""

    transport: Any = None
    """The open `Transport`, None while there is none."""
    dialing: bool = False
    token: int = 0
    """Counts diallings."""
    backoff: Backoff = field(default_factory=Backoff)
    reading: FrameState = field(default_factory=FrameState)
    next_frame: int = 0
    """Counts on across reconnects."""
    last_data: float = 0.0
    """Monotonic seconds of the last market data, or of the connection's beginning."""
    unsent: tuple[Any, ...] = ()
    """Requests that the venue's pace holds back."""
    unacknowledged: frozenset[str] = frozenset()
    subscribed: tuple[str, ...] = ()
    """Symbols that were asked for since the line is up."""
    leaving: frozenset[str] = frozenset()
    """Requests to leave symbols that the venue has not confirmed."""
    lost_before: bool = False
    """The line was up before, so that its next beginning is a reconnect."""
    closed: bool = False
    """Drained: it stays down."""

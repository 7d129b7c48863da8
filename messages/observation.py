"""To the monitor: what happened, what a consistent cut found, and what the operator asks."""

from dataclasses import dataclass
from typing import ClassVar

from core.ledger import FrozenCounts
from core.records import Alert
from messages.lane import Unshed


@dataclass(frozen=True, slots=True)
class Noticed:
    """From any actor to the monitor: something that may become an alert."""

    kind: str
    """warn, reject, gap, stale_line, stale_time, breaker, restart, parked, shed, line, subscription ..."""
    feed: str | None
    symbol: str | None
    actor: str
    text: str
    ts_ns: int
    occurrences: int = 1


@dataclass(frozen=True, slots=True)
class LineChanged:
    """From a connection to the monitor: the state of its line."""

    line: str
    state: str
    """dialing, up, waiting, closed."""
    text: str
    """Why, in words; empty when up."""
    wait_seconds: float = 0.0
    """Backoff until the next attempt."""


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """From a writer to the monitor: the state of its breaker and spool."""

    store: str
    state: str
    """closed, open, half-open."""
    spooled_rows: int


@dataclass(frozen=True, slots=True)
class ChildChanged:
    """From the supervisor to the monitor: the state of a child."""

    child: str
    state: str
    """starting, running, restarting, parked, drained."""
    restarts: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class TakeCut:
    """From the monitor to every connection: begin a consistent cut of the ledger."""

    cut: int


@dataclass(frozen=True, slots=True)
class Marker(Unshed):
    """From an actor to each that its data goes to: all that was put before the cut is in front of this."""

    sender: str
    cut: int

    feed: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class CutTaken:
    """From an actor to the monitor: its side of the cut, once a marker came from each of its senders."""

    actor: str
    cut: int
    counts: FrozenCounts
    """Counters at the cut, by (feed, name)."""
    in_flight: FrozenCounts
    """(feed, "in_flight") and (feed, "in_flight_frames"): held, or on the way to it, at the cut."""


@dataclass(frozen=True, slots=True)
class PublishTick:
    """Timer of the monitor: refresh what is shown."""


@dataclass(frozen=True, slots=True)
class TellLastWords:
    """Timer of the monitor: tell what was kept back of places that have fallen silent."""


@dataclass(frozen=True, slots=True)
class GetStatus:
    """Ask the monitor how everything stands; it answers with a mapping that JSON can hold."""


@dataclass(frozen=True, slots=True)
class Post:
    """From the monitor to the webhook actor: post these alerts."""

    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Posted:
    """From the webhook actor to the monitor: the last post is over."""

    error: str
    """Empty where it went well; else one line without the URL's secrets."""


@dataclass(frozen=True, slots=True)
class RecoveryProgressed:
    """From the recoverer to the monitor: how far the journal is read."""

    read_bytes: int
    of_bytes: int
    frames: int
    ended: bool = False

"""Between the supervisor and its children: starting, failing, draining."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from core.ledger import FrozenCounts, Ledger
from messages.lane import Unshed


@dataclass(frozen=True, slots=True)
class Started:
    """From a child to the supervisor: on_start is done, messages are taken."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class ChildFailed:
    """From a dying child to the supervisor."""

    child: str
    incarnation: int
    error: str
    """Type and text of the exception, one line."""


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """From a child to the supervisor: it has ended of its own accord, with nothing wrong."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class InboxFailed:
    """From an actor's port to the actor itself: taking the next message failed; crash, so that it is told."""

    error: Exception


@dataclass(frozen=True, slots=True)
class LookAfterChildren:
    """Timer of the supervisor: see who hangs, and who has ended without a word."""


@dataclass(frozen=True, slots=True)
class StartOverdue:
    """Timer of the supervisor: the child has not said `Started`."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Timer of the supervisor: the restart delay is over."""

    child: str


@dataclass(frozen=True, slots=True)
class BeginDrain:
    """From the main thread to the supervisor: stop taking data, finish what was taken, then end."""

    reason: str
    now: bool = False
    """True: do not wait for the drain deadline."""


@dataclass(frozen=True, slots=True)
class DrainOverdue:
    """Timer of the supervisor: the drain deadline is over."""


@dataclass(frozen=True, slots=True)
class LinesDone:
    """From a replayer to the supervisor: the captures are read to their end."""

    child: str


@dataclass(frozen=True, slots=True)
class Drain(Unshed):
    """From the supervisor to a child, behind all its data: finish, then say `Drained`."""

    sender: str = "supervisor"

    feed: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Drained:
    """From a child to the supervisor: nothing is left but what is told here."""

    child: str
    held: FrozenCounts = field(default_factory=lambda: MappingProxyType({}))
    """Records still held, by feed: (feed, "in_flight")."""


@dataclass(frozen=True, slots=True)
class SpoolRest:
    """From the supervisor to a writer at the drain deadline: no more writes, everything to the spool."""


@dataclass(frozen=True, slots=True)
class InjectFault:
    """To any actor, for tests and chaos runs: raise in the handler. The replacement skips it."""

    text: str = "injected"


@dataclass(frozen=True, slots=True)
class InjectHang:
    """To any actor, for tests and chaos runs: hang in the handler until fenced. The replacement skips it."""

    text: str = "injected"


@dataclass(frozen=True, slots=True)
class SupervisorStarted:
    """From the supervisor to its host: every child runs."""


@dataclass(frozen=True, slots=True)
class SupervisorEnded:
    """From the supervisor to its host: the run is over."""

    status: int
    """Exit status: 0 drained, 70 given up."""
    text: str
    """Empty, or the one line to tell."""
    ledger: Ledger | None
    """None where the supervisor itself failed."""
    gave_up: bool = False
    """Records were given up at the drain deadline: the session is left to be recovered."""
    hanging: tuple[str, ...] = ()
    """Actors whose threads were fenced and are still there: the process cannot end but at once."""

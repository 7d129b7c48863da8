"""What the supervisor knows of its children."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from actors.launching import ChildSpec
from core.ledger import Counts, FrozenCounts, total
from core.restart import FailureHistory
from messages.ingestion import Frames
from messages.lane import Batch, Salvage
from messages.normalization import Refused, Ticks
from messages.signals import Scored


@dataclass(slots=True)
class Child:
    """A child as the supervisor sees it."""

    spec: ChildSpec
    ref: Any = None
    history: FailureHistory = field(default_factory=FailureHistory)
    state: str = "new"
    """new, starting, running, restarting, parked, drained or failed."""
    restarts: int = 0


@dataclass(slots=True)
class SupervisorState:
    """The supervisor's own; it dies with the supervisor, and with that the process."""

    children: dict[str, Child] = field(default_factory=dict)
    stage: int = -1
    waiting: set[str] = field(default_factory=set)
    """Children that the present stage waits for."""
    draining: bool = False
    overdue: bool = False
    status: int = 0
    text: str = ""
    gave_up: bool = False
    """Records were given up at the drain deadline."""
    held: dict[str, FrozenCounts] = field(default_factory=dict)
    ended: bool = False


@runtime_checkable
class Holding(Protocol):
    """The state of an actor that keeps records between messages."""

    def held(self) -> Counts:
        """Count them, by feed."""


def begun(current: Any) -> Counts:
    """Count the records and frames of the message that an actor was in."""
    messages: tuple[object, ...] = current.messages if isinstance(current, Batch) else ()
    if isinstance(current, Salvage):
        messages = current.units
    return total(
        {(message.feed, "in_flight"): message.records, (message.feed, "in_flight_frames"): message.frames}
        for message in messages
        if isinstance(message, Frames | Ticks | Scored | Refused)
    )

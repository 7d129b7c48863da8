"""What the supervisor knows of its children."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from actors.launching import ChildSpec
from actors.pulse import Pulse
from core.children import Phase, Standing
from core.ledger import Counts, FrozenCounts, total
from core.watch import Watch
from messages.ingestion import Frames
from messages.lane import Batch, Salvage
from messages.normalization import Refused, Ticks
from messages.signals import Scored


@dataclass(slots=True)
class Child:
    """A child as the supervisor sees it."""

    spec: ChildSpec
    ref: Any = None
    standing: Standing = field(default_factory=Standing)
    error: str = ""
    """Of a parked one: why."""
    silent: bool = False
    """It was seen to have ended without a word."""
    retiring: bool = False
    """It is being taken out while the system runs: what it says when it has drained is its end."""

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        return self.standing.phase


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
    watch: Watch = field(default_factory=Watch)
    fenced: list[tuple[str, Pulse]] = field(default_factory=list)
    """Incarnations that were replaced while they hung."""

    @property
    def hanging(self) -> tuple[str, ...]:
        """Names of those whose threads are still at it."""
        return tuple(name for name, pulse in self.fenced if pulse.hangs_on and pulse.doing is not None)


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

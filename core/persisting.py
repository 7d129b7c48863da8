"""What a writer does next: a pure decision, so that every order of events can be tested."""

from dataclasses import dataclass
from enum import Enum, auto


class Step(Enum):
    """The writer's next step."""

    SEAL = auto()
    """Make a batch of the rows that were collected."""
    WRITE_SEALED = auto()
    SPOOL_SEALED = auto()
    WRITE_SPOOLED = auto()
    WAIT = auto()
    """A timer is set: for a retry, or for the breaker's probe."""
    DRAINED = auto()
    IDLE = auto()


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the decision depends on."""

    open_rows: int
    """Collected, in no batch yet."""
    due: bool
    """The batch is full, or its oldest row has waited long enough."""
    sealed: bool
    """A batch waits to be written."""
    spooled: bool
    """The spool holds something."""
    allowed: bool
    """The breaker lets the store be asked."""
    retrying: bool
    """A retry timer runs."""
    draining: bool
    spool_only: bool
    """The store is not asked any more: it failed while draining, or the drain deadline is over."""


def next_step(now: Situation) -> Step:
    """Decide. Order is kept: while the spool holds something, new batches go behind it."""
    if now.sealed:
        if now.spool_only or now.spooled or not now.allowed:
            return Step.SPOOL_SEALED
        return Step.WAIT if now.retrying else Step.WRITE_SEALED
    if now.open_rows and (now.due or now.draining):
        return Step.SEAL
    if now.spooled and not now.spool_only:
        if now.allowed and not now.retrying:
            return Step.WRITE_SPOOLED
        if not now.draining:
            return Step.WAIT
    return Step.DRAINED if now.draining else Step.IDLE

"""What becomes of a child that ends: Erlang/OTP's restart types and intensity as one pure state machine.

Reference: Erlang/OTP Design Principles, "Supervisor Behaviour", sections "Child Specification" and "Maximum
Restart Intensity".
"""

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from random import Random
from typing import Final

from core.restart import Beyond, FailureHistory, GiveUp, Intensity, Restart


class RestartType(Enum):
    """When a child that has ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a failure: it may end with its work."""
    TEMPORARY = "temporary"
    """Never."""


class Phase(StrEnum):
    """Where a child is in its life, as the operator reads it."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    """Failed; the restart delay runs."""
    PARKED = "parked"
    """Out of service: a stand-in makes dead letters of its records."""
    DRAINED = "drained"
    ENDED = "ended"
    """Ended for good, with nothing wrong: its work is done, or it was taken out."""
    FAILED = "failed"
    """Given up."""


ALIVE: Final = frozenset({Phase.STARTING, Phase.RUNNING, Phase.PARKED})
"""Phases in which an incarnation is expected to live, so that its end is news."""


class Over(Enum):
    """What to do of an end: nothing."""

    FOR_GOOD = "for good"
    """It is over, as its restart type says."""
    ALREADY = "already"
    """The end was known, or is of no interest any more."""


Verdict = Restart | GiveUp | Over


@dataclass(frozen=True, slots=True)
class Standing:
    """How a child stands: an immutable value, replaced with every event."""

    phase: Phase = Phase.NEW
    history: FailureHistory = field(default_factory=FailureHistory)
    restarts: int = 0
    parked: bool = False
    """What starts next in its place is the stand-in."""

    def begun(self) -> "Standing":
        """An incarnation is being started."""
        again = self.restarts + (self.phase is Phase.RESTARTING)
        return replace(self, phase=Phase.STARTING, restarts=again)

    def started(self) -> "Standing":
        """It has said so."""
        if self.phase is not Phase.STARTING:
            return self
        return replace(self, phase=Phase.PARKED if self.parked else Phase.RUNNING)

    def closed(self, phase: Phase) -> "Standing":
        """It drained, or was taken out: nothing that happens to it from now on matters."""
        return replace(self, phase=phase)

    def ended(
        self,
        restart: RestartType,
        intensity: Intensity,
        now: float,
        random: Random,
        *,
        normal: bool = False,
    ) -> "tuple[Standing, Verdict]":
        """Its incarnation has ended, in failure unless it is `normal`; say what follows.

        One end counts once, however often it is told: a child that is being restarted, was given up, or has
        drained cannot end again. Ends that are followed by a restart count for the intensity, normal ones of
        permanent children too. A stand-in that fails beyond the intensity is escalated.
        """
        if self.phase not in ALIVE:
            return self, Over.ALREADY
        if restart is RestartType.TEMPORARY or (normal and restart is RestartType.TRANSIENT):
            return replace(self, phase=Phase.ENDED if normal else Phase.FAILED), Over.FOR_GOOD
        if self.parked:
            intensity = replace(intensity, beyond=Beyond.ESCALATE)
        history, decision = self.history.decide(intensity, now, random)
        match decision:
            case Restart():
                return replace(self, phase=Phase.RESTARTING, history=history), decision
            case GiveUp(Beyond.PARK):
                return Standing(Phase.STARTING, FailureHistory(), self.restarts, parked=True), decision
            case _:
                return replace(self, phase=Phase.FAILED, history=history), decision

"""When a failed child is restarted, parked or given up: restart intensity as in Erlang/OTP.

Reference: Erlang/OTP Design Principles, "Supervisor Behaviour", section "Maximum Restart Intensity".
"""

from dataclasses import dataclass
from enum import Enum
from random import Random


class Beyond(Enum):
    """What happens to a child that fails more often than its intensity allows."""

    PARK = "park"
    """It is taken out of service; its records become dead letters. For one symbol among many."""
    ESCALATE = "escalate"
    """The supervisor gives up, and with it the process. For what everything else depends on."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """At most `max_restarts` within `window_seconds`, then `beyond`."""

    max_restarts: int
    window_seconds: float
    beyond: Beyond
    delay_seconds: float = 0.1
    """Base of the restart delay, which is jittered and doubles with each failure in the window."""
    max_delay_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the child again after the delay."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do what the intensity says of a child beyond it."""

    beyond: Beyond


@dataclass(frozen=True, slots=True)
class FailureHistory:
    """Monotonic times of a child's failures that still count, oldest first."""

    times: tuple[float, ...] = ()

    def decide(
        self, intensity: Intensity, now: float, random: Random
    ) -> "tuple[FailureHistory, Restart | GiveUp]":
        """Count a failure at `now` and say what follows.

        A failure counts while it is younger than the window. The delay is uniform in [d/2, d], d
        doubling with every failure that counts, so that a child that cannot start does not spin.
        """
        recent = tuple(time for time in self.times if now - time < intensity.window_seconds)
        history = FailureHistory((*recent, now))
        if len(history.times) > intensity.max_restarts:
            return history, GiveUp(intensity.beyond)
        ceiling = min(intensity.max_delay_seconds, intensity.delay_seconds * 2.0 ** min(len(recent), 30))
        return history, Restart(random.uniform(ceiling / 2, ceiling))

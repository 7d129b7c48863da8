"""A circuit breaker: stop asking a store that fails, and try again later with one probe.

After Nygard, "Release It!" (2007): closed, open, half-open.
"""

from dataclasses import dataclass, replace
from enum import Enum


class BreakerState(Enum):
    """The three states, with the words that the operator sees."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """An immutable breaker; times are monotonic seconds that the caller passes in.

    Only retryable failures are told to it: a store that refuses a row is not a store that is down.
    """

    failure_threshold: int = 5
    cooldown_seconds: float = 30.0
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    """Consecutive ones."""
    opened_at: float = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether the store may be asked now; when open and cooled down, this is the probe."""
        return self.state is not BreakerState.OPEN or now >= self.opened_at + self.cooldown_seconds

    def asked(self) -> "Breaker":
        """The store is being asked: an open breaker that allows it becomes half-open."""
        return replace(self, state=BreakerState.HALF_OPEN) if self.state is BreakerState.OPEN else self

    def succeeded(self) -> "Breaker":
        """Close."""
        return replace(self, state=BreakerState.CLOSED, failures=0)

    def failed(self, now: float) -> "Breaker":
        """Count a failure; open at the threshold, or at once when the probe failed."""
        failures = self.failures + 1
        if self.state is BreakerState.HALF_OPEN or failures >= self.failure_threshold:
            return replace(self, state=BreakerState.OPEN, failures=failures, opened_at=now)
        return replace(self, failures=failures)

    def wait_seconds(self, now: float) -> float:
        """How long until the breaker would allow a probe; 0 when it allows one now."""
        if self.state is not BreakerState.OPEN:
            return 0.0
        return max(0.0, self.opened_at + self.cooldown_seconds - now)

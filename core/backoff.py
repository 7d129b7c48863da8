"""How long to wait before the next attempt to connect."""

from dataclasses import dataclass
from random import Random
from typing import Final

FLOOR_SECONDS: Final = 0.1
CEILING_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Uniform in [0.1 s, d] with d = 1, 2, 4 ... 60 s: full jitter, so that many clients spread out.

    The value is immutable: `after_failure` gives the next one. Start anew only once data has flowed,
    since a venue that accepts and then hangs up would otherwise be dialled without pause.
    """

    attempts: int = 0

    @property
    def ceiling_seconds(self) -> float:
        """The longest wait that the present number of attempts allows."""
        return min(CEILING_SECONDS, 2.0 ** min(self.attempts, 6))

    def after_failure(self) -> "Backoff":
        """Count one more failed attempt."""
        return Backoff(self.attempts + 1)

    def delay_seconds(self, random: Random, at_least: float = 0.0) -> float:
        """Draw the wait; `at_least` is what the venue asked for (Retry-After), honoured in full."""
        return at_least + random.uniform(FLOOR_SECONDS, self.ceiling_seconds)

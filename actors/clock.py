"""The clocks that actors are given."""

import time
from typing import Protocol


class Clock(Protocol):
    """Time, as an argument: tests pass their own."""

    def monotonic(self) -> float:
        """Seconds that only count up; for durations and deadlines."""

    def time_ns(self) -> int:
        """UTC epoch nanoseconds; for stamps."""


class SystemClock:
    """The machine's."""

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def time_ns(self) -> int:
        """See Clock."""
        return time.time_ns()

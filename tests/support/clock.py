"""A clock that only moves when a test moves it."""


class FakeClock:
    """Begins at a round time; `advance` moves both hands."""

    def __init__(self, time_ns: int = 1_700_000_000_000_000_000) -> None:
        self._monotonic = 1_000.0
        self._time_ns = time_ns

    def monotonic(self) -> float:
        """See actors.clock.Clock."""
        return self._monotonic

    def time_ns(self) -> int:
        """See actors.clock.Clock."""
        return self._time_ns

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._monotonic += seconds
        self._time_ns += round(seconds * 1e9)

"""Throughput and latency of the last minutes, as their charts are fed with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.wording import duration_us, rate
from web.model import Moment

COLUMNS: Final = ("ticks_per_second", "signal_p50_ms", "signal_p99_ms", "stored_p50_ms", "stored_p99_ms")
NS_PER_MS: Final = 1e6
US_PER_MS: Final = 1e3


@dataclass(slots=True)
class MomentFeed:
    """What one open page has of the moments."""

    _newest_ns: int = 0

    def changes(self, moments: Sequence[Moment]) -> dict[str, Any] | None:
        """Give the moments that the page has not got yet, column by column; None: there are none."""
        fresh = [moment for moment in moments if moment.at_ns > self._newest_ns]
        if not fresh:
            return None
        anew = self._newest_ns == 0
        self._newest_ns = fresh[-1].at_ns
        columns = {name: [getattr(moment, name) for moment in fresh] for name in COLUMNS}
        return {"anew": anew, "ts_ms": [moment.at_ns / NS_PER_MS for moment in fresh], **columns}


def throughput(moments: Sequence[Moment]) -> str:
    """Say in a line how fast ticks come."""
    if not moments:
        return "Nothing measured yet"
    most = max(moment.ticks_per_second for moment in moments)
    return f"{rate(moments[-1].ticks_per_second)} ticks/s now, at most {rate(most)} in sight"


def latency(moments: Sequence[Moment]) -> str:
    """Say in a line how long ticks take."""
    if not moments:
        return "Nothing measured yet"
    newest = moments[-1]
    signal = f"to signal p50 {_ms(newest.signal_p50_ms)}, p99 {_ms(newest.signal_p99_ms)}"
    return f"{signal}; to stored p50 {_ms(newest.stored_p50_ms)}, p99 {_ms(newest.stored_p99_ms)}"


def _ms(value: float | None) -> str:
    return duration_us(None if value is None else value * US_PER_MS)

"""Times, durations and intervals as a user writes them, and times as a user reads them."""

from core.durations import UNITS_NS, duration_ns
from core.points import point_ns, utc_text

__all__ = ["UNITS_NS", "duration_ns", "point_ns", "utc_text"]

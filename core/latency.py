"""How long things take, as counts in buckets that grow with the value: after HdrHistogram, by Gil Tene."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

_BITS: Final = 5
_SUB_BUCKETS: Final = 1 << _BITS
"""Buckets an octave: a value is told to about 3 percent."""
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


@dataclass(slots=True)
class Latencies:
    """Counts of durations; changed in place."""

    counts: dict[int, int] = field(default_factory=dict)
    """By bucket."""
    longest_ns: int = 0

    def add(self, nanoseconds: int, n: int = 1) -> None:
        """Count a duration n times; less than nothing, as a clock that was set gives, is nothing."""
        value = max(0, nanoseconds)
        bucket = _bucket(value)
        self.counts[bucket] = self.counts.get(bucket, 0) + n
        self.longest_ns = max(self.longest_ns, value)

    def as_json(self) -> dict[str, float | int]:
        """Give the count, percentiles and the longest, in microseconds: each at most 3 percent too long."""
        total = sum(self.counts.values())
        told: dict[str, float | int] = {"count": total}
        for name, share in PERCENTILES.items():
            told[f"{name}_us"] = min(_reached(self.counts, share * total), self.longest_ns) / 1e3
        return {**told, "max_us": self.longest_ns / 1e3}

    @property
    def sum_seconds(self) -> float:
        """Give all durations together, each taken as the middle of its bucket: to about 1.5 percent."""
        return sum(n * _middle_of(bucket) for bucket, n in self.counts.items()) / 1e9

    def quantile_ns(self, share: float) -> int:
        """Give what this share of the durations does not exceed, at most 3 percent too long."""
        return _reached(self.counts, share * sum(self.counts.values()))

    def cumulative(self, bounds_ns: Sequence[int]) -> list[int]:
        """Count for each of the ascending bounds the durations that do not exceed it.

        Those in a bucket that a bound divides are counted as longer.
        """
        counted = [0] * len(bounds_ns)
        for bucket, n in self.counts.items():
            first = bisect_left(bounds_ns, _last_of(bucket))
            if first < len(counted):
                counted[first] += n
        return list(accumulate(counted))

    def since(self, earlier: "Latencies") -> "Latencies":
        """Give what was counted after an earlier time."""
        counts = {bucket: n - earlier.counts.get(bucket, 0) for bucket, n in self.counts.items()}
        return Latencies({bucket: n for bucket, n in counts.items() if n > 0}, self.longest_ns)


def together(parts: Iterable[Latencies]) -> Latencies:
    """Add up."""
    whole = Latencies()
    for part in parts:
        for bucket, n in part.counts.items():
            whole.counts[bucket] = whole.counts.get(bucket, 0) + n
        whole.longest_ns = max(whole.longest_ns, part.longest_ns)
    return whole


def _bucket(value: int) -> int:
    shift = max(0, value.bit_length() - _BITS - 1)
    return shift * _SUB_BUCKETS + (value >> shift)


def _last_of(bucket: int) -> int:
    """Give the largest value of a bucket."""
    shift = max(0, bucket // _SUB_BUCKETS - 1)
    return ((bucket - shift * _SUB_BUCKETS + 1) << shift) - 1


def _middle_of(bucket: int) -> float:
    first = _last_of(bucket - 1) + 1 if bucket else 0
    return (first + _last_of(bucket)) / 2


def _reached(counts: dict[int, int], rank: float) -> int:
    so_far = 0
    for bucket in sorted(counts):
        so_far += counts[bucket]
        if so_far >= rank:
            return _last_of(bucket)
    return 0

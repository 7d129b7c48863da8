"""Percentiles from buckets, against the sorted values themselves."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.latency import PERCENTILES, Latencies, together

VALUES = st.lists(st.integers(0, 10**12) | st.integers(0, 200), min_size=1, max_size=80)


def counted(values: list[int]) -> Latencies:
    """Count them one by one."""
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    return latencies


@given(VALUES)
def test_a_percentile_is_never_too_short_and_at_most_a_thirtieth_too_long(values: list[int]) -> None:
    told = counted(values).as_json()
    ordered = sorted(values)
    for name, share in PERCENTILES.items():
        exact = ordered[ceil(share * len(ordered)) - 1]
        assert exact <= told[f"{name}_us"] * 1e3 + 1e-6 <= exact * 33 / 32 + 1
    assert told["count"] == len(values)
    assert told["max_us"] == ordered[-1] / 1e3


@given(VALUES, VALUES)
def test_parts_add_up(one: list[int], other: list[int]) -> None:
    assert together([counted(one), counted(other)]) == counted([*one, *other])


def test_a_block_counts_for_all_its_ticks() -> None:
    latencies = Latencies()
    latencies.add(1_000, 99)
    latencies.add(10_000_000)
    told = latencies.as_json()
    assert told["p50_us"] <= 1.04
    assert told["p999_us"] == 10_000
    assert told["count"] == 100


def test_a_clock_that_was_set_back_counts_as_no_time() -> None:
    latencies = Latencies()
    latencies.add(-5)
    assert latencies.as_json()["max_us"] == 0
    assert Latencies().as_json() == {"count": 0, **{f"{name}_us": 0 for name in PERCENTILES}, "max_us": 0}


@given(VALUES, st.lists(st.integers(0, 2**50), min_size=1, max_size=10, unique=True).map(sorted))
def test_cumulative_counts_are_those_within_each_bound(values: list[int], bounds: list[int]) -> None:
    latencies = counted(values)
    counts = latencies.cumulative(bounds)
    for bound, count in zip(bounds, counts, strict=True):
        # A bucket is up to a thirty-second wide, and counted where its end is.
        assert sum(value <= bound * 31 / 32 - 1 for value in values) <= count
        assert count <= sum(value <= bound for value in values)


@given(VALUES)
def test_the_sum_is_right_to_half_a_bucket(values: list[int]) -> None:
    assert counted(values).sum_seconds == pytest.approx(sum(values) / 1e9, rel=1 / 60, abs=1e-15)


@given(VALUES, VALUES)
def test_what_came_since_is_what_was_added(before: list[int], after: list[int]) -> None:
    earlier, later = counted(before), counted([*before, *after])
    assert later.since(earlier).counts == counted(after).counts

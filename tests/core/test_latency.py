"""Percentiles from buckets, against the sorted values themselves."""

from math import ceil

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

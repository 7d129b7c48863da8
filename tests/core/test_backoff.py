"""The waits between attempts to connect."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backoff import CEILING_SECONDS, FLOOR_SECONDS, Backoff


def after(failures: int) -> Backoff:
    """Give the backoff after so many failures."""
    backoff = Backoff()
    for _ in range(failures):
        backoff = backoff.after_failure()
    return backoff


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60), (5000, 60)]
)
def test_the_ceiling_doubles_up_to_a_minute(failures: int, seconds: float) -> None:
    assert Backoff(failures).ceiling_seconds == seconds


@given(st.integers(0, 100), st.floats(0, 3600), st.integers())
def test_the_wait_lies_between_the_floor_and_the_ceiling_beyond_what_the_venue_asked(
    failures: int, at_least: float, seed: int
) -> None:
    backoff = after(failures)
    beyond = backoff.delay_seconds(Random(seed)), backoff.delay_seconds(Random(seed), at_least)
    assert FLOOR_SECONDS <= beyond[0] <= backoff.ceiling_seconds <= CEILING_SECONDS
    assert beyond[1] == at_least + beyond[0]


def test_the_waits_spread_over_the_whole_range() -> None:
    """Full jitter: many clients that were cut off together do not come back together."""
    random = Random(7)
    waits = [after(6).delay_seconds(random) for _ in range(2000)]
    assert min(waits) < 1.0
    assert max(waits) > 59.0
    assert 28.0 < sum(waits) / len(waits) < 32.0


def test_a_failure_leaves_the_value_before_it_alone() -> None:
    backoff = Backoff()
    assert (backoff.after_failure(), backoff) == (Backoff(1), Backoff(0))

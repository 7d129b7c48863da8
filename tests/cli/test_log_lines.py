"""The log's one line on how everything stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.log_lines import Mark, line, mark
from tests.support.statuses import HOSTILE, ledger, nothing, status, statuses


def test_a_line_says_all_that_counts() -> None:
    assert line(status(), 83.2) == (
        "0:01:23, received 1,234,567 (14,839/s), stored 1,234,147, rejected 87, duplicate 43, shed 54, "
        "dead letter 98, spooled 126, in flight 65, lines 1/2 up, archive: breaker open, restarts 7, "
        "parked detector/demo/X"
    )


def test_the_rate_is_that_since_the_line_before() -> None:
    assert "(50/s)" in line(status(), 20.0, Mark(1_234_067, 10.0))
    assert mark(status(), 20.0) == Mark(1_234_567, 20.0)
    assert "(0.0/s)" in line(status(), 30.0, mark(status(), 20.0))


def test_no_time_has_no_rate() -> None:
    assert "received 1,234,567 (-/s)" in line(status(), 0.0)
    assert "(-/s)" in line(status(), 5.0, mark(status(), 5.0))


def test_before_anything_is_known_the_line_says_so() -> None:
    assert line(nothing, 1.0) == "0:00:01, nothing counted yet, lines 0/0 up, restarts 0"
    assert line({}, 1.0) == line(nothing, 1.0)
    assert mark({}, 1.0) == Mark(0, 1.0)


def test_a_ledger_that_does_not_balance_is_told() -> None:
    assert "NOT BALANCED" in line(status(ledger=ledger(lost=1)), 1.0)


def test_many_parked_actors_are_counted() -> None:
    parked = [{"child": f"d{i}", "state": "parked", "restarts": 1} for i in range(5)]
    assert line({"actors": parked}, 1.0).endswith("restarts 5, parked d0 d1 d2 and 2 more")


def test_foreign_text_stays_on_the_line() -> None:
    written = line({"stores": [{"store": HOSTILE, "state": HOSTILE}]}, 1.0)
    assert written.isprintable()
    assert r"\x1b[2J" in written


@pytest.mark.slow
@given(statuses, st.floats(), st.integers(), st.floats())
def test_any_status_gives_one_line(
    any_status: dict[str, object], seconds: float, n: int, before: float
) -> None:
    assert line(any_status, seconds, Mark(n, before)).isprintable()
    assert line(any_status, seconds, mark(any_status, before)).isprintable()


def test_a_recovery_says_how_far_it_is_until_it_is_over() -> None:
    progress = {"read_bytes": 3 * 2**20, "of_bytes": 4 * 2**20, "frames": 12_345, "ended": False}
    told = line({**status(), "recovery": progress}, 1.0)
    assert "recovering 75 % of 4 MiB, 12,345 frames, lines" in told
    assert "recovering" not in line({**status(), "recovery": {**progress, "ended": True}}, 1.0)
    assert "recovering 0 %" in line({"recovery": {"ended": False}}, 1.0)

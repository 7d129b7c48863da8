"""The rate limit of alerts: nothing is silent for long, and nothing is left out of the count."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.alerting import Decision, Window, decide, last_word

EVERY = 100
happenings = st.lists(st.tuples(st.integers(-30, 150), st.integers(1, 5)), max_size=30)


def test_the_first_of_a_place_goes_out_at_once() -> None:
    assert decide(None, 7, EVERY) == Decision(True, 0, Window(7))


def test_the_next_ones_are_held_back_until_the_interval_is_over() -> None:
    assert decide(Window(0), 99, EVERY) == Decision(False, 0, Window(0, 1))
    assert decide(Window(0, 1), 99, EVERY, occurrences=5) == Decision(False, 0, Window(0, 6))
    assert decide(Window(0, 6), 100, EVERY) == Decision(True, 6, Window(100))


def test_an_alert_does_not_count_its_own_occurrences_as_held_back() -> None:
    assert decide(None, 0, EVERY, occurrences=8) == Decision(True, 0, Window(0))
    assert decide(Window(0, 2), 100, EVERY, occurrences=8) == Decision(True, 2, Window(100))


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    assert decide(Window(1000, 4), 999, EVERY) == Decision(True, 4, Window(999))


@given(happenings)
def test_every_occurrence_is_in_one_alert_or_still_held_back(steps: list[tuple[int, int]]) -> None:
    """Whatever the clock does."""
    now, window, told = 0, None, 0
    for seconds, occurrences in steps:
        now += seconds
        decision = decide(window, now, EVERY, occurrences)
        window = decision.window
        if decision.send:
            told += occurrences + decision.held_back
    held_back = window.held_back if window is not None else 0
    assert told + held_back == sum(occurrences for _, occurrences in steps)


@given(st.lists(st.integers(0, 60), max_size=40))
def test_no_two_alerts_of_a_place_are_closer_than_the_interval(steps: list[int]) -> None:
    now, window, sent = 0, None, []
    for seconds in steps:
        now += seconds
        decision = decide(window, now, EVERY)
        window = decision.window
        if decision.send:
            sent.append(now)
    assert all(later - earlier >= EVERY for earlier, later in pairwise(sent))


def test_a_place_that_has_fallen_silent_gets_a_last_word() -> None:
    """Once the interval is over, and only where something was kept back."""
    assert last_word(Window(0, 3), 99, EVERY) is None
    assert last_word(Window(0, 3), 100, EVERY) == Decision(True, 3, Window(0))
    assert last_word(Window(0), 100, EVERY) is None
    assert last_word(Window(0, 3), 1, 0) == Decision(True, 3, Window(0)), "at the end nothing is waited for"

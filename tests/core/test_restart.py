"""Restart intensity against a model that keeps every failure for ever."""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.restart import Beyond, FailureHistory, GiveUp, Intensity, Restart


class RestartModel(RuleBasedStateMachine):
    """A child that fails at random times; times are whole, so that the model's sums are exact."""

    @initialize(
        most=st.integers(0, 6),
        window=st.integers(1, 30),
        beyond=st.sampled_from(Beyond),
        seed=st.integers(0, 1000),
    )
    def begin(self, most: int, window: int, beyond: Beyond, seed: int) -> None:
        self.intensity = Intensity(most, float(window), beyond, delay_seconds=0.5, max_delay_seconds=3.0)
        self.random = Random(seed)
        self.now = 1000
        self.history = FailureHistory()
        self.failures: list[int] = []
        self.restarts: list[int] = []

    @rule(seconds=st.integers(0, 12))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def fails(self) -> None:
        self.history, decision = self.history.decide(self.intensity, float(self.now), self.random)
        before = self.within_window(self.failures)
        self.failures.append(self.now)
        if before + 1 > self.intensity.max_restarts:
            assert decision == GiveUp(self.intensity.beyond)
            return
        assert isinstance(decision, Restart)
        ceiling = min(3.0, 0.5 * 2**before)
        assert ceiling / 2 <= decision.delay_seconds <= ceiling
        self.restarts.append(self.now)

    @invariant()
    def never_restarts_more_often_than_its_intensity(self) -> None:
        assert self.within_window(self.restarts) <= self.intensity.max_restarts

    @invariant()
    def remembers_no_more_than_what_counts(self) -> None:
        if self.failures:
            last = self.failures[-1]
            window = self.intensity.window_seconds
            assert self.history.times == tuple(time for time in self.failures if last - time < window)

    def within_window(self, times: list[int]) -> int:
        """Count those that are younger than the window now."""
        return sum(self.now - time < self.intensity.window_seconds for time in times)


TestRestartModel = pytest.mark.slow(RestartModel.TestCase)
TestRestartModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_it_gives_up_at_the_first_failure_beyond_the_intensity() -> None:
    history, intensity = FailureHistory(), Intensity(5, 30.0, Beyond.PARK)
    decisions = []
    for second in range(6):
        history, decision = history.decide(intensity, float(second), Random(1))
        decisions.append(decision)
    assert all(isinstance(decision, Restart) for decision in decisions[:5])
    assert decisions[5] == GiveUp(Beyond.PARK)


def test_a_failure_counts_for_exactly_the_window() -> None:
    intensity = Intensity(1, 30.0, Beyond.ESCALATE)
    history, _ = FailureHistory().decide(intensity, 0.0, Random(1))
    assert isinstance(history.decide(intensity, 29.999, Random(1))[1], GiveUp)
    assert isinstance(history.decide(intensity, 30.0, Random(1))[1], Restart)


@pytest.mark.parametrize("beyond", Beyond)
def test_without_restarts_the_first_failure_is_the_last(beyond: Beyond) -> None:
    _, decision = FailureHistory().decide(Intensity(0, 30.0, beyond), 0.0, Random(1))
    assert decision == GiveUp(beyond)


def test_the_delay_doubles_and_stays_below_its_ceiling_however_many_failures_count() -> None:
    """Also with more failures than a power of two could carry."""
    history, intensity = FailureHistory(), Intensity(5000, 1e6, Beyond.ESCALATE)
    delays = []
    for i in range(1200):
        history, decision = history.decide(intensity, i / 10, Random(i))
        assert isinstance(decision, Restart)
        delays.append(decision.delay_seconds)
    assert 0.05 <= delays[0] <= 0.1
    assert 0.1 <= delays[1] <= 0.2
    assert all(2.5 <= delay <= 5.0 for delay in delays[6:])


def test_children_that_fail_together_are_not_restarted_together() -> None:
    intensity = Intensity(5, 30.0, Beyond.PARK)
    decisions = [FailureHistory().decide(intensity, 0.0, Random(seed))[1] for seed in range(50)]
    assert len({decision.delay_seconds for decision in decisions if isinstance(decision, Restart)}) == 50

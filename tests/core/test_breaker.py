"""The circuit breaker against a model in plain words."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.breaker import Breaker, BreakerState


class BreakerModel(RuleBasedStateMachine):
    """Asks whenever it is allowed to, and has the store fail or answer at random."""

    @initialize(threshold=st.integers(1, 6), cooldown=st.integers(0, 60))
    def begin(self, threshold: int, cooldown: int) -> None:
        self.threshold, self.cooldown = threshold, cooldown
        self.now = 100.0
        self.breaker = Breaker(threshold, float(cooldown))
        self.in_a_row = 0
        self.blocked_until: float | None = None
        """When the next probe may go out; None while the store counts as well."""

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def wait_as_told(self) -> None:
        """A wait of the length that it gives is enough, and any shorter one is not."""
        wait = self.breaker.wait_seconds(self.now)
        if wait > 0.0:
            assert not self.breaker.allows(self.now + wait / 2)
        self.now += wait
        assert self.breaker.allows(self.now)

    @precondition(lambda self: self.breaker.allows(self.now))
    @rule()
    def the_store_answers(self) -> None:
        self.breaker = self.breaker.asked().succeeded()
        self.in_a_row, self.blocked_until = 0, None
        assert self.breaker == Breaker(self.threshold, float(self.cooldown), opened_at=self.breaker.opened_at)

    @precondition(lambda self: self.breaker.allows(self.now))
    @rule()
    def the_store_fails(self) -> None:
        probe = self.blocked_until is not None
        self.breaker = self.breaker.asked()
        assert (self.breaker.state is BreakerState.HALF_OPEN) == probe
        self.breaker = self.breaker.failed(self.now)
        self.in_a_row += 1
        if probe or self.in_a_row >= self.threshold:
            self.blocked_until = self.now + self.cooldown

    @invariant()
    def is_open_exactly_while_the_model_is(self) -> None:
        open_now = self.blocked_until is not None
        assert (self.breaker.state is BreakerState.OPEN) == open_now
        assert self.breaker.failures == self.in_a_row

    @invariant()
    def allows_exactly_what_the_model_does(self) -> None:
        allowed = self.blocked_until is None or self.now >= self.blocked_until
        assert self.breaker.allows(self.now) == allowed
        assert (self.breaker.wait_seconds(self.now) == 0.0) == allowed


TestBreakerModel = pytest.mark.slow(BreakerModel.TestCase)
TestBreakerModel.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_the_fifth_failure_in_a_row_opens_it_for_half_a_minute() -> None:
    """The defaults that the configuration documents."""
    breaker = Breaker()
    for now in range(4):
        breaker = breaker.asked().failed(float(now))
    assert breaker.state is BreakerState.CLOSED
    breaker = breaker.asked().failed(10.0)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.allows(39.9)
    assert breaker.wait_seconds(15.0) == 25.0
    assert breaker.allows(40.0)


def test_a_failed_probe_opens_it_anew_from_then_on() -> None:
    breaker = Breaker(failure_threshold=3, cooldown_seconds=10.0, state=BreakerState.OPEN, opened_at=0.0)
    breaker = breaker.asked()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker = breaker.failed(25.0)
    assert (breaker.state, breaker.allows(34.0), breaker.allows(35.0)) == (BreakerState.OPEN, False, True)


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker(failure_threshold=2)
    for now in range(10):
        breaker = breaker.asked().failed(float(now)).succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_the_states_have_the_words_that_the_operator_sees() -> None:
    assert [state.value for state in BreakerState] == ["closed", "open", "half-open"]

"""A child's life against a small model: which ends count, what follows, and that none is counted twice."""

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.children import ALIVE, Over, Phase, RestartType, Standing
from core.restart import Beyond, GiveUp, Intensity, Restart

ENDS = st.booleans()


class Life(RuleBasedStateMachine):
    """Plays starts, reports and ends in any order, and keeps count with a list and a few flags."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = Standing()
        self.now = 0.0
        self.random = Random(0)
        self.counted: list[float] = []
        self.phase = "new"
        self.parked = False
        self.restarts = 0

    @initialize(
        restart=st.sampled_from(RestartType),
        beyond=st.sampled_from(Beyond),
        most=st.integers(0, 4),
        window=st.floats(1.0, 50.0),
    )
    def is_specified(self, restart: RestartType, beyond: Beyond, most: int, window: float) -> None:
        self.restart = restart
        self.intensity = Intensity(most, window, beyond)

    @rule(seconds=st.floats(0.0, 40.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.phase in ("new", "restarting"))
    @rule()
    def is_started(self) -> None:
        self.restarts += self.phase == "restarting"
        self.standing = self.standing.begun()
        self.phase = "starting"

    @rule()
    def says_started(self) -> None:
        self.standing = self.standing.started()
        if self.phase == "starting":
            self.phase = "parked" if self.parked else "running"

    @rule(phase=st.sampled_from([Phase.DRAINED, Phase.ENDED]))
    def is_closed(self, phase: Phase) -> None:
        self.standing = self.standing.closed(phase)
        self.phase = phase.value

    @rule(normal=ENDS)
    def ends(self, normal: bool) -> None:
        before = self.standing
        self.standing, verdict = before.ended(
            self.restart, self.intensity, self.now, self.random, normal=normal
        )
        if self.phase not in ("starting", "running", "parked"):
            assert verdict is Over.ALREADY
            assert self.standing == before
        elif self.restart is RestartType.TEMPORARY or (normal and self.restart is RestartType.TRANSIENT):
            assert verdict is Over.FOR_GOOD
            self.phase = "ended" if normal else "failed"
        else:
            self._counts(verdict)

    def _counts(self, verdict: object) -> None:
        window = self.intensity.window_seconds
        self.counted = [*(time for time in self.counted if self.now - time < window), self.now]
        if len(self.counted) <= self.intensity.max_restarts:
            assert isinstance(verdict, Restart)
            assert 0 < verdict.delay_seconds <= self.intensity.max_delay_seconds
            self.phase = "restarting"
        elif self.intensity.beyond is Beyond.PARK and not self.parked:
            assert verdict == GiveUp(Beyond.PARK)
            # The stand-in has an intensity of its own.
            self.phase, self.parked, self.counted = "starting", True, []
        else:
            assert verdict == GiveUp(Beyond.ESCALATE)
            self.phase = "failed"

    @invariant()
    def agrees(self) -> None:
        assert self.standing.phase == self.phase
        assert self.standing.parked == self.parked
        assert self.standing.restarts == self.restarts


TestLife = Life.TestCase


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in ALIVE])
@pytest.mark.parametrize("restart", RestartType)
def test_an_end_is_told_twice_and_counts_once(phase: Phase, restart: RestartType) -> None:
    """A thread that hung and then fails, or two reports of one crash, are one failure."""
    standing = Standing(phase)
    assert standing.ended(restart, Intensity(5, 30.0, Beyond.ESCALATE), 1.0, Random(0)) == (
        standing,
        Over.ALREADY,
    )

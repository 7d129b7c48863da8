"""Every situation that a writer can be in, and every story that can follow from it."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.persisting import Situation, Step, next_step

BOOLEANS = (False, True)
ALL = [Situation(rows, *flags) for rows in (0, 3) for flags in product(BOOLEANS, repeat=7)]


def test_every_situation_is_looked_at() -> None:
    assert len(ALL) == 2**8


def test_the_order_is_kept() -> None:
    """Nothing passes a batch that is sealed, and nothing passes the spool."""
    for now in ALL:
        step = next_step(now)
        if step is Step.WRITE_SEALED:
            assert now.sealed
            assert not now.spooled
        if step in (Step.SEAL, Step.WRITE_SPOOLED, Step.DRAINED, Step.IDLE):
            assert not now.sealed
        if step is Step.WRITE_SPOOLED:
            assert now.spooled


def test_the_store_is_asked_only_when_it_may_be() -> None:
    """Not while the breaker is open, a retry waits its turn, or the writer gave the store up."""
    for now in ALL:
        if next_step(now) in (Step.WRITE_SEALED, Step.WRITE_SPOOLED):
            assert now.allowed
            assert not now.retrying
            assert not now.spool_only


def test_whoever_has_work_and_no_timer_does_not_idle() -> None:
    """Rows that are not due have the flush timer; a spool that is not to be written keeps its rows."""
    for now in ALL:
        if next_step(now) is Step.IDLE:
            assert not now.sealed
            assert not (now.open_rows and now.due)
            assert not now.draining
            assert not now.spooled or now.spool_only


def test_whoever_waits_has_a_timer() -> None:
    """Of a retry, or of the breaker's probe."""
    for now in ALL:
        if next_step(now) is Step.WAIT:
            assert now.retrying or not now.allowed


def test_a_drained_writer_holds_nothing_but_its_spool() -> None:
    for now in ALL:
        if next_step(now) is Step.DRAINED:
            assert now.draining
            assert not now.sealed
            assert not now.open_rows


def test_no_step_is_taken_with_nothing_to_do_it_to() -> None:
    for now in ALL:
        needed = {
            Step.SEAL: bool(now.open_rows),
            Step.WRITE_SEALED: now.sealed,
            Step.SPOOL_SEALED: now.sealed,
            Step.WRITE_SPOOLED: now.spooled,
        }
        assert needed.get(next_step(now), True)


def after(now: Situation, step: Step, answers: bool) -> Situation:
    """Give what a step, or the end of a wait, leaves behind; `answers` tells how the store is."""
    draining_failed = now.draining and not answers
    match step:
        case Step.SEAL:
            return replace(now, open_rows=0, due=False, sealed=True)
        case Step.SPOOL_SEALED:
            return replace(now, sealed=False, spooled=True)
        case Step.WRITE_SEALED if answers:
            return replace(now, sealed=False)
        case Step.WRITE_SPOOLED if answers:
            return replace(now, spooled=False)
        case Step.WRITE_SEALED | Step.WRITE_SPOOLED:
            return replace(now, retrying=not now.draining, spool_only=now.spool_only or draining_failed)
        case _:
            return replace(now, retrying=False, allowed=True)


@pytest.mark.slow
@given(st.sampled_from(ALL), st.lists(st.booleans(), min_size=8, max_size=8))
def test_draining_always_ends(now: Situation, answers: list[bool]) -> None:
    """Within a handful of steps, however the store behaves."""
    now = replace(now, draining=True, retrying=False)
    for answer in answers:
        step = next_step(now)
        if step is Step.DRAINED:
            return
        assert step is not Step.IDLE
        now = after(now, step, answer)
    raise AssertionError(f"still not drained: {now}")


def test_a_store_that_answers_gets_everything_in_the_end() -> None:
    for now in [each for each in ALL if not each.draining and not each.spool_only]:
        now = replace(now, due=bool(now.open_rows))
        for _ in range(10):
            step = next_step(now)
            if step is Step.IDLE:
                break
            now = after(now, step, answers=True)
        assert (now.open_rows, now.sealed, now.spooled) == (0, False, False)


def test_a_batch_goes_behind_the_spool_even_while_the_store_answers() -> None:
    now = Situation(3, True, True, True, True, False, False, False)
    assert next_step(now) is Step.SPOOL_SEALED

"""The memory of recent validated ticks against a plain list that keeps everything."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.recent import BLOCK_BYTES, TAIL, TickHistory
from core.records import OK, REJECT, WARN, ScoredBlock, freeze
from tests.core.reference import block_of, scored, trade

AMPLE = 1 << 40


def numbered(start: int, verdicts: Sequence[int], line: str = "demo/0/A") -> ScoredBlock:
    """Give a block whose prices count on from `start`."""
    return scored(block_of([trade(float(start + at)) for at in range(len(verdicts))], line), verdicts)


def prices(blocks: tuple[ScoredBlock, ...]) -> list[float]:
    return [price for block in blocks for price in block.ticks.price.tolist()]


def add(history: TickHistory, block: ScoredBlock) -> TickHistory:
    """Append a block, telling how many of its ticks were rejected."""
    return history.append(block, int(np.count_nonzero(block.scores.verdict == REJECT)))


def filled(history: TickHistory, lengths: Sequence[int]) -> TickHistory:
    start = 0
    for length in lengths:
        history = add(history, numbered(start, [OK] * length))
        start += length
    return history


verdict_lists = st.lists(st.sampled_from([OK, OK, WARN, REJECT]), min_size=1, max_size=90)
lines = st.sampled_from(["demo/0/A", "demo/0/B"])


@given(st.lists(st.tuples(verdict_lists, lines), max_size=30), st.integers(1, 300), st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_the_newest_accepted_ticks_come_oldest_first(
    appended: list[tuple[list[int], str]], limit: int, n: int
) -> None:
    history, accepted, start = TickHistory(limit, AMPLE), [], 0
    for verdicts, line in appended:
        history = add(history, numbered(start, verdicts, line))
        accepted += [(float(start + at), line) for at, verdict in enumerate(verdicts) if verdict != REJECT]
        start += len(verdicts)
    wanted = min(n, limit)
    told = [(price, block.ticks.line) for block in history.last(n) for price in block.ticks.price.tolist()]
    assert told == (accepted[-wanted:] if wanted else [])


@given(st.lists(st.integers(1, 200), max_size=60), st.integers(0, 300_000), st.integers(1, 500))
@settings(max_examples=40, deadline=None)
def test_neither_bound_is_ever_exceeded(lengths: list[int], limit_bytes: int, limit_ticks: int) -> None:
    history = TickHistory(limit_ticks, limit_bytes)
    for length in lengths:
        history = add(history, numbered(0, [OK] * length))
        held = (*history.chunks, *history.tail)
        assert history.ticks == sum(map(len, held))
        assert history.nbytes == sum(BLOCK_BYTES + block.nbytes for block in held) <= limit_bytes
        assert history.ticks < limit_ticks + max(TAIL, limit_ticks // 8) + TAIL + (
            length if history.tail else 0
        )


@given(st.integers(1, 300), st.integers(0, 300_000))
@settings(max_examples=40, deadline=None)
def test_a_share_that_shrinks_drops_the_oldest(limit_ticks: int, limit_bytes: int) -> None:
    history = filled(TickHistory(10_000, AMPLE), [50] * 20).bounded(limit_ticks, limit_bytes)
    assert history.nbytes <= limit_bytes
    left = prices(history.last(1000))
    assert left == [float(price) for price in range(1000)][1000 - len(left) :]
    assert len(left) <= limit_ticks


def test_an_older_value_is_not_changed_by_appending() -> None:
    before = filled(TickHistory(100, AMPLE), [1] * (TAIL - 1))
    after = add(before, numbered(TAIL - 1, [OK]))
    assert prices(before.last(100)) == [float(price) for price in range(TAIL - 1)]
    assert prices(after.last(100)) == [float(price) for price in range(TAIL)]


def test_many_small_blocks_are_few_chunks() -> None:
    history = filled(TickHistory(10_000, AMPLE), [1] * 1000)
    assert len(history.chunks) + len(history.tail) < 1000 // TAIL + TAIL
    assert history.ticks == 1000


def test_chunks_stay_large_where_memory_is_short() -> None:
    history = filled(TickHistory(10_000, 200_000), [1] * 1000)
    assert history.ticks > 300
    assert all(len(chunk) >= TAIL for chunk in history.chunks[:-1])


def test_a_block_beyond_the_bound_leaves_its_newest_ticks() -> None:
    history = filled(TickHistory(100, AMPLE), [1000])
    assert prices(history.last(1000)) == [float(price) for price in range(900, 1000)]
    assert history.ticks < 200


def test_what_is_kept_owns_its_memory_and_is_read_only() -> None:
    large = numbered(0, [OK] * 5000)
    history = add(TickHistory(16 * 100, AMPLE), large.slice(0, 100))
    (kept,) = history.last(100)
    for column in (kept.ticks.price, kept.ticks.venue_id, kept.scores.z):
        assert column.base is None
        assert not column.flags.writeable


def test_ids_of_both_types_are_kept_as_they_are() -> None:
    text = freeze(np.array(["a", None], object))
    history = add(TickHistory(100, AMPLE), numbered(0, [OK, OK]))
    history = add(history, scored(block_of([trade(2.0), trade(3.0)], venue_id=text), [OK, OK]))
    history = add(history, numbered(4, [OK] * TAIL))
    ids = [each for block in history.last(TAIL + 4) for each in block.ticks.venue_id.tolist()]
    assert ids[:5] == [0, 1, "a", None, 0]


@pytest.mark.parametrize("n", [0, -1])
def test_nothing_is_given_where_nothing_is_asked_for(n: int) -> None:
    assert filled(TickHistory(100, AMPLE), [3]).last(n) == ()


def test_a_block_of_rejects_only_leaves_the_history_as_it_is() -> None:
    history = filled(TickHistory(100, AMPLE), [3])
    assert add(history, numbered(3, [REJECT, REJECT])) is history


@given(st.lists(verdict_lists, max_size=20), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_refused_ticks_have_a_history_of_their_own(appended: list[list[int]], limit: int) -> None:
    history, refused, start = TickHistory(limit, AMPLE), [], 0
    for verdicts in appended:
        history = history.append_refused(numbered(start, verdicts), verdicts.count(REJECT))
        refused += [float(start + at) for at, verdict in enumerate(verdicts) if verdict == REJECT]
        start += len(verdicts)
    assert prices(history.last(limit)) == refused[-limit:]

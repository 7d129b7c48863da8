"""What is remembered of a feed, with a memory of a few identities instead of 65,536."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import memory
from core.memory import REMEMBERED, FeedMemory, Stream

SMALL = 4
STREAM: Stream = ("A", "trades")
IDS = st.lists(st.integers(0, 9), max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=8)


@pytest.fixture(autouse=True, scope="module")
def remember_little() -> Iterator[None]:
    """Forget soon, so that short lists of identities show it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "REMEMBERED", SMALL)
        yield


def pieces(ids: Sequence[int], cuts: Sequence[int]) -> list[Sequence[int]]:
    """Cut a list at these places."""
    bounds = [0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]
    return [ids[start:stop] for start, stop in pairwise(bounds)]


def answers(feed: FeedMemory, ids: Sequence[int], cuts: Sequence[int] = ()) -> list[bool]:
    """Ask of each identity whether it is a duplicate, learning at the cuts and at the end."""
    told = []
    for piece in pieces(ids, cuts):
        lesson = feed.lesson(STREAM)
        told += [lesson.is_duplicate(identity) for identity in piece]
        feed.learn({STREAM: lesson})
    return told


def model(ids: Sequence[int]) -> list[bool]:
    """The last few identities that were new, as a list."""
    new: list[int] = []
    told = []
    for identity in ids:
        told.append(identity in new[-SMALL:])
        if not told[-1]:
            new.append(identity)
    return told


@pytest.mark.slow
@given(IDS, CUTS)
def test_exactly_the_last_new_identities_are_remembered_wherever_blocks_are_cut(
    ids: list[int], cuts: list[int]
) -> None:
    assert answers(FeedMemory(), ids, cuts) == model(ids)


@pytest.mark.slow
@given(IDS, CUTS)
def test_the_memory_stays_small(ids: list[int], cuts: list[int]) -> None:
    """Identities that came again after they were forgotten must not be kept for ever."""
    feed = FeedMemory()
    answers(feed, ids, cuts)
    answers(feed, range(100, 100 + 2 * SMALL))
    kept = feed.lesson(STREAM).base
    assert kept.odd == {}
    assert len(kept.odd_order) <= SMALL
    assert len(kept.ascending) <= SMALL


@pytest.mark.slow
@given(IDS, CUTS, st.data())
def test_ids_taken_as_a_run_are_remembered_as_those_told_one_by_one(
    ids: list[int], cuts: list[int], data: st.DataObject
) -> None:
    feed = FeedMemory()
    told: list[bool] = []
    for piece in pieces(ids, cuts):
        lesson = feed.lesson(STREAM)
        for identity in piece:
            told.append(lesson.is_duplicate(identity))
            if data.draw(st.booleans()):
                first = (lesson.highest or 0) + data.draw(st.integers(1, 3))
                run = np.arange(first, first + data.draw(st.integers(1, SMALL + 2)))
                lesson.take(run)
                told += [False] * len(run)
                ids = [*ids[: len(told) - len(run)], *run.tolist(), *ids[len(told) - len(run) :]]
        feed.learn({STREAM: lesson})
    assert told == model(ids)


def plain(feed: FeedMemory) -> list[tuple[Any, ...]]:
    """Give what is exported as values that compare."""
    return [
        (told.symbol, told.channel, list(told.identities), told.next_ordinal, told.last_seq)
        for told in feed.export()
    ]


@pytest.mark.slow
@given(IDS, CUTS, IDS)
def test_what_was_exported_is_restored(ids: list[int], cuts: list[int], more: list[int]) -> None:
    """Through the identities alone, oldest first."""
    feed = FeedMemory()
    answers(feed, ids, cuts)
    again = FeedMemory()
    for stream in feed.export():
        assert len(stream.identities) == min(SMALL, stream.next_ordinal)
        again.restore(stream)
    assert plain(again) == plain(feed)
    assert answers(again, more) == model([*ids, *more])[len(ids) :]


def test_only_some_symbols_are_exported_where_they_are_named() -> None:
    feed = FeedMemory()
    answers(feed, [1])
    assert [stream.symbol for stream in feed.export({"A"})] == ["A"]
    assert not list(feed.export({"B"}))


@pytest.mark.slow
@given(IDS, IDS)
def test_learning_twice_changes_nothing(first: list[int], second: list[int]) -> None:
    feed = FeedMemory()
    lesson = feed.lesson(STREAM)
    told = [lesson.is_duplicate(identity) for identity in first]
    lesson.missing_before(7)
    feed.learn({STREAM: lesson})
    once = deepcopy(feed.lesson(STREAM).base)
    feed.learn({STREAM: lesson})
    assert feed.lesson(STREAM).base == once
    assert [*told, *answers(feed, second)] == model([*first, *second])
    assert feed.lesson(STREAM).last_seq == 7


@pytest.mark.slow
@given(IDS, IDS)
def test_what_a_crash_kept_from_being_learned_was_never_seen(first: list[int], lost: list[int]) -> None:
    feed = FeedMemory()
    answers(feed, first)
    lesson = feed.lesson(STREAM)
    for identity in lost:
        lesson.is_duplicate(identity)
        lesson.missing_before(identity)
    assert answers(feed, lost) == model([*first, *lost])[len(first) :]
    assert feed.lesson(STREAM).last_seq is None


def test_streams_do_not_know_of_each_other() -> None:
    feed = FeedMemory()
    answers(feed, [1, 2])
    other = feed.lesson(("A", "quotes"))
    assert not other.is_duplicate(1)
    assert other.last_seq is None


def test_numbers_and_text_are_different_identities() -> None:
    lesson = FeedMemory().lesson(STREAM)
    assert [lesson.is_duplicate(identity) for identity in (5, "5", "5", 5)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("ids", "holes"),
    [
        ([1, 2, 3], []),
        ([5], []),
        ([1, 3], [(2, 2)]),
        ([1, 5, 6, 8], [(2, 4), (7, 7)]),
        ([10, 9, 8, 11], []),
        ([10, 10, 11], []),
        ([10, 13, 11, 12, 14], [(11, 12)]),
        ([100, 1, 2, 4], [(3, 3)]),
        ([100, 97, 101], []),
        ([100, 96, 97], []),
        ([-3, 0], [(-2, -1)]),
    ],
)
def test_a_hole_in_the_ids_is_told_once_and_late_ones_and_new_counts_are_not_holes(
    ids: list[int], holes: list[tuple[int, int]]
) -> None:
    """An id far behind the last begins a new count; one a little behind came late."""
    no_cuts: Sequence[int] = ()
    for cuts in (no_cuts, range(len(ids))):
        feed = FeedMemory()
        found = []
        for piece in pieces(ids, cuts):
            lesson = feed.lesson(STREAM)
            found += [lesson.missing_before(seq) for seq in piece]
            feed.learn({STREAM: lesson})
        assert [hole for hole in found if hole] == holes


@pytest.mark.slow
def test_65536_identities_are_remembered() -> None:
    """The number that the documentation promises, without the small memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "REMEMBERED", REMEMBERED)
        assert REMEMBERED == 65_536
        feed = FeedMemory()
        assert not any(answers(feed, range(65_536), [1000, 30_000]))
        assert answers(feed, [0, 65_535]) == [True, True]
        assert answers(feed, [65_536, 1, 0]) == [False, True, False]
        assert answers(feed, [1, 2]) == [False, False]


def test_a_symbol_that_is_forgotten_is_as_new() -> None:
    feed = FeedMemory()
    for symbol in "AB":
        lesson = feed.lesson((symbol, "trades"))
        lesson.is_duplicate(1)
        feed.learn({(symbol, "trades"): lesson})
    feed.forget(frozenset("A"))
    feed.forget(frozenset("A"))
    assert [stream.symbol for stream in feed.export()] == ["B"]
    assert not feed.lesson(("A", "trades")).is_duplicate(1)
    assert feed.lesson(("B", "trades")).is_duplicate(1)

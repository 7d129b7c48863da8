"""Parts of batches, and whose rows they hold."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import REJECT
from stores.parts import Part, cut_runs, joined_runs, runs_of, scored_runs, tally
from stores.rows import malformed_rows, scored_rows
from stores.store import BatchId
from tests.stores.making import block, malformed, part

feeds = st.lists(st.sampled_from(["a", "b", ""]), max_size=12)


def spread(runs: tuple[tuple[str, int], ...]) -> list[str]:
    return [feed for feed, count in runs for _ in range(count)]


@settings(deadline=None)
@given(feeds)
def test_runs_say_whose_each_row_is(names: list[str]) -> None:
    runs = runs_of(names)
    assert spread(runs) == names
    assert all(count > 0 for _, count in runs)
    assert all(left[0] != right[0] for left, right in pairwise(runs))
    assert tally(runs) == {name: names.count(name) for name in set(names)}


@settings(deadline=None)
@given(feeds, st.integers(0, 15))
def test_runs_are_cut_where_the_rows_are(names: list[str], rows: int) -> None:
    head, tail = cut_runs(runs_of(names), rows)
    assert spread(head) == names[:rows]
    assert spread(tail) == names[rows:]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3)), max_size=6))
def test_joining_runs_changes_no_row(runs: list[tuple[str, int]]) -> None:
    assert spread(joined_runs(runs)) == spread(tuple(runs))


@pytest.mark.parametrize("rows", [2, 3, 4, 7])
def test_halves_hold_all_rows_in_order_under_the_new_ids(rows: int) -> None:
    names = ["a", "b", "a", "a", "c", "a", "b"][:rows]
    whole = part(rows, feeds=names)
    first, second = whole.split(BatchId(1, 8), BatchId(1, 9))
    assert (first.batch, second.batch) == (BatchId(1, 8), BatchId(1, 9))
    assert len(first) - len(second) in (0, 1)
    assert first.rows.to_pylist() + second.rows.to_pylist() == whole.rows.to_pylist()
    assert spread(first.runs) + spread(second.runs) == names


def test_one_row_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="cannot be halved"):
        part(1).split(BatchId(1, 1), BatchId(1, 2))


def test_runs_must_add_up() -> None:
    with pytest.raises(ValueError, match="do not add up to 3 rows"):
        Part("ticks", part(3).rows, BatchId(1, 0), (("a", 2),))


def test_rejects_are_counted_by_feed_and_reason() -> None:
    blocks = [
        block(3, feed="a", verdict=[0, REJECT, REJECT], reason=[0, 1, 2]),
        block(2, feed="b", verdict=[REJECT, 0], reason=[2, 0]),
    ]
    accepted, refused = scored_runs(blocks)
    ticks, rejects = scored_rows(blocks)
    assert accepted == (("a", 1), ("b", 1))
    taken = Part("rejects", rejects, BatchId(1, 0), refused)
    assert taken.tally() == {"a": 2, "b": 1}
    assert taken.reasons() == {"a": {"crossed_market": 1, "critical_z": 1}, "b": {"critical_z": 1}}
    assert Part("ticks", ticks, BatchId(1, 0), accepted).reasons() == {}
    undecoded = Part("rejects", malformed_rows([malformed()]), BatchId(1, 0), (("spot", 1),))
    assert undecoded.reasons() == {"spot": {"bad_type": 1}}

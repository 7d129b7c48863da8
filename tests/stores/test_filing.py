"""Records into parts, parts into pieces, and what they count for."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger import Counts, total
from core.records import CRITICAL_Z, CROSSED_MARKET, OK, RAW_LIMIT, REJECT, ScoredBlock
from stores.filing import chosen, committed, counted, file_batch, letter_of, piece
from stores.parts import Part
from stores.store import BatchId
from tests.stores.making import alert, block, dead_letter, gap, malformed
from tests.stores.making import part as make_part

BATCH = BatchId(1, 64)


def rejects(*reasons: int, feed: str = "spot") -> ScoredBlock:
    """Make a block of refused ticks, with an accepted one behind each."""
    n = len(reasons)
    return block(
        2 * n,
        feed=feed,
        verdict=[REJECT, OK] * n,
        reason=[each for reason in reasons for each in (reason, 0)],
    )


def whole() -> tuple[Part, ...]:
    """File one batch of everything."""
    return file_batch(
        BATCH,
        [block(3, feed="a"), rejects(CRITICAL_Z, CROSSED_MARKET, feed="b"), block(1, feed="a")],
        [malformed(feed="a"), malformed(feed="b", reason="bad_price")],
        [gap(feed="b")],
        [alert(), alert()],
        [dead_letter(feed="a")],
    )


def test_ticks_come_first_and_every_table_has_its_share() -> None:
    parts = whole()
    assert [(part.table, len(part), part.runs) for part in parts] == [
        ("ticks", 6, (("a", 3), ("b", 2), ("a", 1))),
        ("rejects", 4, (("b", 2), ("a", 1), ("b", 1))),
        ("gaps", 1, (("b", 1),)),
        ("dead_letters", 1, (("a", 1),)),
        ("alerts", 2, (("", 2),)),
    ]
    assert all(part.batch == BATCH for part in parts)


def test_tables_without_a_row_have_no_part() -> None:
    assert file_batch(BATCH, (), (), (), (), ()) == ()
    assert [part.table for part in file_batch(BATCH, (), (), [gap()], (), ())] == ["gaps"]


def test_a_commit_counts_as_stored_or_as_rejected_with_its_reason() -> None:
    ticks, refused, *others = whole()
    assert committed(ticks) == {("a", "stored"): 4, ("b", "stored"): 2}
    assert committed(refused) == {
        ("b", "rejected.critical_z"): 1, ("b", "rejected.crossed_market"): 1,
        ("a", "rejected.bad_type"): 1, ("b", "rejected.bad_price"): 1,
    }  # fmt: skip
    assert [committed(part) for part in others] == [{}, {}, {}]


def test_only_records_count_under_a_name() -> None:
    ticks, refused, *others = whole()
    assert counted(ticks, "spooled") == {("a", "spooled"): 4, ("b", "spooled"): 2}
    assert counted(refused, "spooled") == {("a", "spooled"): 1, ("b", "spooled"): 3}
    assert [counted(part, "spooled") for part in others] == [{}, {}, {}]


parts_of_feeds = st.lists(st.sampled_from("abc"), min_size=1, max_size=12).map(
    lambda feeds: make_part(len(feeds), 5, feeds)
)


def rows(part: Part) -> list[tuple[str, Any]]:
    """Give each row's feed and frame."""
    feeds = [feed for feed, n in part.runs for _ in range(n)]
    return list(zip(feeds, part.rows["frame"].to_pylist(), strict=True))


@pytest.mark.slow
@given(parts_of_feeds, st.data())
def test_pieces_together_are_the_part(part: Part, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(part)))
    stop = draw.draw(st.integers(start, len(part)))
    cut = [piece(part, 0, start), piece(part, start, stop), piece(part, stop, len(part))]
    assert [row for each in cut for row in rows(each)] == rows(part)
    assert [len(each) for each in cut] == [start, stop - start, len(part) - stop]
    assert total(committed(each) for each in cut) == committed(part)
    assert {(each.table, each.batch) for each in cut} == {("ticks", part.batch)}


@pytest.mark.slow
@given(parts_of_feeds, st.data())
def test_a_mask_divides_a_part_in_two(part: Part, draw: st.DataObject) -> None:
    keep = np.array(draw.draw(st.lists(st.booleans(), min_size=len(part), max_size=len(part))))
    kept, left = chosen(part, keep), chosen(part, ~keep)
    assert rows(kept) == [row for row, kept_ in zip(rows(part), keep, strict=True) if kept_]
    assert sorted(rows(kept) + rows(left), key=lambda row: row[1]) == rows(part)
    both: Counts = total([committed(kept), committed(left)])
    assert both == committed(part)


def test_a_refused_row_becomes_a_dead_letter_that_says_all() -> None:
    row = make_part(1, feeds=["a"], price=2.5, symbol="S", frame=9)
    letter = letter_of(row, "writer/s", "too long")
    assert (letter.feed, letter.symbol, letter.actor, letter.error) == ("a", "S", "writer/s", "too long")
    assert (letter.session, letter.line, letter.frame, letter.item) == (1, "spot/0/A", 9, 0)
    told = json.loads(letter.raw)
    assert (told["price"], told["symbol"], told["verdict"]) == (2.5, "S", "ok")
    assert "z" not in told


@pytest.mark.parametrize("size", [0, 100, RAW_LIMIT])
def test_the_letter_of_a_row_with_raw_bytes_is_bounded(size: int) -> None:
    (part,) = file_batch(BATCH, (), [malformed(raw=b"\xff" * size)], (), (), ())
    letter = letter_of(part, "writer/s", "refused")
    assert (letter.symbol, letter.frame) == (None, 7)
    assert 0 < len(letter.raw) <= RAW_LIMIT

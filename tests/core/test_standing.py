"""How a symbol stands after its blocks."""

from collections.abc import Sequence
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.columns import Row, block_of
from core.records import OK, REJECT, TRADE, WARN, Scores, TickBlock
from core.standing import PENDING, Standing

Tick = tuple[float, float, float, float, int]
"""price, bid, ask, any score, verdict."""
values = st.sampled_from([nan, nan, 0.0, 1.0, 2.0, 3.0])
ticks = st.tuples(values, values, values, values, st.sampled_from([OK, WARN, REJECT]))
SCORES = ("spread_mean", "vwap", "momentum", "z")


def scored(rows: Sequence[Tick]) -> tuple[TickBlock, Scores]:
    """Make a block and its scores; all scores of a tick are the same."""
    trades: list[Row] = [
        (TRADE, 1, 1, price, nan, 0, bid, nan, ask, nan, None, i, 0)
        for i, (price, bid, ask, *_) in enumerate(rows)
    ]
    block = block_of("f", "v", "S", 7, "f/0/A", trades)
    score = np.array([row[3] for row in rows], np.float64)
    verdict = np.array([row[4] for row in rows], np.int8)
    return block, Scores(verdict, np.zeros(len(rows), np.int8), *[score] * 6)


def newest(column: Sequence[float]) -> float:
    """Give the last that is there."""
    return next((value for value in reversed(column) if not isnan(value)), nan)


@pytest.mark.slow
@given(st.lists(st.lists(ticks, min_size=1, max_size=5), max_size=5))
def test_the_newest_of_each_value_stands_wherever_blocks_are_cut(blocks: list[list[Tick]]) -> None:
    standing = Standing()
    for rows in blocks:
        standing = standing.after(*scored(rows), sum(row[4] == REJECT for row in rows))
    standing = standing.settled()
    everything = [row for rows in blocks for row in rows]
    accepted = [row for row in everything if row[4] != REJECT]
    for i, name in enumerate(("last", "bid", "ask")):
        np.testing.assert_equal(getattr(standing, name), newest([row[i] for row in accepted]))
    for name in SCORES:
        np.testing.assert_equal(getattr(standing, name), newest([row[3] for row in everything]))
    assert (standing.ticks, standing.rejects) == (len(everything), len(everything) - len(accepted))


def test_a_refused_tick_counts_and_shows_its_z_but_not_its_price() -> None:
    rows = [(100.0, nan, nan, 1.0, OK), (900.0, nan, nan, 8.0, REJECT)]
    standing = Standing().after(*scored(rows), 1).settled()
    assert (standing.last, standing.z, standing.ticks, standing.rejects) == (100.0, 8.0, 2, 1)


def test_blocks_that_nobody_looks_at_do_not_pile_up() -> None:
    standing = Standing()
    for price in range(1, 1_000):
        standing = standing.after(*scored([(float(price), nan, nan, nan, OK)]), 0)
        assert len(standing.pending) < PENDING
    assert (standing.settled().last, standing.ticks) == (999.0, 999)

"""How figures are made of what was measured."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from benchmarks import instruments, latency, market
from benchmarks.measuring import spread
from benchmarks.pipeline import Cut, extrapolated_seconds, faults

SECOND = 10**9


def cut(seconds: float, stored: int) -> Cut:
    """Give a cut that was seen at a time."""
    return Cut(int(seconds * SECOND), {"stored": stored, "rejected": 0})


def ledger(**total: int) -> dict[str, Any]:
    """Give a ledger that balances, with these totals."""
    places = dict.fromkeys(("stored", "rejected", "duplicate", "shed", "dead_letter", "spooled"), 0)
    return {"balanced": True, "total": {**places, **total}}


def test_the_pace_between_cuts_tells_when_the_last_row_was_stored() -> None:
    cuts = [cut(1, 100), cut(2, 200), cut(3, 300), cut(4, 350)]
    assert extrapolated_seconds(cuts, 350, 0) == pytest.approx(3.5)


def test_the_end_is_never_later_than_it_was_seen() -> None:
    assert extrapolated_seconds([cut(1, 100), cut(2, 110), cut(3, 350)], 350, 0) == 3.0


def test_one_cut_is_its_own_end() -> None:
    assert extrapolated_seconds([cut(2, 350)], 350, SECOND) == 1.0


def test_a_run_counts_only_if_every_frame_was_kept() -> None:
    assert faults(ledger(stored=90, rejected=10), 100, 0) == []
    assert faults(ledger(stored=90, shed=10), 100, 0) == ["shed 10", "stored and rejected 90 of 100 sent"]
    assert faults({**ledger(stored=100), "balanced": False}, 100, 1) == ["exit status 1, balanced False"]


def test_a_spread_is_a_median_between_its_ends() -> None:
    assert spread([3.0, 1.0, 2.0, 10.0]) == {"median": 2.5, "min": 1.0, "max": 10.0, "runs": 4}
    assert spread([]) is None


def test_latencies_are_read_by_stage_and_by_store() -> None:
    quantiles = {"count": 7, "p50_us": 1, "p99_us": 2, "p999_us": 3, "max_us": 4}
    told = {"latency": {"signal": quantiles, "stored": {"lake": {"p50_us": 9, "p99_us": None}}}}
    found = dict(latency.reported(told))
    assert found["signal p999, µs"] == 3.0
    assert found["stored in lake p50, µs"] == 9.0
    assert len(found) == 5
    assert dict(latency.reported({})) == {}


def test_the_market_has_contiguous_ids_and_the_frames_that_were_asked_for() -> None:
    names = instruments.symbols(7)
    assert len(set(names)) == 7
    frames = list(market.trades(names, market.flood_times(500, 1_700_000_000_000)))
    assert b"".join(market.chunks(iter(frames))) == b"".join(frames)
    for name in names:
        marks = [frame.partition(b'"a":')[2] for frame in frames if f'"s":"{name}"'.encode() in frame]
        ids = [int(mark.partition(b",")[0]) for mark in marks]
        assert all(after == before + 1 for before, after in pairwise(ids))


def test_arrivals_keep_their_rate() -> None:
    due = market.poisson_offsets_ns(10_000, 1_000)
    assert np.all(np.diff(due) >= 0)
    assert due[-1] == pytest.approx(10 * SECOND, rel=0.05)

"""The newest ticks as columns: refused ones in their places."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from core.recent import TickHistory
from core.records import OK, REJECT, ScoredBlock
from tests.core.reference import block_of, scored, trade
from web.recent_columns import recent_of

AMPLE = 1 << 40


def numbered(start: int, verdicts: Sequence[int]) -> ScoredBlock:
    """Give a block whose prices and frames count on from `start`."""
    block = block_of([trade(float(start + at)) for at in range(len(verdicts))], "demo/0/A")
    return scored(replace(block, frame=block.frame - block.frame[0] + start), verdicts)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([OK, OK, REJECT]), min_size=1, max_size=8), max_size=12),
    st.integers(1, 60),
)
def test_both_histories_together_are_what_came(blocks: list[list[int]], n: int) -> None:
    recent, refused, came = TickHistory(1_000, AMPLE), TickHistory(1_000, AMPLE), 0
    for verdicts in blocks:
        block = numbered(came, verdicts)
        recent = recent.append(block, verdicts.count(REJECT))
        refused = refused.append_refused(block, verdicts.count(REJECT))
        came += len(verdicts)
    told = recent_of("f", "A", (*recent.last(n), *refused.last(n)), n)
    if told is None:
        assert came == 0
        return
    assert told.price == [float(i) for i in range(came)][-n:]
    words = ["reject" if verdict == REJECT else "ok" for verdicts in blocks for verdict in verdicts]
    assert told.verdict == words[-n:]
    json.dumps(asdict(told), allow_nan=False)


def test_no_tick_is_nothing() -> None:
    assert recent_of("f", "A", (), 5) is None

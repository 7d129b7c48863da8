"""Records become rows."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import (
    KINDS,
    NO_ID,
    NO_TIME,
    REASONS,
    SIDES,
    VERDICTS,
    ScoredBlock,
)
from stores.rows import alert_rows, dead_letter_rows, gap_rows, malformed_rows, scored_rows
from stores.schema import TABLES
from tests.stores.making import alert, block, dead_letter, gap, malformed

FLOATS = ("price", "size", "bid", "bid_size", "ask", "ask_size")
SCORES = ("z", "vwap", "spread_mean", "momentum", "imbalance", "volatility")
numbers = st.floats(width=64) | st.just(math.nan)
moments = st.integers(-(2**63) + 1, 2**63 - 1) | st.just(NO_TIME)


@st.composite
def blocks(draw: st.DrawFn) -> ScoredBlock:
    """Draw a block of one to four ticks."""
    n = draw(st.integers(1, 4))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    whole = draw(st.booleans())
    ids = column(moments) if whole else column(st.none() | st.text(max_size=3))
    verdicts = column(st.integers(0, 2))
    return block(
        n, symbol=draw(st.text(max_size=3)), session=draw(st.integers(-(2**62), 2**62)),
        kind=column(st.integers(0, 2)),
        side=column(st.integers(-1, 1)), ts_event_ns=column(moments), verdict=verdicts,
        reason=[draw(st.integers(1, 2)) if verdict == 2 else 0 for verdict in verdicts],
        venue_id=np.array(ids, np.int64 if whole else object),
        **{name: column(numbers) for name in (*FLOATS, *SCORES)},
    )  # fmt: skip


def plain_rows(scored: ScoredBlock) -> list[dict[str, Any]]:
    """Make the rows one by one."""
    rows = []
    for i in range(len(scored)):
        t, s = scored.ticks, scored.scores
        identity = t.venue_id[i]
        row: dict[str, Any] = {
            "venue": t.venue, "symbol": t.symbol, "kind": KINDS[t.kind[i]], "side": SIDES[int(t.side[i])],
            "ts_event_ns": None if t.ts_event_ns[i] == NO_TIME else int(t.ts_event_ns[i]),
            "ts_recv_ns": int(t.ts_recv_ns[i]),
            "venue_id": None if identity is None or identity == NO_ID else str(identity),
            "verdict": VERDICTS[s.verdict[i]], "session": t.session, "line": t.line, "frame": int(t.frame[i]),
            "item": int(t.item[i]), "reason": REASONS[s.reason[i]], "raw": None,
        }  # fmt: skip
        for owner, names in ((t, FLOATS), (s, SCORES)):
            for name in names:
                value = float(getattr(owner, name)[i])
                row[name] = None if math.isnan(value) else value
        rows.append(row)
    return rows


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(blocks(), max_size=4))
def test_scored_rows_are_those_made_one_by_one(scored: list[ScoredBlock]) -> None:
    ticks, rejects = scored_rows(scored)
    plain = [row for part in scored for row in plain_rows(part)]
    assert rejects.to_pylist() == [
        {name: row[name] for name in TABLES["rejects"].names} for row in plain if row["verdict"] == "reject"
    ]
    assert ticks.to_pylist() == [
        {name: row[name] for name in TABLES["ticks"].names} for row in plain if row["verdict"] != "reject"
    ]
    assert ticks.schema.equals(TABLES["ticks"])
    assert rejects.schema.equals(TABLES["rejects"])


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_at_all_becomes_valid_utf8(text: str) -> None:
    (row,) = alert_rows([alert(text=text, symbol=text)]).to_pylist()
    assert row["text"] == row["symbol"]
    row["text"].encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert row["text"] == text


def test_halves_of_a_pair_that_belong_together_become_one_character() -> None:
    ticks, _ = scored_rows([block(symbol="\ud83d\ude80", venue_id=np.array(["\udc00"], object))])
    assert (ticks["symbol"][0].as_py(), ticks["venue_id"][0].as_py()) == ("🚀", "\ufffd")


@pytest.mark.parametrize("huge", [2**63, -(2**63), 10**30])
def test_a_number_beyond_int64_becomes_null(huge: int) -> None:
    (row,) = gap_rows([gap(first_missing=huge, last_missing=2**63 - 1)]).to_pylist()
    assert (row["first_missing"], row["last_missing"]) == (None, 2**63 - 1)


@pytest.mark.parametrize(
    ("rows", "table"),
    [
        (malformed_rows([malformed(), malformed(symbol="x")]), "rejects"),
        (gap_rows([gap()]), "gaps"),
        (alert_rows([alert()]), "alerts"),
        (dead_letter_rows([dead_letter()]), "dead_letters"),
        (malformed_rows([]), "rejects"),
        (gap_rows([]), "gaps"),
        (alert_rows([]), "alerts"),
        (dead_letter_rows([]), "dead_letters"),
    ],
)
def test_records_become_rows_of_their_table(rows: pa.Table, table: str) -> None:
    assert rows.schema.equals(TABLES[table])
    rows.validate(full=True)
    for row in rows.to_pylist():
        assert row.get("line", "spot/0/A") == "spot/0/A"

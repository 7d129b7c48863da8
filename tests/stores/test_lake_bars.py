"""Bars that DuckDB reads by itself are those of the filter that reads every lake."""

from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import BOTH, NO_TIME, QUOTE, TRADE
from stores.lake import LakeWriter
from stores.lake_bars import files_of_bars
from stores.lake_reader import LakeReader
from stores.store import BatchId, Query
from tests.stores.making import NOON_NS, empty, rows_of, ticks

pytestmark = pytest.mark.slow
Tick = tuple[str, str, int, int | None, int, float, str, int, int]
"""Symbol, venue, kind, event time or none, receive time, price, line, session, frame."""

NEAR = st.integers(NOON_NS - 1, NOON_NS + 4)
TICKS = st.tuples(
    st.sampled_from(["A", "A", "B" * 40, "ü"]), st.sampled_from(["demo", "demo", "binance"]),
    st.sampled_from([TRADE, TRADE, QUOTE, BOTH]), st.none() | NEAR, NEAR, st.sampled_from([1.0, 2.0, 3.5]),
    st.sampled_from(["x/0/A", "x/0/B"]), st.integers(1, 2), st.integers(0, 3),
)  # fmt: skip


def write(root: Path, batches: Sequence[Sequence[Tick]]) -> None:
    """Write batches of ticks; no two are of one place in a frame."""
    items = count()
    with closing(LakeWriter(str(root))) as writer:
        writer.open()
        for number, batch in enumerate(batches):
            rows = [
                ticks(
                    1, symbol=symbol, venue=venue, kind=kind, ts_event_ns=NO_TIME if event is None else event,
                    ts_recv_ns=received, price=price, line=line, session=session, frame=frame,
                    item=next(items),
                )
                for symbol, venue, kind, event, received, price, line, session, frame in batch
            ]  # fmt: skip
            writer.write("ticks", pa.concat_tables([empty("ticks"), *rows]), BatchId(1, number))


def bars(root: Path, **asked: Any) -> list[dict[str, Any]]:
    """Give the bars of a lake."""
    with closing(LakeReader(str(root))) as reader:
        return rows_of(reader.read(Query("bars", **asked)))


def chosen(root: Path, **asked: Any) -> int | None:
    """Give how many files DuckDB would read; None if it cannot."""
    found = files_of_bars(DeltaTable(str(root / "ticks")), root / "ticks", Query("bars", **asked))
    return None if found is None else len(found.paths)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(TICKS, min_size=4, max_size=15), min_size=1, max_size=3),
    st.none() | st.sampled_from(["A", "B" * 40, "ü", "C"]),
    st.none() | st.sampled_from(["demo", "binance"]),
    st.none() | NEAR,
    st.none() | NEAR,
    st.sampled_from([1, 3, 7, 10**9]),
    st.none() | st.integers(1, 4),
)
def test_both_ways_give_the_same(
    batches: list[list[Tick]], symbol: str | None, venue: str | None, start: int | None, end: int | None,
    interval: int, limit: int | None,
) -> None:  # fmt: skip
    """In a directory whose name is a pattern the files are read through the filter."""
    asked = {
        "symbol": symbol, "venue": venue, "start_ns": start, "end_ns": end, "interval_ns": interval,
        "limit": limit,
    }  # fmt: skip
    with TemporaryDirectory() as directory:
        plain, pattern = Path(directory, "lake"), Path(directory, "la[k]e")
        write(plain, batches)
        write(pattern, batches)
        assert chosen(pattern, **asked) is None
        assert chosen(plain, **asked) is not None
        assert bars(plain, **asked) == bars(pattern, **asked)


def test_origins_decide_among_trades_of_one_time(tmp_path: Path) -> None:
    """Whatever the order in which they were written, and in how many files."""
    at = NOON_NS
    origins = [(2, "x/0/A", 0), (1, "x/0/B", 9), (1, "x/0/A", 7), (2, "x/0/B", 1), (1, "x/0/A", 8)]
    trades: list[Tick] = [
        ("A", "demo", TRADE, at, at, float(place), line, session, frame)
        for place, (session, line, frame) in enumerate(origins)
    ]
    write(tmp_path / "lake", [trades[:2], trades[2:]])
    (bar,) = bars(tmp_path / "lake", interval_ns=10**9)
    assert (bar["open"], bar["close"], bar["trades"]) == (2.0, 3.0, 5)


def test_a_time_is_the_venues_before_ours(tmp_path: Path) -> None:
    late = NOON_NS + 10**10
    trades: list[Tick] = [
        ("A", "demo", TRADE, NOON_NS, late, 1.0, "x", 1, 0),
        ("A", "demo", TRADE, None, late, 2.0, "x", 1, 1),
    ]
    write(tmp_path / "lake", [trades])
    found = bars(tmp_path / "lake", interval_ns=10**9)
    assert [(bar["ts_ns"], bar["open"]) for bar in found] == [(NOON_NS, 1.0), (late, 2.0)]


def test_files_of_other_times_and_symbols_are_not_read(tmp_path: Path) -> None:
    day = 86_400 * 10**9
    root = tmp_path / "lake"
    with closing(LakeWriter(str(root))) as writer:
        writer.open()
        for number, (symbol, at) in enumerate((("A", 0), ("B", 0), ("A", 3600 * 10**9), ("A", day))):
            rows = ticks(2, symbol=symbol, ts_event_ns=NOON_NS + at)
            writer.write("ticks", rows, BatchId(1, number))
    assert chosen(root, interval_ns=1) == 4
    assert chosen(root, symbol="A", interval_ns=1) == 3
    assert chosen(root, venue="binance", interval_ns=1) == 0
    assert chosen(root, start_ns=NOON_NS + 1, interval_ns=1) == 2
    assert chosen(root, end_ns=NOON_NS + day, interval_ns=1) == 3
    assert chosen(root, end_ns=NOON_NS, interval_ns=10**9) == 0


def test_a_directory_with_a_quote_in_its_name_is_read(tmp_path: Path) -> None:
    root = tmp_path / "it's"
    write(root, [[("A", "demo", TRADE, NOON_NS, NOON_NS, 1.0, "x", 1, 0)]])
    assert chosen(root, interval_ns=1) == 1
    assert [bar["open"] for bar in bars(root, interval_ns=1)] == [1.0]

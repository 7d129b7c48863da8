"""Small factories of what the stores are given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.records import (
    NO_ID,
    NO_REASON,
    NO_SIDE,
    OK,
    TRADE,
    Alert,
    DeadLetter,
    Gap,
    Malformed,
    ScoredBlock,
    Scores,
    TickBlock,
    freeze,
)
from stores.parts import Part, runs_of
from stores.rows import scored_rows
from stores.schema import TABLES
from stores.store import BatchId

DAY_NS = 86_400 * 10**9
NOON_NS = 1_700_000_000 * 10**9


def block(n: int = 1, **given: Any) -> ScoredBlock:
    """Make n accepted trades of one line; a keyword gives a column (spread over the rows) or a constant."""

    def column(name: str, default: Any, dtype: Any) -> Any:
        return freeze(np.array(np.broadcast_to(np.asarray(given.get(name, default), dtype), (n,))))

    def floats(name: str, default: Any = np.nan) -> Any:
        return column(name, default, np.float64)

    times = NOON_NS + np.arange(n)
    ticks = TickBlock(
        feed=given.get("feed", "spot"), venue=given.get("venue", "demo"),
        symbol=given.get("symbol", "BTC-USD"), session=given.get("session", 1),
        line=given.get("line", "spot/0/A"),
        kind=column("kind", TRADE, np.int8),
        ts_event_ns=column("ts_event_ns", times, np.int64),
        ts_recv_ns=column("ts_recv_ns", times + 5, np.int64),
        price=floats("price", 100.0), size=floats("size", 1.0), side=column("side", NO_SIDE, np.int8),
        bid=floats("bid"), bid_size=floats("bid_size"), ask=floats("ask"), ask_size=floats("ask_size"),
        venue_id=given["venue_id"] if "venue_id" in given else freeze(np.full(n, NO_ID, np.int64)),
        frame=column("frame", np.arange(n), np.int64), item=column("item", 0, np.int32),
    )  # fmt: skip
    scores = Scores(
        verdict=column("verdict", OK, np.int8), reason=column("reason", NO_REASON, np.int8), z=floats("z"),
        vwap=floats("vwap"), spread_mean=floats("spread_mean"), momentum=floats("momentum"),
        imbalance=floats("imbalance"), volatility=floats("volatility"),
    )  # fmt: skip
    return ScoredBlock(ticks, scores)


def ticks(n: int = 1, **given: Any) -> pa.Table:
    """Make n rows of `ticks`."""
    return scored_rows([block(n, **given)])[0]


def part(n: int = 3, number: int = 0, feeds: Sequence[str] | None = None, **given: Any) -> Part:
    """Make a part of n rows of `ticks`, of one feed or of those given row by row."""
    return Part("ticks", ticks(n, **given), BatchId(1, number), runs_of(feeds or ["spot"] * n))


def malformed(**given: Any) -> Malformed:
    """Make a record that could not become a tick."""
    fields = {
        "feed": "spot", "venue": "demo", "symbol": None, "reason": "bad_type", "raw": b"\xff{",
        "ts_recv_ns": NOON_NS, "session": 1, "line": "spot/0/A", "frame": 7, "item": 0,
    }  # fmt: skip
    return Malformed(**{**fields, **given})


def gap(**given: Any) -> Gap:
    """Make a gap in a sequence."""
    fields = {
        "feed": "spot", "venue": "demo", "symbol": "BTC-USD", "cause": "sequence", "first_missing": 5,
        "last_missing": 9, "ts_recv_ns": NOON_NS, "session": 1, "line": "spot/0/A", "frame": 7, "item": 0,
    }  # fmt: skip
    return Gap(**{**fields, **given})


def alert(**given: Any) -> Alert:
    """Make an alert."""
    fields = {
        "ts_ns": NOON_NS, "kind": "gap", "feed": "spot", "symbol": None, "actor": "normalizer",
        "text": "a gap", "held_back": 0,
    }  # fmt: skip
    return Alert(**{**fields, **given})


def dead_letter(**given: Any) -> DeadLetter:
    """Make a dead letter."""
    fields = {
        "feed": "spot", "venue": "demo", "symbol": None, "actor": "detector", "error": "ZeroDivisionError",
        "raw": b"{}", "ts_recv_ns": NOON_NS, "session": 1, "line": "spot/0/A", "frame": 7, "item": 0,
    }  # fmt: skip
    return DeadLetter(**{**fields, **given})


def rows_of(reader: pa.RecordBatchReader) -> list[dict[str, Any]]:
    """Read everything, as one dict a row."""
    return reader.read_all().to_pylist()


def empty(table: str) -> pa.Table:
    """Make no rows of a table."""
    return TABLES[table].empty_table()

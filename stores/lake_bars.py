"""Bars of a lake on a local disk: DuckDB reads the files itself, and of them what bars need.

In two steps. First the sums of each bar, and the times of its first and last trade; then the trades of just
these times, among which origins decide. To order all trades by their origins takes longer than all the rest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from stores.derive import TRADES, bar_range, bars_sql
from stores.duckdb_sandbox import Config, confined
from stores.schema import ORIGIN, TIMES
from stores.store import Query

COLUMNS: Final = ("venue", "symbol", "kind", *TIMES["ticks"], "price", "size", *ORIGIN)
_BATCH_ROWS: Final = 65_536
_DAY_NS: Final = 86_400 * 10**9
_EPOCH: Final = date(1970, 1, 1)
_EVENT, _RECEIVED = TIMES["ticks"]
_ORIGIN: Final = f"({', '.join(ORIGIN)})"
_BACK: Final = "ts_ns DESC NULLS FIRST, venue DESC NULLS FIRST, symbol DESC NULLS FIRST"
_PATTERN: Final = frozenset("*?[]{}\\")
"""What DuckDB takes for a pattern in a path."""
_File = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that may hold what is asked for."""

    paths: tuple[str, ...]
    time: str
    """The expression of a row's time: the venue's where all rows have it, for that is read twice as fast."""


def files_of_bars(handle: DeltaTable, root: Path, query: Query) -> Chosen | None:
    """Give the files that may hold trades of the bars asked for; None if DuckDB cannot read them all.

    That is where a file lacks a column, as those of older tables may, or where its path is a pattern.
    """
    if _PATTERN.intersection(str(root)):
        return None
    start, end = bar_range(query.start_ns, query.end_ns, query.interval_ns or 0)
    actions: pa.Table = pa.table(handle.get_add_actions(flatten=True))
    wanted = ["path", "partition.date", *(f"null_count.{name}" for name in COLUMNS)]
    if not set(wanted) <= set(actions.column_names):
        return None if actions.num_rows else Chosen((), _EVENT)
    bounds = [f"{kind}.{name}" for name in ("ts_event_ns", "symbol", "venue") for kind in ("min", "max")]
    columns = [*wanted, *(name for name in bounds if name in actions.column_names)]
    files = [file for file in actions.select(columns).to_pylist() if _may_hold(file, query, start, end)]
    if any(file[f"null_count.{name}"] is None for file in files for name in COLUMNS):
        return None
    paths = [file["path"] for file in files]
    if any(map(_PATTERN.intersection, paths)):
        return None
    is_timed = all(file[f"null_count.{_EVENT}"] == 0 for file in files)
    time = _EVENT if is_timed else f"coalesce({_EVENT}, {_RECEIVED})"
    return Chosen(tuple(str(root / path) for path in paths), time)


def read_bars(config: Config, root: Path, files: Chosen, query: Query) -> Iterator[pa.RecordBatch]:
    """Compute the bars of these files, ordered; nothing but the directory `root` can be read meanwhile."""
    if not files.paths or (query.limit is not None and query.limit <= 0):
        return
    trades, values = _trades(files, query)
    with duckdb.connect(":memory:", config=config) as connection:
        confined(connection, [str(root)])
        begun = bars_sql(trades, files.time, "$interval", "min(tick_ns)", "max(tick_ns)")
        last = "" if query.limit is None else f"ORDER BY {_BACK} LIMIT {query.limit}"
        connection.execute(
            f"CREATE TEMP TABLE begun AS {begun} {last}", {**values, "interval": query.interval_ns}
        )
        yield from connection.sql(_finished(trades, files.time), params=values).to_arrow_reader(_BATCH_ROWS)


def _finished(trades: str, time: str) -> str:
    """Give the query that puts the prices in the places of the times at which bars open and close."""
    return f"""
        WITH edges AS (
            SELECT venue, symbol, tick_ns,
                arg_min(price, {_ORIGIN}) AS first, arg_max(price, {_ORIGIN}) AS last
            FROM (SELECT *, {time} AS tick_ns FROM {trades})
            WHERE tick_ns IN (SELECT open FROM begun UNION SELECT close FROM begun)
            GROUP BY ALL
        )
        SELECT begun.* REPLACE (opening.first AS open, closing.last AS close)
        FROM begun
        JOIN edges AS opening ON {_same("opening")} AND opening.tick_ns = begun.open
        JOIN edges AS closing ON {_same("closing")} AND closing.tick_ns = begun.close
        ORDER BY ts_ns NULLS LAST, begun.venue NULLS LAST, begun.symbol NULLS LAST
    """


def _same(edge: str) -> str:
    pairs = (f"{edge}.{name} IS NOT DISTINCT FROM begun.{name}" for name in ("venue", "symbol"))
    return " AND ".join(pairs)


def _trades(files: Chosen, query: Query) -> tuple[str, dict[str, Any]]:
    """Give the relation of the trades that bars are made of, and the values of its parameters."""
    start, end = bar_range(query.start_ns, query.end_ns, query.interval_ns or 0)
    bounded = {"venue": query.venue, "symbol": query.symbol, "start": _int64(start), "stop": _int64(end)}
    values = {name: value for name, value in bounded.items() if value is not None}
    conditions = {
        "venue": "venue = $venue",
        "symbol": "symbol = $symbol",
        "start": f"{files.time} >= $start",
        "stop": f"{files.time} < $stop",
    }
    kinds = ", ".join(f"'{kind}'" for kind in TRADES)
    where = [f"kind IN ({kinds})", "price IS NOT NULL", *(conditions[name] for name in values)]
    read = f"SELECT {', '.join(COLUMNS)} FROM read_parquet($files, hive_partitioning = false)"
    return f"({read} WHERE {' AND '.join(where)}) AS trades", {**values, "files": list(files.paths)}


def _may_hold(file: _File, query: Query, start: int, end: int | None) -> bool:
    day_ns = (file["partition.date"] - _EPOCH).days * _DAY_NS
    if day_ns + _DAY_NS <= start or (end is not None and day_ns >= end):
        return False
    least, most = file.get("min.ts_event_ns"), file.get("max.ts_event_ns")
    if file["null_count.ts_event_ns"] == 0 and least is not None and most is not None:
        outside = most < start or (end is not None and least >= end)
        if outside:
            return False
    return _may_be(file, "venue", query.venue) and _may_be(file, "symbol", query.symbol)


def _may_be(file: _File, name: str, wanted: str | None) -> bool:
    """Tell whether a text may be among a file's; bounds that were cut off include what they stand for."""
    least, most = file.get(f"min.{name}"), file.get(f"max.{name}")
    return wanted is None or least is None or most is None or least <= wanted <= most


def _int64(time_ns: int | None) -> int | None:
    return None if time_ns is None else min(max(time_ns, -(2**63)), 2**63 - 1)

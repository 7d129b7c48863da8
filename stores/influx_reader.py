"""Queries of InfluxDB: the server selects, DuckDB orders and computes.

What selects is pushed down as far as the points tell it: venue, symbol and kind as they are, times with
the slack that a point's time has; the rows' own times decide here. Rows go through a database in memory,
which puts aside on disk what is too much.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa

from core.errors import RetryableStoreError
from stores.asked import checked_query
from stores.derive import TRADES, bar_range, bars_sql, derived_columns
from stores.duckdb_sandbox import confined, sandbox
from stores.influx_http import InfluxConnection
from stores.influx_lines import LAYOUTS, ODD, PLACES_NS
from stores.influx_points import Waiting
from stores.influx_query import check_version, chosen, literal, near, select, series
from stores.schema import BYTES, FLOAT, INT32, INT64, ORIGIN, TABLES, TEXT, TIES, TIMES
from stores.store import Query

_BATCH_ROWS: Final = 65_536
_BAR_COLUMNS: Final = ("venue", "symbol", *TIMES["ticks"], "price", "size", *ORIGIN)
_ORDER: Final = "(tick_ns, session, line, frame, item)"
_PYTHON: Final = {TEXT: str, BYTES: str, FLOAT: float, INT64: int, INT32: int}


class InfluxReader:
    """Implements `stores.store.StoreReader`; every read sees what was written before it."""

    def __init__(
        self,
        url: str,
        *,
        org: str,
        bucket: str,
        token: str,
        timeout_seconds: float = 60.0,
        threads: int = 2,
        memory_mb: int = 1024,
    ) -> None:
        """Name the bucket, and bound what a query may use; `timeout_seconds` is for any part of an answer."""
        self._connection = InfluxConnection(
            url, org=org, bucket=bucket, token=token, timeout_seconds=timeout_seconds
        )
        self._scratch = tempfile.TemporaryDirectory(prefix="tapeline-")
        self._config = sandbox(self._scratch.name, threads, memory_mb)

    def read(self, query: Query) -> pa.RecordBatchReader:
        """Give the rows that the query asks for; UsageError where it asks for what there is not.

        Bars are whole: the range is that of their starts.
        """
        schema = checked_query(query)
        asked = self._bars(query) if query.table == "bars" else self._rows(query)
        batches = (batch.cast(schema) for batch in asked)
        first = next(batches, None)
        # The first batch is computed here, so that most of what can go wrong is raised here.
        return pa.RecordBatchReader.from_batches(schema, _chained(first, batches))

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()
        self._scratch.cleanup()

    def _bars(self, query: Query) -> Iterator[pa.RecordBatch]:
        interval = query.interval_ns or 0
        start, end = bar_range(query.start_ns, query.end_ns, interval)
        kinds = " OR ".join(f'"kind" = {literal(kind)}' for kind in TRADES)
        where = [*chosen("ticks", query), *near(start, end), f"({kinds})"]
        trades = (
            f"(SELECT * FROM source WHERE price IS NOT NULL AND {_within('ticks', start, end)}) AS trades"
        )
        sql = bars_sql(
            trades, _time("ticks"), "$interval", f"arg_min(price, {_ORDER})", f"arg_max(price, {_ORDER})"
        )
        rows = self._points("ticks", _BAR_COLUMNS, where)
        sql = _ordered(sql, ("ts_ns", "venue", "symbol"), query.limit)
        yield from self._run(rows, sql, **_bounds(start, end), interval=interval, limit=query.limit)

    def _rows(self, query: Query) -> Iterator[pa.RecordBatch]:
        if query.limit is not None and query.limit <= 0:
            return
        start, end = self._start_of_last(query), query.end_ns
        derived = f", {derived_columns()}" if query.table == "ticks" else ""
        sql = f"SELECT *{derived} FROM source WHERE {_within(query.table, start, end)}"
        sql = _ordered(sql, (_time(query.table), *TIES[query.table]), query.limit)
        where = [*chosen(query.table, query), *near(start, end)]
        rows = self._points(query.table, tuple(TABLES[query.table].names), where)
        yield from self._run(rows, sql, **_bounds(start, end), limit=query.limit)

    def _start_of_last(self, query: Query) -> int | None:
        """Give the range's start, or a later time from which on there are the last rows up to the limit.

        Of any so many rows of the range, the earliest is no later than the earliest of the last so many;
        and points are ordered nearly as rows are.
        """
        if query.limit is None:
            return query.start_ns
        names = TIMES[query.table]
        # Points of the range's last millisecond may be of rows behind its end, and would take their places.
        end = None if query.end_ns is None else query.end_ns - query.end_ns % PLACES_NS
        where = [*chosen(query.table, query), *near(query.start_ns, end)]
        asked = select(query.table, names, where) + f" ORDER BY time DESC LIMIT {query.limit}"
        answer = series(self._connection.query(asked), query.table, [int | None] * len(names))
        times = [
            at
            for _, rows in answer
            for _, *row in rows
            if (at := next((time for time in row if time is not None), None)) is not None
            and (query.start_ns is None or at >= query.start_ns)
            and (query.end_ns is None or at < query.end_ns)
        ]
        return min(times) if len(times) >= query.limit else query.start_ns

    def _points(self, table: str, columns: Sequence[str], where: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give rows of these columns, in no certain order."""
        check_version(self._connection)
        schema = pa.schema([TABLES[table].field(name) for name in columns])
        tags = [name for name in columns if name in LAYOUTS[table].tags]
        fields = [name for name in columns if name not in tags]
        kinds = [_PYTHON[schema.field(name).type] | None for name in fields]
        asked = select(table, [*fields, ODD], where) + " GROUP BY *"
        waiting = Waiting(schema, tags, fields)
        for piece in series(self._connection.query(asked), table, [*kinds, str | None]):
            waiting.add(*piece)
            if waiting.rows >= _BATCH_ROWS:
                yield waiting.taken()
        yield waiting.taken()

    def _run(self, rows: Iterator[pa.RecordBatch], sql: str, **values: Any) -> Iterator[pa.RecordBatch]:
        bound = {name: value for name, value in values.items() if value is not None}
        with _errors(), duckdb.connect(":memory:", config=self._config) as connection:
            confined(connection)
            for number, batch in enumerate(rows):
                connection.register("batch", pa.Table.from_batches([batch]))
                insert = "INSERT INTO source" if number else "CREATE TABLE source AS"
                connection.execute(f"{insert} SELECT * FROM batch")
                connection.unregister("batch")
            yield from connection.sql(sql, params=bound).to_arrow_reader(_BATCH_ROWS)


def _time(table: str) -> str:
    return f"coalesce({', '.join(TIMES[table])})"


def _within(table: str, start_ns: int | None, end_ns: int | None) -> str:
    time = _time(table)
    bounds = [
        f"{time} >= $start" if start_ns is not None else "TRUE",
        f"{time} < $stop" if end_ns is not None else "TRUE",
    ]
    return " AND ".join(bounds)


def _bounds(start_ns: int | None, end_ns: int | None) -> dict[str, int | None]:
    return {
        "start": None if start_ns is None else min(max(start_ns, -(2**63)), 2**63 - 1),
        "stop": None if end_ns is None else min(max(end_ns, -(2**63)), 2**63 - 1),
    }


def _ordered(sql: str, keys: tuple[str, ...], limit: int | None) -> str:
    forth = ", ".join(f"{key} ASC NULLS LAST" for key in keys)
    if limit is None:
        return f"SELECT * FROM ({sql}) ORDER BY {forth}"
    back = ", ".join(f"{key} DESC NULLS FIRST" for key in keys)
    return f"SELECT * FROM (SELECT * FROM ({sql}) ORDER BY {back} LIMIT $limit) ORDER BY {forth}"


def _chained(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, ValueError, OSError) as error:
        raise RetryableStoreError(f"cannot read from InfluxDB: {' '.join(str(error).split())}") from error

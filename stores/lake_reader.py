"""Queries of the lake: DuckDB over the files, beside a writer, in any process.

What selects rows is an Arrow filter, which skips dates, files and row groups; DuckDB orders and computes.
It has no access to files, network or extensions, and beyond its memory it sorts in a temporary directory.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from core.errors import RetryableStoreError
from stores.asked import checked_query
from stores.derive import TRADES, bar_range, bars_sql, derived_columns
from stores.duckdb_sandbox import sandbox
from stores.lake_files import LakeFiles
from stores.lake_stats import DATE, dataset_of
from stores.lake_table import check_version
from stores.schema import ORIGIN, TABLES, TIES, TIMES
from stores.store import Query

_BATCH_ROWS: Final = 65_536
_DAY_NS: Final = 86_400 * 10**9
_EPOCH: Final = date(1970, 1, 1).toordinal()
_BAR_COLUMNS: Final = ("venue", "symbol", *TIMES["ticks"], "price", "size", *ORIGIN)
_ORDER: Final = "(tick_ns, session, line, frame, item)"


class LakeReader:
    """Implements `stores.store.StoreReader`; every read sees what was committed before it."""

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        threads: int = 2,
        memory_mb: int = 1024,
    ) -> None:
        """Name the lake, and bound what a query may use."""
        self._root = root
        self._storage_options = dict(storage_options or {})
        self._scratch = tempfile.TemporaryDirectory(prefix="tapeline-")
        self._config = sandbox(self._scratch.name, threads, memory_mb)

    def read(self, query: Query) -> pa.RecordBatchReader:
        """Give the rows that the query asks for; UsageError where it asks for what there is not.

        Bars are whole: the range is that of their starts.
        """
        schema = checked_query(query)
        with _errors():
            batches = self._bars(query) if query.table == "bars" else self._rows(query)
            first = next(batches, None)
        # The first batch is computed here, so that most of what can go wrong is raised here.
        return pa.RecordBatchReader.from_batches(schema, _chained(schema, first, batches))

    def close(self) -> None:
        """Let go of everything."""
        self._scratch.cleanup()

    def _bars(self, query: Query) -> Iterator[pa.RecordBatch]:
        interval = query.interval_ns or 0
        start, end = bar_range(query.start_ns, query.end_ns, interval)
        dataset = self._dataset("ticks")
        if dataset is None:
            return
        chosen = _filter("ticks", query, start, end)
        chosen &= pa_dataset.field("kind").isin(TRADES) & pa_dataset.field("price").is_valid()
        sql = bars_sql(
            "source", _time("ticks"), "$interval", f"arg_min(price, {_ORDER})", f"arg_max(price, {_ORDER})"
        )
        keys = ("ts_ns", "venue", "symbol")
        scanner = dataset.scanner(columns=list(_BAR_COLUMNS), filter=chosen, batch_size=_BATCH_ROWS)
        yield from self._run(scanner, _ordered(sql, keys, query.limit), interval=interval, limit=query.limit)

    def _rows(self, query: Query) -> Iterator[pa.RecordBatch]:
        dataset = self._dataset(query.table)
        if dataset is None:
            return
        derived = f", {derived_columns()}" if query.table == "ticks" else ""
        sql = f"SELECT *{derived} FROM source"
        keys = (_time(query.table), *TIES[query.table])
        chosen = _filter(query.table, query, query.start_ns, query.end_ns)
        columns = TABLES[query.table].names
        if query.limit is None:
            scanner = dataset.scanner(columns=columns, filter=chosen, batch_size=_BATCH_ROWS)
            yield from self._run(scanner, _ordered(sql, keys, None))
            return
        limited = _ordered(sql, keys, query.limit)
        yield from self._last(dataset, TIMES[query.table], columns, chosen, limited, query.limit)

    def _last(
        self,
        dataset: pa_dataset.Dataset,
        times_of: tuple[str, ...],
        columns: list[str],
        chosen: pc.Expression,
        sql: str,
        limit: int,
    ) -> Iterator[pa.RecordBatch]:
        """Go back from the newest date until there are enough rows."""
        days: list[list[pa.RecordBatch]] = []
        for day in reversed(_dates(dataset, chosen)):
            if limit <= 0:
                break
            of_day = chosen & (pa_dataset.field(DATE.name) == pa.scalar(day, DATE.type))
            # The times alone are read first: whole rows are wide, and few of them are needed.
            times = dataset.scanner(columns=list(times_of), filter=of_day, batch_size=_BATCH_ROWS)
            earliest = next(self._run(times, _earliest(times_of), limit=limit))["earliest"][0].as_py()
            late = of_day & _within(times_of, earliest, None)
            scanner = dataset.scanner(columns=columns, filter=late, batch_size=_BATCH_ROWS)
            days.append(list(self._run(scanner, sql, limit=limit)))
            limit -= sum(map(len, days[-1]))
        for batches in reversed(days):
            yield from batches

    def _run(self, source: pa_dataset.Scanner, sql: str, **values: Any) -> Iterator[pa.RecordBatch]:
        bound = {name: value for name, value in values.items() if value is not None}
        with duckdb.connect(":memory:", config=self._config) as connection:
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            connection.register("source", source)
            yield from connection.sql(sql, params=bound).to_arrow_reader(_BATCH_ROWS)

    def _dataset(self, table: str) -> pa_dataset.Dataset | None:
        files = LakeFiles(self._root, table, self._storage_options)
        try:
            handle = DeltaTable(files.uri, storage_options=files.storage_options)
        except TableNotFoundError:
            return None
        check_version(handle, files.uri)
        return dataset_of(handle, table, files)


def _time(table: str) -> str:
    return _first_of(TIMES[table])


def _first_of(names: tuple[str, ...]) -> str:
    return f"coalesce({', '.join(names)})"


def _ordered(sql: str, keys: tuple[str, ...], limit: int | None) -> str:
    forth = ", ".join(f"{key} ASC NULLS LAST" for key in keys)
    if limit is None:
        return f"SELECT * FROM ({sql}) ORDER BY {forth}"
    back = ", ".join(f"{key} DESC NULLS FIRST" for key in keys)
    return f"SELECT * FROM (SELECT * FROM ({sql}) ORDER BY {back} LIMIT $limit) ORDER BY {forth}"


def _earliest(times: tuple[str, ...]) -> str:
    time = _first_of(times)
    return f"SELECT min(t) AS earliest FROM (SELECT {time} AS t FROM source ORDER BY t DESC LIMIT $limit)"


def _filter(table: str, query: Query, start_ns: int | None, end_ns: int | None) -> Any:
    """Give the rows' condition in a form that skips whole dates, files and row groups."""
    chosen: Any = pc.scalar(True)
    for name, wanted in (("venue", query.venue), ("symbol", query.symbol)):
        if wanted is not None:
            chosen &= pa_dataset.field(name) == pa.scalar(wanted, pa.utf8())
    if start_ns is not None:
        chosen &= pa_dataset.field(DATE.name) >= pa.scalar(_date(start_ns), DATE.type)
    if end_ns is not None:
        chosen &= pa_dataset.field(DATE.name) <= pa.scalar(_date(end_ns), DATE.type)
    if start_ns is not None or end_ns is not None:
        chosen &= _within(TIMES[table], start_ns, end_ns)
    return chosen


def _within(times: tuple[str, ...], start_ns: int | None, end_ns: int | None) -> Any:
    time = pa_dataset.field(times[0])
    inside: Any = time.is_valid()
    if start_ns is not None:
        inside &= time >= pa.scalar(max(start_ns, -(2**63)), pa.int64())
    if end_ns is not None:
        inside &= time < pa.scalar(min(end_ns, 2**63 - 1), pa.int64())
    if len(times) == 1:
        return inside
    return inside | (time.is_null() & _within(times[1:], start_ns, end_ns))


def _date(time_ns: int) -> date:
    time_ns = min(max(time_ns, -(2**63)), 2**63 - 1)
    return date.fromordinal(_EPOCH + time_ns // _DAY_NS)


def _dates(dataset: pa_dataset.Dataset, chosen: pc.Expression) -> list[date]:
    """Give the dates that may have rows, in order."""
    dates = {
        pa_dataset.get_partition_keys(fragment.partition_expression).get(DATE.name)
        for fragment in dataset.get_fragments(filter=chosen)
    }
    return sorted(day for day in dates if day is not None)


def _chained(
    schema: pa.Schema, first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    with _errors():
        if first is not None:
            yield first.cast(schema)
        for batch in rest:
            yield batch.cast(schema)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (DeltaError, duckdb.Error, OSError, pa.ArrowException) as error:
        raise RetryableStoreError(f"cannot read the lake: {' '.join(str(error).split())}") from error

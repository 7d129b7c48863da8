"""Queries of the lake: DuckDB over the files, beside a writer, in any process.

What selects rows is an Arrow filter, which skips dates, files and row groups; DuckDB orders and computes.
For bars of a lake on a local disk it reads the files itself, which is several times as fast
(`stores.lake_bars`). It has no access to other files, network or extensions, and beyond its memory it sorts
in a temporary directory.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from core.errors import RetryableStoreError
from stores.asked import checked_query
from stores.derive import TRADES, bar_range, bars_sql, derived_columns
from stores.duckdb_sandbox import confined, sandbox, usable_threads
from stores.lake_bars import files_of_bars, read_bars
from stores.lake_files import LakeFiles
from stores.lake_version import check_version
from stores.schema import ORIGIN, TABLES, TIES, TIMES
from stores.store import Query

if TYPE_CHECKING:
    # Imported where they are needed: they take as long as a small query.
    import pyarrow.compute as pc
    import pyarrow.dataset as pa_dataset

_BATCH_ROWS: Final = 65_536
_BAR_COLUMNS: Final = ("venue", "symbol", *TIMES["ticks"], "price", "size", *ORIGIN)
_ORDER: Final = "(tick_ns, session, line, frame, item)"


class LakeReader:
    """Implements `stores.store.StoreReader`; every read sees what was committed before it."""

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        threads: int | None = None,
        memory_mb: int = 1024,
    ) -> None:
        """Name the lake, and bound what a query may use; None is as many threads as suit the machine."""
        self._root = root
        self._storage_options = dict(storage_options or {})
        self._scratch = tempfile.TemporaryDirectory(prefix="tapeline-")
        self._config = sandbox(self._scratch.name, threads or usable_threads(), memory_mb)

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
        handle, files = self._opened("ticks")
        if handle is None:
            return
        if files.local is not None:
            found = files_of_bars(handle, files.local, query)
            if found is not None:
                yield from read_bars(self._config, files.local, found, query)
                return
        yield from self._scanned_bars(self._dataset(handle, "ticks", files), query)

    def _scanned_bars(self, dataset: "pa_dataset.Dataset", query: Query) -> Iterator[pa.RecordBatch]:
        import pyarrow.dataset as pa_dataset

        from stores.lake_scan import chosen_rows

        interval = query.interval_ns or 0
        start, end = bar_range(query.start_ns, query.end_ns, interval)
        chosen = chosen_rows("ticks", query, start, end)
        chosen &= pa_dataset.field("kind").isin(TRADES) & pa_dataset.field("price").is_valid()
        sql = bars_sql(
            "source", _time("ticks"), "$interval", f"arg_min(price, {_ORDER})", f"arg_max(price, {_ORDER})"
        )
        keys = ("ts_ns", "venue", "symbol")
        scanner = dataset.scanner(columns=list(_BAR_COLUMNS), filter=chosen, batch_size=_BATCH_ROWS)
        yield from self._run(scanner, _ordered(sql, keys, query.limit), interval=interval, limit=query.limit)

    def _rows(self, query: Query) -> Iterator[pa.RecordBatch]:
        from stores.lake_scan import chosen_rows

        handle, files = self._opened(query.table)
        if handle is None:
            return
        dataset = self._dataset(handle, query.table, files)
        derived = f", {derived_columns()}" if query.table == "ticks" else ""
        sql = f"SELECT *{derived} FROM source"
        keys = (_time(query.table), *TIES[query.table])
        chosen = chosen_rows(query.table, query, query.start_ns, query.end_ns)
        columns = TABLES[query.table].names
        if query.limit is None:
            scanner = dataset.scanner(columns=columns, filter=chosen, batch_size=_BATCH_ROWS)
            yield from self._run(scanner, _ordered(sql, keys, None))
            return
        limited = _ordered(sql, keys, query.limit)
        yield from self._last(dataset, TIMES[query.table], columns, chosen, limited, query.limit)

    def _last(
        self,
        dataset: "pa_dataset.Dataset",
        times_of: tuple[str, ...],
        columns: list[str],
        chosen: "pc.Expression",
        sql: str,
        limit: int,
    ) -> Iterator[pa.RecordBatch]:
        """Go back from the newest date until there are enough rows."""
        import pyarrow.dataset as pa_dataset

        from stores.lake_scan import dates_of, within
        from stores.lake_stats import DATE

        days: list[list[pa.RecordBatch]] = []
        for day in reversed(dates_of(dataset, chosen)):
            if limit <= 0:
                break
            of_day = chosen & (pa_dataset.field(DATE.name) == pa.scalar(day, DATE.type))
            # The times alone are read first: whole rows are wide, and few of them are needed.
            times = dataset.scanner(columns=list(times_of), filter=of_day, batch_size=_BATCH_ROWS)
            earliest = next(self._run(times, _earliest(times_of), limit=limit))["earliest"][0].as_py()
            late = of_day & within(times_of, earliest, None)
            scanner = dataset.scanner(columns=columns, filter=late, batch_size=_BATCH_ROWS)
            days.append(list(self._run(scanner, sql, limit=limit)))
            limit -= sum(map(len, days[-1]))
        for batches in reversed(days):
            yield from batches

    def _run(self, source: "pa_dataset.Scanner", sql: str, **values: Any) -> Iterator[pa.RecordBatch]:
        bound = {name: value for name, value in values.items() if value is not None}
        with duckdb.connect(":memory:", config=self._config) as connection:
            confined(connection)
            connection.register("source", source)
            yield from connection.sql(sql, params=bound).to_arrow_reader(_BATCH_ROWS)

    def _opened(self, table: str) -> tuple[DeltaTable | None, LakeFiles]:
        """Look at a table as it is now; None where there is none yet."""
        files = LakeFiles(self._root, table, self._storage_options)
        try:
            handle = DeltaTable(files.uri, storage_options=files.storage_options)
        except TableNotFoundError:
            return None, files
        check_version(handle, files.uri)
        return handle, files

    def _dataset(self, handle: DeltaTable, table: str, files: LakeFiles) -> "pa_dataset.Dataset":
        from stores.lake_stats import dataset_of

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


def _chained(
    schema: pa.Schema, first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    with _errors():
        if first is not None:
            yield _of(schema, first)
        for batch in rest:
            yield _of(schema, batch)


def _of(schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give a batch the schema's comments; a cast would do, but imports pyarrow.compute for it."""
    if batch.schema.equals(schema):
        return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    return batch.cast(schema)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (DeltaError, duckdb.Error, OSError, pa.ArrowException) as error:
        raise RetryableStoreError(f"cannot read the lake: {' '.join(str(error).split())}") from error

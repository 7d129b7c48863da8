"""Queries of PostgreSQL: rows come through a cursor on the server, a few thousand at a time.

Bars are computed by the server. What `ticks` derives is computed here, by DuckDB as for the lake, because
PostgreSQL ends a query at a float that overflows.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
from psycopg import RawServerCursor

from stores.asked import checked_query
from stores.derive import derived_columns
from stores.postgres_link import Link, checked, connect, errors
from stores.postgres_queries import Statement, bars_statement, rows_statement
from stores.postgres_schema import columns, version
from stores.store import Query

_BATCH_ROWS: Final = 8_192
_DERIVED: Final = f"SELECT *, {derived_columns()} FROM source"


class PostgresReader:
    """Implements `stores.store.StoreReader`; every read has a connection and a snapshot of its own."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0, statement_seconds: float = 600.0) -> None:
        """Name the database; bound the time to connect, and the time to wait for the next rows."""
        self._url = checked(url)
        self._timeout_seconds = timeout_seconds
        self._statement_seconds = statement_seconds
        self._links: set[Link] = set()

    def read(self, query: Query) -> pa.RecordBatchReader:
        """Give the rows that the query asks for; UsageError where it asks for what there is not.

        Bars are whole: the range is that of their starts.
        """
        schema = checked_query(query)
        batches = self._told(self._batches(query))
        # The first batch is fetched here, so that most of what can go wrong is raised here.
        first = next(batches, None)
        return pa.RecordBatchReader.from_batches(schema, _chained(schema, first, batches))

    def close(self) -> None:
        """Let go of everything."""
        while self._links:
            self._links.pop().close()

    def _told(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with errors("cannot read the database"):
            yield from batches

    def _batches(self, query: Query) -> Iterator[pa.RecordBatch]:
        deadline = time.monotonic() + self._timeout_seconds
        link = connect(self._url, deadline, self._timeout_seconds, self._statement_seconds)
        self._links.add(link)
        try:
            if version(link) is None:
                return
            rows = self._rows(link, _statement(link, query))
            yield from _with_derived(rows) if query.table == "ticks" else rows
        finally:
            self._links.discard(link)
            link.close()

    def _rows(self, link: Link, statement: Statement) -> Iterator[pa.RecordBatch]:
        with link.transaction(), RawServerCursor(link, "rows", scrollable=False) as cursor:
            link.deadline = time.monotonic() + self._statement_seconds
            cursor.execute(statement.text, statement.values, binary=True)
            while rows := cursor.fetchmany(_BATCH_ROWS):
                yield _batch(statement.schema, rows)
                link.deadline = time.monotonic() + self._statement_seconds


def _statement(link: Link, query: Query) -> Statement:
    if query.table == "bars":
        return bars_statement(query, query.interval_ns or 0)
    return rows_statement(query, columns(link, query.table))


def _batch(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    columns_of = zip(zip(*rows, strict=True), schema.types, strict=True)
    arrays = [pa.array(values, kind) for values, kind in columns_of]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _with_derived(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        for batch in batches:
            connection.register("source", pa.Table.from_batches([batch]))
            yield from connection.sql(_DERIVED).to_arrow_reader(_BATCH_ROWS)


def _chained(
    schema: pa.Schema, first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first.cast(schema)
    for batch in rest:
        yield batch.cast(schema)

"""The store in PostgreSQL: plain tables, or hypertables where the database has TimescaleDB."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from psycopg import sql

from core.errors import RetryableStoreError, UsageError
from stores import postgres_timescale as timescale
from stores.postgres_binary import HEADER, TRAILER, encoded
from stores.postgres_link import Link, checked, connect, errors
from stores.postgres_schema import TIME, claim, prepare
from stores.schema import TABLES, check_rows, stored
from stores.store import WHOLE, BatchId, asked_for
from stores.times import times_of

_SLICE_ROWS: Final = 8_192
_FETCHED_ROWS: Final = 10_000
_DELETED_ROWS: Final = 10_000
_DELETING_SECONDS: Final = 2.0
_DAY_NS: Final = 86_400 * 10**9

# The lock on the store's row is what a successor waits for; without the row nothing is inserted.
_RECORD: Final = """
    INSERT INTO tapeline_batches AS held (session, table_name, number)
    SELECT %s, %s, %s FROM tapeline_store WHERE epoch = %s FOR SHARE
    ON CONFLICT (session, table_name) DO UPDATE SET number = greatest(held.number, excluded.number)
"""
_HOLDS: Final = """
    SELECT EXISTS (SELECT FROM tapeline_batches WHERE session = %s AND table_name = %s AND number >= %s)
    FROM tapeline_store WHERE epoch = %s
"""
_ORIGINS: Final = sql.SQL("SELECT line, frame << 20 | item FROM {} WHERE session = %s")
# Every 128th frame comes although nobody asks: no index leads to a line's frames (it would make each write
# a third slower), and while nothing is found, a server that searches looks like one that has stalled.
_SINCE: Final = sql.SQL("{} AND (frame & 127 = 0 OR NOT ({}))")
_BELOW: Final = sql.SQL("line = %s AND frame < %s")
_DELETE: Final = sql.SQL(
    "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE time_ns < %s LIMIT %s))"
)


class PostgresWriter:
    """Implements `stores.store.Store`; opening it shuts every earlier writer of the database out.

    A connection that was lost is replaced by the next call. That one too claims the store first, so
    whatever became of the last commit is settled when `holds` is asked.
    """

    def __init__(
        self,
        url: str,
        *,
        retention_days: int = 0,
        timeout_seconds: float = 10.0,
        clock_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the database, as `postgresql://user:password@host:port/database`; nothing is touched yet.

        Rows older than `retention_days` are deleted (0: never). No call takes longer than
        `timeout_seconds`, but for `origins` and `maintain`, of which no step does.
        """
        self._url = checked(url)
        self._retention_days = retention_days
        self._timeout_seconds = timeout_seconds
        self._clock_ns = clock_ns
        self._monotonic = monotonic
        self._link: Link | None = None
        self._epoch: int | None = None
        self._hypertables = timescale.Hypertables()

    def open(self) -> None:
        """Create or migrate the tables and take hold of them; StoreVersionError if they are newer."""
        self.close()
        with self._errors("cannot open the database"):
            link = self._link = self._connected()
            with link.transaction():
                self._hypertables = timescale.prepare(link, prepare(link), self._retention_days)
            self._epoch = claim(link, None)

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """Write the rows in one transaction that records the batch's id; none at all is a batch as well."""
        check_rows(table, rows)
        with self._errors(f"cannot write to {table}"):
            link = self._held()
            with link.transaction():
                recorded = link.execute(_RECORD, [batch.session, table, batch.number, self._epoch])
                if not recorded.rowcount:
                    raise _taken_over()
                if rows.num_rows:
                    _copy(link, table, rows)

    def holds(self, table: str, batch: BatchId) -> bool:
        """Tell whether the batch is in the table, or was superseded by a later one of its session."""
        with self._errors(f"cannot look into {table}"):
            link = self._held()
            row = link.execute(_HOLDS, [batch.session, table, batch.number, self._epoch]).fetchone()
            if row is None:
                raise _taken_over()
            return bool(row[0])

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Give, per line, the origins that the table has of a session, packed, in no certain order.

        `since` is as in `stores.store.Store`; the server reads the whole session all the same.
        """
        found: dict[str, list[npt.NDArray[np.int64]]] = defaultdict(list)
        stored(table)
        with self._errors(f"cannot read {table}"):
            link = self._held()
            with link.transaction(), link.cursor("origins", scrollable=False) as cursor:
                cursor.execute(*_origins(table, session, since), binary=True)
                while rows := cursor.fetchmany(_FETCHED_ROWS):
                    self._extend(link)
                    for line, packed in _by_line(rows).items():
                        if len(packed := asked_for(packed, since.get(line))):
                            found[line].append(packed)
        return {line: np.concatenate(packed) for line, packed in found.items()}

    def maintain(self) -> str | None:
        """Delete rows that are older than they are to be kept; say how many."""
        if not self._retention_days:
            return None
        before = self._clock_ns() - self._retention_days * _DAY_NS
        with self._errors("deleting old rows failed"):
            link = self._held()
            done = {table: self._delete(link, table, before) for table in TABLES}
        return "; ".join(f"deleted {done[table]} of {table}" for table in TABLES if done[table]) or None

    def close(self) -> None:
        """Let go of everything; legal at any time."""
        self._disconnect()
        self._epoch = None

    def _connected(self) -> Link:
        deadline = time.monotonic() + self._timeout_seconds
        return connect(self._url, deadline, self._timeout_seconds, self._timeout_seconds)

    def _held(self) -> Link:
        """Give the connection, a new one where the last was lost, with the whole time before it."""
        if self._epoch is None:
            raise RetryableStoreError("the database is not open")
        if self._link is not None:
            return self._extend(self._link)
        link = self._link = self._connected()
        epoch = claim(link, self._epoch)
        if epoch is None:
            raise _taken_over()
        self._epoch = epoch
        return link

    def _extend(self, link: Link) -> Link:
        link.deadline = time.monotonic() + self._timeout_seconds
        return link

    def _delete(self, link: Link, table: str, before_ns: int) -> str:
        """Delete, or for a hypertable drop, what is older; a little at a time, and not for long."""
        if table in self._hypertables.names:
            chunks = timescale.drop(self._extend(link), self._hypertables, table, before_ns)
            return f"{chunks} chunks" if chunks else ""
        over = self._monotonic() + _DELETING_SECONDS
        statement = _DELETE.format(table=sql.Identifier(table))
        deleted = 0
        while True:
            count = self._extend(link).execute(statement, [before_ns, _DELETED_ROWS]).rowcount
            deleted += count
            if count < _DELETED_ROWS or self._monotonic() >= over:
                return f"{deleted} rows" if deleted else ""

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Sort errors; but for a refusal of rows, what follows gets a new connection."""
        try:
            with errors(doing):
                yield
        except (RetryableStoreError, UsageError):
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()


def _copy(link: Link, table: str, rows: pa.Table) -> None:
    timed = rows.append_column(TIME, times_of(table, rows))
    with link.cursor() as cursor, cursor.copy(_copying(table)) as copy:
        for start in range(0, timed.num_rows, _SLICE_ROWS):
            stop = start + _SLICE_ROWS
            # Most batches are one slice, and so one packet.
            head, tail = b"" if start else HEADER, b"" if stop < timed.num_rows else TRAILER
            copy.write(b"".join((head, encoded(timed.slice(start, _SLICE_ROWS)), tail)))


@cache
def _copying(table: str) -> bytes:
    """Give the statement as it is sent: putting it together takes as long as the server takes for 20 rows."""
    names = (*TABLES[table].names, TIME.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    return (
        sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(table), columns).as_bytes()
    )


def _origins(table: str, session: int, since: Mapping[str, int]) -> tuple[sql.Composed, list[Any]]:
    """Ask for a session's origins, without most of those that are below `since`."""
    text = _ORIGINS.format(sql.Identifier(table))
    if since:
        text = _SINCE.format(text, sql.SQL(" OR ").join([_BELOW] * len(since)))
    return text, [session, *chain.from_iterable(since.items())]


def _by_line(rows: list[Any]) -> dict[str, npt.NDArray[np.int64]]:
    lines: dict[str, list[int]] = defaultdict(list)
    for line, packed in rows:
        lines[line].append(packed)
    return {line: np.array(packed, np.int64) for line, packed in lines.items()}


def _taken_over() -> RetryableStoreError:
    return RetryableStoreError("another writer has taken over the database")

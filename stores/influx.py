"""InfluxDB as a store, through the API of version 2: points in a bucket.

There are no transactions. Instead writing is repeatable: a row is always the same point (see
`stores.influx_lines`), so whatever was cut short is written again as a whole. The measurement
`tapeline_batches` tells which batches are complete: it is written behind their rows. A writer that was
replaced can do no harm with a late write either: it writes the points that its replacement writes.
Sessions are told apart by their numbers, so a bucket is for one data directory.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import RetryableStoreError
from stores.influx_http import InfluxConnection
from stores.influx_lines import RUN, bodies, hidden, run_of, shown
from stores.influx_query import VERSIONS, check_version, literal, select, series
from stores.schema import SCHEMA_VERSION, check_rows, stored
from stores.store import WHOLE, BatchId, asked_for, pack_origins

_BODY_BYTES: Final = 4 * 2**20
_NOTE_EVERY_NS: Final = 600 * 10**9
_BATCHES: Final = "tapeline_batches"


class InfluxWriter:
    """Implements `stores.store.Store`."""

    def __init__(
        self,
        url: str,
        *,
        org: str,
        bucket: str,
        token: str,
        timeout_seconds: float = 10.0,
        retention_days: int = 0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Name the bucket; nothing is sent yet.

        `timeout_seconds` bounds each request. `retention_days` is that of a bucket which `open` creates,
        0 for ever; an existing bucket keeps its own. UsageError where a token cannot be one.
        """
        self._connect = partial(
            InfluxConnection, url, org=org, bucket=bucket, token=token, timeout_seconds=timeout_seconds
        )
        self._connect().close()
        self._retention_days = retention_days
        self._clock_ns = clock_ns
        self._opened: InfluxConnection | None = None

    def open(self) -> None:
        """Create the bucket if need be, and note the tables' version; StoreVersionError if it is newer."""
        self.close()
        self._opened = connection = self._connect()
        connection.ensure_bucket(self._retention_days)
        check_version(connection)
        version = f"{VERSIONS} version={SCHEMA_VERSION}i {self._clock_ns()}\n"
        connection.write(version.encode(), of_rows=False)

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """Write the rows, then the batch's id; writing them again changes nothing."""
        check_rows(table, rows)
        for body in bodies(table, rows, _BODY_BYTES):
            self._connection.write(body)
        self._note(table, batch)

    def holds(self, table: str, batch: BatchId) -> bool:
        """Tell whether the batch is complete, or was superseded by a later one of its session."""
        stored(table)
        asked = (
            f'SELECT max("number") FROM "{_BATCHES}" '
            f'WHERE "table" = {literal(table)} AND "session" = \'{batch.session}\''
        )
        found = series(self._connection.query(asked), _BATCHES, (int,))
        return any(number >= batch.number for _, values in found for _, number in values)

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Give, per line, the origins that the table has of a session, packed, in no certain order.

        `since` is as in `stores.store.Store`; the server reads the whole session all the same.
        """
        if "session" not in stored(table).names:
            return {}
        where = [f'"{RUN}" = {literal(run_of(session))}', f'"session" = {session}', *_since(since)]
        asked = f'{select(table, ("frame", "item"), where)} GROUP BY "line"'
        found: dict[str, list[npt.NDArray[np.int64]]] = defaultdict(list)
        for tags, values in series(self._connection.query(asked), table, (int, int)):
            numbers = np.array(values, np.int64)
            line = shown(tags["line"])
            packed = pack_origins(numbers[:, 1], numbers[:, 2])
            if len(packed := asked_for(packed, since.get(line))):
                found[line].append(packed)
        return {line: np.concatenate(packed) for line, packed in found.items()}

    def maintain(self) -> None:
        """Nothing is due: the server compacts, and keeps the bucket's retention."""

    def close(self) -> None:
        """Let go of the connection; legal at any time."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def _note(self, table: str, batch: BatchId) -> None:
        # The time is now's, for a retention would refuse an old one; and coarse, so that points stay few.
        time_ns = self._clock_ns() // _NOTE_EVERY_NS * _NOTE_EVERY_NS
        note = f"{_BATCHES},session={batch.session},table={table} number={batch.number}i {time_ns}\n"
        self._connection.write(note.encode(), of_rows=False)

    @property
    def _connection(self) -> InfluxConnection:
        if self._opened is None:
            raise RetryableStoreError("the connection to InfluxDB is not open")
        return self._opened


def _since(since: Mapping[str, int]) -> Iterator[str]:
    """Give the conditions that leave out most of what is below `since`.

    Every 64th frame comes although nobody asks: frames have no index, and while nothing is found, a server
    that searches looks like one that has stalled.
    """
    for line, first in since.items():
        yield f'("line" != {literal(hidden(line, tag=True))} OR "frame" >= {first} OR "frame" % 64 = 0)'

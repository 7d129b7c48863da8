"""Read a store from a program or a notebook: what `query` reads, as Arrow.

    with open_store("config.toml") as store:
        bars = store.bars("BTC-USD", interval="1m", start="-1h")

A store can be read while the pipeline runs, from any process; every read sees what was committed before it.
Tables and columns are those of `docs/tables.md`: times are epoch ns, rows come oldest first, and ranges
include their start and not their end.
"""

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Final

import pyarrow as pa

from core.durations import duration_ns
from core.errors import RetryableStoreError, UsageError
from core.points import Point, moment_ns
from core.settings import Settings
from core.settings import Store as StoreSettings
from core.settings_loading import load
from core.suggest import quote
from stores.registry import open_reader, store_terms
from stores.schema import RESULTS
from stores.store import Query, StoreReader

Duration = timedelta | int | str
"""A length of time: a timedelta, ns, or text such as `1m`, `250ms`, `1h30m`."""
_MICROSECOND: Final = timedelta(microseconds=1)


def open_store(config: str | PathLike[str] | Settings, name: str | None = None) -> "OpenStore":
    """Open a store of a configuration (its file, or settings that are loaded): the first, or the one named.

    Raises SettingsError and UsageError, each in one line; nothing is connected to before the first read.
    """
    settings = config if isinstance(config, Settings) else load(Path(config), (), os.environ)
    chosen = _named(settings.stores, name)
    return OpenStore(open_reader(store_terms(settings, chosen)), chosen.name)


class OpenStore:
    """A store that is open for reading. It may be used from one thread at a time.

    Every method reads anew and raises UsageError for what cannot be asked, RetryableStoreError where the
    store cannot be read. `start` and `end` are an aware datetime, epoch ns, or text as for `query`: ISO 8601,
    an epoch number, `now`, `-1h`. `limit` is for the last so many rows. Without them everything comes, in
    memory; `batches` gives the same piece by piece.
    """

    def __init__(self, reader: StoreReader, name: str) -> None:
        """Take a reader; `open_store` finds it."""
        self.name = name
        self._reader: StoreReader | None = reader

    def ticks(
        self,
        symbol: str | None = None,
        start: Point | None = None,
        end: Point | None = None,
        venue: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Give accepted ticks, with their scores and features."""
        return self._all("ticks", symbol, start, end, venue, limit)

    def rejects(
        self,
        symbol: str | None = None,
        start: Point | None = None,
        end: Point | None = None,
        venue: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Give refused ticks and records that could not become ticks, each with its reason."""
        return self._all("rejects", symbol, start, end, venue, limit)

    def bars(
        self,
        symbol: str | None = None,
        interval: Duration = "1m",
        start: Point | None = None,
        end: Point | None = None,
        venue: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Give bars of accepted trades, those that start in the range: open to close, volume, vwap."""
        return self._all("bars", symbol, start, end, venue, limit, interval)

    def alerts(
        self,
        symbol: str | None = None,
        start: Point | None = None,
        end: Point | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Give what operators were told."""
        return self._all("alerts", symbol, start, end, None, limit)

    def gaps(
        self,
        symbol: str | None = None,
        start: Point | None = None,
        end: Point | None = None,
        venue: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Give the places where something is missing, and why."""
        return self._all("gaps", symbol, start, end, venue, limit)

    def dead_letters(
        self,
        symbol: str | None = None,
        start: Point | None = None,
        end: Point | None = None,
        venue: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Give the records that no actor could handle."""
        return self._all("dead_letters", symbol, start, end, venue, limit)

    def batches(
        self,
        table: str,
        symbol: str | None = None,
        start: Point | None = None,
        end: Point | None = None,
        venue: str | None = None,
        limit: int | None = None,
        interval: Duration | None = None,
    ) -> pa.RecordBatchReader:
        """Give a table of any size piece by piece: ticks, rejects, bars, alerts, gaps or dead_letters.

        The pieces have to be read before the store is closed. `interval` is for bars: 1m unless given.
        """
        if self._reader is None:
            raise UsageError(f"the store {quote(self.name)} is closed")
        return self._reader.read(_query(table, symbol, start, end, venue, limit, interval))

    def close(self) -> None:
        """Let go of everything; legal at any time."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> "OpenStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all(
        self,
        table: str,
        symbol: str | None,
        start: Point | None,
        end: Point | None,
        venue: str | None,
        limit: int | None,
        interval: Duration | None = None,
    ) -> pa.Table:
        batches = self.batches(table, symbol, start, end, venue, limit, interval)
        try:
            return batches.read_all()
        except (OSError, pa.ArrowException) as error:
            raise RetryableStoreError(
                f"the store {quote(self.name)} cannot be read: {' '.join(str(error).split())}"
            ) from error


def _query(
    table: str,
    symbol: str | None,
    start: Point | None,
    end: Point | None,
    venue: str | None,
    limit: int | None,
    interval: Duration | None,
) -> Query:
    if table not in RESULTS:
        raise UsageError(f"there is no table {quote(str(table))}; there are {', '.join(sorted(RESULTS))}")
    if interval is not None and table != "bars":
        raise UsageError(f"interval is the length of bars; {table} have none")
    if venue is not None and "venue" not in RESULTS[table].names:
        raise UsageError(f"{table} have no venue: leave it out")
    for name, text in (("symbol", symbol), ("venue", venue)):
        if not (text is None or isinstance(text, str)):
            raise UsageError(f"{name}: {quote(repr(text))} is no text")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UsageError(f"limit: {quote(repr(limit))} must be a whole number from 1 on")
    now_ns = time.time_ns()
    start_ns, end_ns = _point("start", start, now_ns), _point("end", end, now_ns)
    if start_ns is not None and end_ns is not None and start_ns > end_ns:
        raise UsageError(f"start {quote(str(start))} is later than end {quote(str(end))}")
    length = _length_ns("1m" if interval is None else interval) if table == "bars" else None
    return Query(table, venue, symbol, start_ns, end_ns, length, limit)


def _point(name: str, point: Point | None, now_ns: int) -> int | None:
    try:
        return None if point is None else moment_ns(point, now_ns)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _length_ns(interval: Duration) -> int:
    if isinstance(interval, timedelta):
        return interval // _MICROSECOND * 1_000
    if not isinstance(interval, str):
        return interval
    try:
        return duration_ns(interval)
    except ValueError as error:
        raise UsageError(f"interval: {error}") from None


def _named(stores: Sequence[StoreSettings], name: str | None) -> StoreSettings:
    for store in stores:
        if name in (None, store.name):
            return store
    known = ", ".join(store.name for store in stores)
    raise UsageError(f"there is no store {quote(str(name))}; known are {known}")

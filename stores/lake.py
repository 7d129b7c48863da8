"""The lake: Delta tables of Parquet files, written here and readable by anybody at any time."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
from deltalake.exceptions import DeltaError, SchemaMismatchError

from core.errors import PermanentStoreError, RetryableStoreError
from stores.lake_files import LakeFiles
from stores.lake_table import LakeTable
from stores.lake_upkeep import Upkeep, compact, expire, shorten_log, vacuum
from stores.schema import TABLES, check_rows
from stores.store import WHOLE, BatchId, pack_origins

_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")
"""delta-rs colours its errors, terminal or not."""


class LakeWriter:
    """Implements `stores.store.Store`; opening it shuts every earlier writer of the lake out."""

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        upkeep: Upkeep | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the lake: a directory or a URL such as `s3://bucket/lake`; nothing is touched yet."""
        self._root = root
        self._storage_options = dict(storage_options or {})
        self._upkeep = upkeep or Upkeep()
        self._clock_ns = clock_ns
        self._monotonic = monotonic
        self._tables: dict[str, LakeTable] = {}
        self._vacuum_due: dict[str, float] = {}
        self._expiry_due: dict[str, float] = {}
        self._expired: set[str] = set()

    def open(self) -> None:
        """Create or migrate the tables and take hold of them; StoreVersionError if they are newer."""
        with _errors("cannot open the lake"):
            self._tables = {
                name: LakeTable(name, LakeFiles(self._root, name, self._storage_options), self._clock_ns)
                for name in TABLES
            }
        self._vacuum_due = dict.fromkeys(TABLES, self._monotonic())
        self._expiry_due = dict(self._vacuum_due)
        # What a predecessor removed may not be deleted yet.
        self._expired = set(TABLES)

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """Write the rows in one commit that records the batch's id; none at all is a batch as well."""
        check_rows(table, rows)
        with _errors(f"cannot write to {table}"):
            self._table(table).add(rows, _app_id(batch.session), batch.number)

    def holds(self, table: str, batch: BatchId) -> bool:
        """Tell whether the batch is in the table, or was superseded by a later one of its session."""
        with _errors(f"cannot look into {table}"):
            return self._table(table).holds(_app_id(batch.session), batch.number)

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Give, per line, the origins that the table has of a session, packed, in no certain order.

        `since` is as in `stores.store.Store`; it skips row groups that are of one line, as most are once
        they were sorted by symbol, and files where the session has one line only.
        """
        found: dict[str, list[npt.NDArray[np.int64]]] = defaultdict(list)
        with _errors(f"cannot read {table}"):
            held = self._table(table)
            held.refresh()
            batches = held.dataset().to_batches(
                columns=["line", "frame", "item"], filter=_asked_for(session, since)
            )
            for rows in batches:
                packed = pack_origins(rows["frame"].to_numpy(), rows["item"].to_numpy())
                lines: Any = rows["line"].dictionary_encode()
                codes = lines.indices.to_numpy()
                for code, line in enumerate(lines.dictionary.to_pylist()):
                    found[line].append(packed[codes == code])
        return {line: np.concatenate(packed) for line, packed in found.items()}

    def maintain(self) -> str | None:
        """Remove old dates, compact, vacuum and shorten the log where it is due; say what was done."""
        with _errors("upkeep of the lake failed"):
            done = [text for table in self._tables.values() for text in self._maintained(table)]
        return "; ".join(done) or None

    def close(self) -> None:
        """Let go of everything; legal at any time."""
        self._tables = {}

    def _maintained(self, table: LakeTable) -> Iterator[str]:
        if self._upkeep.retention_days and self._monotonic() >= self._expiry_due[table.name]:
            yield from self._kept_short(table)
        if table.unmerged >= self._upkeep.small_files:
            yield from self._merged(table)

    def _kept_short(self, table: LakeTable) -> Iterator[str]:
        """Delete the files of the dates that the last turn removed, then remove what is old by now."""
        # Set first as well: what fails here must not keep tables from being merged at every call.
        self._expiry_due[table.name] = self._monotonic() + self._upkeep.vacuum_seconds
        if table.name in self._expired and (deleted := vacuum(table)):
            yield f"deleted {deleted} files of {table.name}"
        days = expire(table, self._upkeep.retention_days, self._clock_ns())
        self._expired.discard(table.name)
        if days:
            self._expired.add(table.name)
            yield f"removed {days} dates of {table.name}"
        # Counted from the commit, so that its files are out of use for long enough at the next turn.
        self._expiry_due[table.name] = self._monotonic() + self._upkeep.vacuum_seconds

    def _merged(self, table: LakeTable) -> Iterator[str]:
        merged = compact(table, self._upkeep, self._clock_ns() // 10**6)
        if not merged:
            return
        text = f"merged {merged} files of {table.name}"
        if self._monotonic() >= self._vacuum_due[table.name]:
            self._vacuum_due[table.name] = self._monotonic() + self._upkeep.vacuum_seconds
            text += f" and deleted {vacuum(table)}"
        shorten_log(table)
        yield text

    def _table(self, name: str) -> LakeTable:
        if name not in self._tables:
            raise RetryableStoreError("the lake is not open")
        return self._tables[name]


def _app_id(session: int) -> str:
    return f"tapeline/{session}"


def _asked_for(session: int, since: Mapping[str, int]) -> pc.Expression:
    """Say which rows: by what is left out, for then a row group of one line is skipped by its statistics."""
    asked: pc.Expression = pa_dataset.field("session") == session
    for line, first in since.items():
        asked &= ~((pa_dataset.field("line") == line) & (pa_dataset.field("frame") < first))
    return asked


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Sort what delta-rs and Arrow raise: only what the rows themselves are to blame for is permanent."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, SchemaMismatchError) as error:
        raise PermanentStoreError(f"{doing}: {_line(error)}") from error
    except (DeltaError, OSError, pa.ArrowException, ValueError, RuntimeError) as error:
        raise RetryableStoreError(f"{doing}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(_COLOUR.sub("", str(error)).split())

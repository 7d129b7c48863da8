"""The contract of a store: what the writer asks of it, and what a query asks of it.

Rows travel as Arrow tables of the schemas in `stores.schema`. A batch is written once: the writer
numbers its batches, a store keeps the number with the rows, and after a commit of unknown outcome
the writer asks `holds` before it writes again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

WHOLE: Final[Mapping[str, int]] = MappingProxyType({})
"""Of every line, all of a session's origins."""


@dataclass(frozen=True, slots=True)
class BatchId:
    """Names a batch for ever: the session that made it, and its number within the session and store."""

    session: int
    number: int


@dataclass(frozen=True, slots=True)
class Query:
    """What to read. Rows come ordered by time (event, else receive), then origin; oldest first."""

    table: str
    """ticks, rejects, bars, alerts, gaps or dead_letters."""
    venue: str | None = None
    symbol: str | None = None
    start_ns: int | None = None
    """Inclusive."""
    end_ns: int | None = None
    """Exclusive."""
    interval_ns: int | None = None
    """Length of a bar; required for bars, which start at whole multiples of it since the epoch."""
    limit: int | None = None
    """The last so many rows."""


class Store(Protocol):
    """The writer's side. Used from one thread. Errors are RetryableStoreError or PermanentStoreError."""

    def open(self) -> None:
        """Create or migrate the tables and take hold of them; StoreVersionError if they are newer."""

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """Write the rows in one transaction that records the batch's id."""

    def holds(self, table: str, batch: BatchId) -> bool:
        """Tell whether the batch is in the table, or was superseded by a later one of its session."""

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Give, per line, the origins that the table has of a session, packed by `pack_origins`.

        `since` is, by line, the first frame that is asked for; of a line that it does not name, all are.
        A line without any is left out.
        """

    def maintain(self) -> str | None:
        """Do some of the upkeep that is due (compaction, retention); say in words what was done, or None.

        The writer waits meanwhile, so no more is done at a time than a second or so takes; where something
        was done, this is called again soon.
        """

    def close(self) -> None:
        """Let go of everything; legal at any time."""


class StoreReader(Protocol):
    """The query's side: opened beside a writer, in any process."""

    def read(self, query: Query) -> pa.RecordBatchReader:
        """Give the rows that the query asks for, with the derived columns of `stores.schema`."""

    def close(self) -> None:
        """Let go of everything."""


def pack_origins(frame: Any, item: Any) -> npt.NDArray[np.int64]:
    """Pack frames and items into one int64 each, in the same order: frame · 2^20 + item."""
    return np.asarray(frame, np.int64) << 20 | np.asarray(item, np.int64)


def asked_for(packed: npt.NDArray[np.int64], first: int | None) -> npt.NDArray[np.int64]:
    """Give those of a line's packed origins that are of its first frame or later; all where it is None."""
    return packed if first is None else packed[packed >= pack_origins(first, 0)]

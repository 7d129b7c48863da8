"""A store that keeps its rows in lists, and fails when a test says so."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import RetryableStoreError
from stores.store import WHOLE, BatchId, pack_origins


class MemoryTables:
    """What outlives a store's handle: the disk, as it were."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.numbers: dict[tuple[str, int], int] = {}
        self.claim = 0
        """Counts up with every writer that opens a handle: earlier ones are shut out."""
        self.before_commit: Callable[[str, pa.Table], None] = lambda table, rows: None
        """Called before rows are kept; raises what a write is to fail with."""
        self.after_commit: Callable[[str, pa.Table], None] = lambda table, rows: None
        """Called once they are kept: a failure here is a commit of unknown outcome."""

    def origins(self) -> list[tuple[Any, ...]]:
        """Give the origins of all records, in the order in which they were kept."""
        return [
            (row["session"], row["line"], row["frame"], row["item"])
            for table in ("ticks", "rejects")
            for row in self.rows.get(table, [])
        ]


class MemoryStore:
    """A handle on MemoryTables; see stores.store.Store."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables
        self._claim = 0

    def open(self) -> None:
        """Shut earlier writers out."""
        self._tables.claim += 1
        self._claim = self._tables.claim

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """Keep the rows, unless the test says otherwise."""
        tables = self._tables
        tables.before_commit(table, rows)
        self._check_claim()
        assert not self.holds(table, batch), f"{batch} was written to {table} twice"
        tables.rows.setdefault(table, []).extend(rows.to_pylist())
        tables.numbers[table, batch.session] = batch.number
        tables.after_commit(table, rows)

    def holds(self, table: str, batch: BatchId) -> bool:
        """See stores.store.Store."""
        return self._tables.numbers.get((table, batch.session), -1) >= batch.number

    def _check_claim(self) -> None:
        if self._claim != self._tables.claim:
            raise RetryableStoreError("another writer has taken over")

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """See stores.store.Store."""
        lines: dict[str, list[tuple[int, int]]] = {}
        for row in self._tables.rows.get(table, []):
            if row["session"] == session and row["frame"] >= since.get(row["line"], row["frame"]):
                lines.setdefault(row["line"], []).append((row["frame"], row["item"]))
        return {line: pack_origins(*zip(*pairs, strict=True)) for line, pairs in lines.items()}

    def maintain(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

"""A store that takes every row and keeps none: to try the pipeline, or measure it, without a database."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.schema import result
from stores.store import WHOLE, BatchId, Query


class NullWriter:
    """See stores.store.Store."""

    def open(self) -> None:
        """Nothing is there to be opened."""

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """Forget the rows."""

    def holds(self, table: str, batch: BatchId) -> bool:
        """Say that it does not: nothing is kept."""
        return False

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Know none."""
        return {}

    def maintain(self) -> str | None:
        """Nothing is ever due."""
        return None

    def close(self) -> None:
        """Nothing is there to be let go of."""


class NullReader:
    """See stores.store.StoreReader."""

    def read(self, query: Query) -> pa.RecordBatchReader:
        """Give no row, in the shape of the table that is asked for."""
        schema = result(query.table)
        return pa.RecordBatchReader.from_batches(schema, [])

    def close(self) -> None:
        """Nothing is there to be let go of."""

"""Points from InfluxDB, gathered into Arrow batches of the stores' schema."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stores.influx_lines import shown
from stores.schema import BYTES, TEXT


class Waiting:
    """Points that have come, until they are enough for a batch."""

    def __init__(self, schema: pa.Schema, tags: Sequence[str], fields: Sequence[str]) -> None:
        self._schema = schema
        self._tags = tags
        self._fields = fields
        self._values: list[tuple[Any, ...]] = []
        self._runs: list[tuple[dict[str, str], int]] = []

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._values)

    def add(self, tags: dict[str, str], values: list[tuple[Any, ...]]) -> None:
        """Add points of one series: their time, fields and odd values."""
        self._values += values
        self._runs.append((tags, len(values)))

    def taken(self) -> pa.RecordBatch:
        """Give all as rows, and forget them."""
        _, *columns, odd = map(list, zip(*self._values, strict=True)) if self._values else self._nothing()
        found: dict[str, Any] = dict(zip(self._fields, columns, strict=True))
        for row, notes in enumerate(odd):
            for name, _, value in (note.partition("=") for note in (notes or "").split()):
                if name in found:
                    found[name][row] = float(value)
        counts = [count for _, count in self._runs]
        for name in self._tags:
            words = np.array(
                [shown(tags[name]) if tags.get(name) else None for tags, _ in self._runs], object
            )
            found[name] = np.repeat(words, counts)
        self._values, self._runs = [], []
        return pa.record_batch(
            [_column(found[field.name], field.type) for field in self._schema], schema=self._schema
        )

    def _nothing(self) -> list[list[Any]]:
        return [[] for _ in range(len(self._fields) + 2)]


def _column(values: Any, kind: pa.DataType) -> Any:
    if isinstance(values, np.ndarray):
        return pa.array(values, kind)
    if kind == BYTES:
        return pa.array([None if text is None else base64.b64decode(text) for text in values], kind)
    if kind == TEXT:
        return pa.array([None if text is None else shown(text) for text in values], kind)
    return pa.array(values, kind)

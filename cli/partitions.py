"""Where exported rows go: a directory a date and symbol, named as Hive does, and rows parted among them.

What a name cannot hold is percent-encoded (RFC 3986, UTF-8). The columns `date` and `symbol` are in the names
and not in the files, as readers of such directories expect.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import UsageError
from core.suggest import quote as quoted
from stores.schema import TIMES

NULL: Final = "__HIVE_DEFAULT_PARTITION__"
"""Stands for rows without a symbol, as Hive has it."""
LONGEST_NAME: Final = 255
"""Bytes that a file system takes as a name."""
SYMBOL: Final = "symbol"
_DAY_NS: Final = 86_400 * 10**9
_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """Rows of one date (UTC) and symbol; `symbol` is None where rows have none."""

    date: date
    symbol: str | None

    @property
    def path(self) -> str:
        """The directory's path, such as `date=2026-01-15/symbol=BTC-USD`."""
        return f"date={self.date.isoformat()}/{symbol_name(self.symbol)}"


def symbol_name(symbol: str | None) -> str:
    """Give the name of a symbol's directory; UsageError where no file system takes it."""
    if symbol is None:
        return f"{SYMBOL}={NULL}"
    encoded = quote(symbol, safe="")
    name = f"{SYMBOL}={encoded.replace('_', '%5F') if symbol == NULL else encoded}"
    if len(name) > LONGEST_NAME:
        raise UsageError(f"the symbol {quoted(symbol)} is too long for the name of a directory")
    return name


def symbol_of(name: str) -> str | None:
    """Give the symbol that a directory is named after."""
    encoded = name.removeprefix(f"{SYMBOL}=")
    return None if encoded == NULL else unquote(encoded, errors="strict")


def written_schema(schema: pa.Schema) -> pa.Schema:
    """Give the schema of the files: without what their directories tell."""
    return pa.schema([field for field in schema if field.name != SYMBOL])


def parted(table: str, batch: pa.RecordBatch) -> Iterator[tuple[Partition, pa.RecordBatch]]:
    """Part rows by date and symbol, in their order; a row without a time is of 1970-01-01."""
    if not batch.num_rows:
        return
    days = _days(table, batch)
    symbols: Any = batch[SYMBOL].dictionary_encode()
    codes = np.asarray(symbols.indices.fill_null(-1)).astype(np.int64)
    words = symbols.dictionary.to_pylist()
    rows = batch.select([name for name in batch.schema.names if name != SYMBOL])
    keys = np.stack((days, codes))
    order = np.lexsort((codes, days))
    cuts = np.flatnonzero(np.any(np.diff(keys[:, order]), axis=0)) + 1
    for places in np.split(order, cuts):
        day, code = int(days[places[0]]), int(codes[places[0]])
        partition = Partition(date.fromordinal(_EPOCH + day), None if code < 0 else words[code])
        yield partition, rows if len(places) == len(order) else rows.take(places)


def _days(table: str, batch: pa.RecordBatch) -> Any:
    names = TIMES.get(table, ("ts_ns",))
    times: Any = pc.coalesce(*(batch[name] for name in names))
    return np.asarray(times.fill_null(0)).astype(np.int64) // _DAY_NS

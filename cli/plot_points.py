"""What a plot shows of a symbol: read from a store piece by piece, thinned on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cli.thinning import Columns, Floats, Int64s, Series
from core.errors import UsageError
from core.suggest import quote
from stores.schema import TIMES
from stores.store import Query, StoreReader

LINES: Final = ("price", "bid", "ask", "vwap", "spread", "z")
"""The columns of `ticks` that are drawn as lines."""
DRAWN_COLUMNS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused tick, where it is marked."""

    ts_ns: int
    price: float
    """Its own; of a quote its mid; where it has none, the price before it."""
    z: float
    reason: str
    has_price: bool = True


@dataclass(slots=True)
class Points:
    """Everything that is drawn."""

    symbol: str
    venue: str | None
    lines: dict[str, Series]
    rejected: list[Rejected] = field(default_factory=list)
    ticks: int = 0

    @property
    def is_thinned(self) -> bool:
        """Whether a line has fewer points than there were."""
        return any(len(series.points()[0]) < series.seen for series in self.lines.values())

    def title(self) -> str:
        """Say what is shown, and that it was thinned where it was."""
        of = f"{self.symbol} ({self.venue})" if self.venue else self.symbol
        counts = f"{self.ticks:,} ticks, {len(self.rejected):,} rejected"
        thinned = "; lines thinned to the lowest and highest of each column of pixels"
        return f"{of}: {counts}{thinned if self.is_thinned else ''}"


def read_points(reader: StoreReader, query: Query) -> Points | None:
    """Read what is to be drawn for a query of `ticks`; None where there is nothing.

    UsageError where the symbol is of several venues.
    """
    refused = list(_filled(reader, replace(query, table="rejects")))
    last = list(_filled(reader, replace(query, limit=1)))
    if last and query.end_ns is None:
        # What comes in meanwhile would lie beyond the picture.
        query = replace(query, end_ns=int(_times(last[0])[-1]) + 1)
    ticks = _filled(reader, query)
    first = [batch for batch in (next(ticks, None),) if batch is not None]
    span = [int(at) for batch in (*first, *last, *refused) for at in _times(batch)[[0, -1]]]
    if not span:
        return None
    columns = Columns(min(span), max(span), DRAWN_COLUMNS)
    points = Points(query.symbol or "", query.venue, {name: Series(columns) for name in LINES})
    venues: set[str] = set()
    for batch in chain(first, ticks):
        _add(points, batch)
        venues.update(_words(batch, "venue"))
    for batch in refused:
        venues.update(_words(batch, "venue"))
        points.rejected += _rejected(batch)
    _check_venues(points.symbol, sorted(venues))
    points.venue = next(iter(venues), query.venue)
    points.rejected = _placed(points)
    return points


def _filled(reader: StoreReader, query: Query) -> Iterator[pa.RecordBatch]:
    return (batch for batch in reader.read(query) if batch.num_rows)


def _check_venues(symbol: str, venues: list[str]) -> None:
    if len(venues) > 1:
        of = ", ".join(venues)
        raise UsageError(f"{quote(symbol)} is of several venues: choose one with --venue: {of}")


def _add(points: Points, batch: pa.RecordBatch) -> None:
    times = _times(batch)
    points.ticks += batch.num_rows
    for name, series in points.lines.items():
        series.add(times, _floats(batch, name))


def _rejected(batch: pa.RecordBatch) -> list[Rejected]:
    price, bid, ask = (_floats(batch, name) for name in ("price", "bid", "ask"))
    with np.errstate(over="ignore", invalid="ignore"):
        price = np.where(np.isnan(price), (bid + ask) / 2, price)
    price[~np.isfinite(price)] = np.nan
    rows = zip(_times(batch), price, _floats(batch, "z"), batch["reason"].to_pylist(), strict=True)
    return [Rejected(int(at), float(p), float(z), str(reason)) for at, p, z, reason in rows]


def _placed(points: Points) -> list[Rejected]:
    """Put a refused tick without a price where the price was, so that it can be seen as well."""
    times, prices = points.lines["price"].points()
    if not len(times):
        times, prices = points.lines["bid"].points()
    placed = []
    for each in points.rejected:
        if np.isnan(each.price):
            before = max(0, int(np.searchsorted(times, each.ts_ns, "right")) - 1)
            price = float(prices[before]) if len(prices) else 0.0
            each = Rejected(each.ts_ns, price, each.z, each.reason, has_price=False)
        placed.append(each)
    return placed


def _times(batch: pa.RecordBatch) -> Int64s:
    event, received = (batch[name] for name in TIMES["ticks"])
    either: Any = pc.coalesce(event, received)
    times: Any = either.fill_null(0)
    found: Int64s = times.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _floats(batch: pa.RecordBatch, name: str) -> Floats:
    found: Floats = batch[name].to_numpy(zero_copy_only=False).astype(np.float64)
    # Arrow's own memory is not ours to write to.
    return found.copy()


def _words(batch: pa.RecordBatch, name: str) -> list[str]:
    column: Any = batch[name]
    return [word for word in column.unique().to_pylist() if word is not None]

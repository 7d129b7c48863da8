"""Which rows of a lake a query asks for, as an Arrow filter: it skips whole dates, files and row groups."""

from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset

from stores.lake_stats import DATE
from stores.schema import TIMES
from stores.store import Query

_DAY_NS: Final = 86_400 * 10**9
_EPOCH: Final = date(1970, 1, 1).toordinal()


def chosen_rows(table: str, query: Query, start_ns: int | None, end_ns: int | None) -> Any:
    """Give the rows' condition in a form that skips whole dates, files and row groups."""
    chosen: Any = pc.scalar(True)
    for name, wanted in (("venue", query.venue), ("symbol", query.symbol)):
        if wanted is not None:
            chosen &= pa_dataset.field(name) == pa.scalar(wanted, pa.utf8())
    if start_ns is not None:
        chosen &= pa_dataset.field(DATE.name) >= pa.scalar(_date(start_ns), DATE.type)
    if end_ns is not None:
        chosen &= pa_dataset.field(DATE.name) <= pa.scalar(_date(end_ns), DATE.type)
    if start_ns is not None or end_ns is not None:
        chosen &= within(TIMES[table], start_ns, end_ns)
    return chosen


def within(times: tuple[str, ...], start_ns: int | None, end_ns: int | None) -> Any:
    """Give the condition of a row's time, the first of these that is there."""
    time = pa_dataset.field(times[0])
    inside: Any = time.is_valid()
    if start_ns is not None:
        inside &= time >= pa.scalar(max(start_ns, -(2**63)), pa.int64())
    if end_ns is not None:
        inside &= time < pa.scalar(min(end_ns, 2**63 - 1), pa.int64())
    if len(times) == 1:
        return inside
    return inside | (time.is_null() & within(times[1:], start_ns, end_ns))


def _date(time_ns: int) -> date:
    time_ns = min(max(time_ns, -(2**63)), 2**63 - 1)
    return date.fromordinal(_EPOCH + time_ns // _DAY_NS)


def dates_of(dataset: pa_dataset.Dataset, chosen: pc.Expression) -> list[date]:
    """Give the dates that may have rows, in order."""
    dates = {
        pa_dataset.get_partition_keys(fragment.partition_expression).get(DATE.name)
        for fragment in dataset.get_fragments(filter=chosen)
    }
    return sorted(day for day in dates if day is not None)

"""What a query may ask for, whatever store it asks."""

from typing import Final

import pyarrow as pa

from core.errors import UsageError
from stores.schema import result
from stores.store import Query

LONGEST_BAR_NS: Final = 2**62


def checked_query(query: Query) -> pa.Schema:
    """Give the schema of the answer; UsageError where the query asks for what there is not."""
    schema = result(query.table)
    if query.table == "alerts" and query.venue is not None:
        raise UsageError("alerts have no venue: leave --venue out")
    interval = query.interval_ns
    if query.table == "bars" and (interval is None or not 0 < interval <= LONGEST_BAR_NS):
        raise UsageError(f"bars need an interval from 1 to {LONGEST_BAR_NS} ns: {interval}")
    return schema

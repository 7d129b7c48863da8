"""When rows happened."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stores.schema import TIMES


def times_of(table: str, rows: pa.Table) -> Any:
    """Give each row's time as epoch ns, an Arrow column; 0 for a row without."""
    first, *others = (rows[name] for name in TIMES[table])
    # Most venues send a time with everything.
    return pc.coalesce(first, *others, pa.scalar(0, pa.int64())) if first.null_count else first

"""Bars in PostgreSQL's own words, for `stores.derive`: of queries and of the views that TimescaleDB keeps.

PostgreSQL ends a query at a float that overflows or underflows. A size or price so large or so small that
products, sums and quotients could do so (beyond 1e70, below 1e-70, infinite) makes the volume or the
vwap of its bar undefined instead.
"""

from typing import Final

from stores.postgres_schema import UNIQUE

_LEAST: Final = "1e-70"
_MOST: Final = "1e70"
_NAN: Final = "'NaN'::double precision"


def _plain(column: str) -> str:
    return f"({column} = 0 OR abs({column}) BETWEEN {_LEAST} AND {_MOST})"


SIZE: Final = f"CASE WHEN size IS NULL OR {_plain('size')} THEN size ELSE {_NAN} END"
NOTIONAL: Final = (
    f"CASE WHEN size IS NULL THEN NULL WHEN {_plain('size')} AND {_plain('price')} THEN price * size "
    f"ELSE {_NAN} END"
)
FIRST: Final = f"(array_agg(price ORDER BY {', '.join(UNIQUE)}))[1]"
LAST: Final = f"(array_agg(price ORDER BY {', '.join(f'{column} DESC' for column in UNIQUE)}))[1]"

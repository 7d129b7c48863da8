"""A query as PostgreSQL understands it: pure text and values."""

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from stores.derive import TRADES, bar_range, bars_sql
from stores.postgres_bars import FIRST, LAST, NOTIONAL, SIZE
from stores.postgres_schema import TIME, TYPES
from stores.schema import BARS, TABLES, TIES
from stores.store import Query

_TRADES: Final = ", ".join(f"'{kind}'" for kind in TRADES)


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT with its values, whose places are numbered ($1)."""

    schema: pa.Schema
    """Of the rows that it gives."""
    text: str
    values: tuple[Any, ...]


def rows_statement(query: Query, present: frozenset[str]) -> Statement:
    """Ask for rows of a stored table; a column that older tables lack is NULL."""
    schema = TABLES[query.table]
    conditions = _Conditions(query, query.start_ns, query.end_ns)
    listed = ", ".join(
        field.name if field.name in present else f"NULL::{TYPES[field.type]} AS {field.name}"
        for field in schema
    )
    text = f"SELECT {listed}, {TIME.name} FROM {query.table} WHERE {conditions.text}"
    keys = (TIME.name, *TIES[query.table])
    return _ordered(schema, text, keys, query.limit, conditions)


def bars_statement(query: Query, interval_ns: int) -> Statement:
    """Ask for the bars that start in the query's range, each with all of its trades."""
    conditions = _Conditions(query, *bar_range(query.start_ns, query.end_ns, interval_ns))
    chosen = f"kind IN ({_TRADES}) AND price IS NOT NULL AND {conditions.text}"
    trades = f"(SELECT * FROM ticks WHERE {chosen}) AS trades"
    text = bars_sql(trades, TIME.name, f"{interval_ns}::bigint", FIRST, LAST, SIZE, NOTIONAL)
    return _ordered(BARS, text, ("ts_ns", "venue", "symbol"), query.limit, conditions)


class _Conditions:
    """What selects rows."""

    def __init__(self, query: Query, start_ns: int | None, end_ns: int | None) -> None:
        self.values: list[Any] = []
        asked = [
            f"{name} = {self.place(wanted)}"
            for name, wanted in (("venue", query.venue), ("symbol", query.symbol))
            if wanted is not None
        ]
        if start_ns is not None:
            asked.append(f"{TIME.name} >= {self.place(max(start_ns, -(2**63)))}::bigint")
        if end_ns is not None:
            asked.append(f"{TIME.name} < {self.place(min(end_ns, 2**63 - 1))}::bigint")
        self.text = " AND ".join(asked) or "true"

    def place(self, value: Any) -> str:
        """Take a value, and give its place in the text."""
        self.values.append(value)
        return f"${len(self.values)}"


def _ordered(
    schema: pa.Schema, text: str, keys: tuple[str, ...], limit: int | None, conditions: _Conditions
) -> Statement:
    forth = ", ".join(keys)
    if limit is not None:
        back = ", ".join(f"{key} DESC" for key in keys)
        place = conditions.place(max(limit, 0))
        text = f"SELECT * FROM ({text}) AS found ORDER BY {back} LIMIT {place}::bigint"
    listed = ", ".join(schema.names)
    return Statement(
        schema, f"SELECT {listed} FROM ({text}) AS found ORDER BY {forth}", tuple(conditions.values)
    )

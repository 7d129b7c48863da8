"""What a query computes instead of a store keeping it: SQL that DuckDB and PostgreSQL both understand.

A value that is undefined (no sizes, no volume, beyond what a float holds) is NULL. PostgreSQL ends a query
at a float that overflows or underflows; whoever asks it has to keep such numbers from these expressions.
"""

from collections.abc import Mapping
from typing import Final


def _finite(expression: str) -> str:
    """Give NULL for infinity and NaN, whose difference with itself is not 0."""
    return f"CASE WHEN ({expression}) - ({expression}) = 0 THEN {expression} END"


_MID: Final = "(bid + ask) / 2"

DERIVED_SQL: Final[Mapping[str, str]] = {
    "mid": _finite(_MID),
    "spread": _finite("ask - bid"),
    "spread_bps": _finite(f"(ask - bid) / NULLIF({_MID}, 0) * 10000"),
    "microprice": _finite("(bid * ask_size + ask * bid_size) / NULLIF(bid_size + ask_size, 0)"),
}
"""The expressions of `stores.schema.DERIVED`, over the columns of `ticks`."""

NOTIONAL: Final = "price * size"
TRADES: Final = ("trade", "both")
"""The kinds of tick that bars are made of."""


def derived_columns() -> str:
    """Give the derived columns as a SELECT list."""
    return ", ".join(f"{expression} AS {name}" for name, expression in DERIVED_SQL.items())


def bars_sql(
    trades: str, time: str, interval: str, first: str, last: str, size: str = "size", notional: str = NOTIONAL
) -> str:
    """Give the query of bars over accepted trades, unordered.

    `trades` is a relation with the columns of `ticks`, `time` a tick's time, `interval` the placeholder
    of a bar's length in ns. The rest is as for `bar_columns`, the order being that of
    (tick_ns, session, line, frame, item).
    """
    remainder = f"(tick_ns % {interval})"
    start = f"tick_ns - CASE WHEN {remainder} < 0 THEN {remainder} + {interval} ELSE {remainder} END"
    return f"""
        SELECT venue, symbol, ts_ns, {bar_columns(first, last, size, notional)}
        FROM (SELECT *, {start} AS ts_ns FROM (SELECT *, {time} AS tick_ns FROM {trades}) AS timed) AS cut
        GROUP BY venue, symbol, ts_ns
    """


def bar_columns(first: str, last: str, size: str = "size", notional: str = NOTIONAL) -> str:
    """Give what a bar says of its trades, as a SELECT list.

    `first` and `last` give the price of a group's first and last trade in the order of time and origin:
    databases differ there. So they do in what they make of numbers beyond a float's range: where an
    error would end the query, `size` and `notional` (price · size) give NaN for them instead. A bar without
    sizes has neither volume nor vwap; vwap = sum(price · size) / sum(size) over the trades that have a size.
    """
    volume, volume_weighted = f"sum({size})", f"sum({notional}) / NULLIF(sum({size}), 0)"
    return (
        f"{first} AS open, max(price) AS high, min(price) AS low, {last} AS close, "
        f"{_finite(volume)} AS volume, {_finite(volume_weighted)} AS vwap, count(*) AS trades"
    )


def bar_range(start_ns: int | None, end_ns: int | None, interval_ns: int) -> tuple[int, int | None]:
    """Give the range of trades that makes whole the bars which start in [start, end).

    Never reaches so far back that the start of a bar would not fit an int64.
    """
    earliest = -(2**63) + interval_ns
    start = earliest if start_ns is None else max(_ceil(start_ns, interval_ns), earliest)
    return start, None if end_ns is None else _ceil(end_ns, interval_ns)


def _ceil(time_ns: int, interval_ns: int) -> int:
    return -(-time_ns // interval_ns) * interval_ns

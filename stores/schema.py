"""The tables that a store keeps, and what a query gives: one Arrow schema each, every column described.

Times are UTC epoch nanoseconds; what is absent is NULL, never NaN and never a placeholder. The text
beside a column travels as the field's `comment`, which lake readers show, and becomes `docs/tables.md`.
"""

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from core.errors import PermanentStoreError, UsageError

SCHEMA_VERSION: Final = 1
"""Counts up with each change of the stored tables; a store keeps it beside them."""

TEXT: Final = pa.utf8()
INT64: Final = pa.int64()
INT32: Final = pa.int32()
FLOAT: Final = pa.float64()
BYTES: Final = pa.binary()


def _column(name: str, kind: pa.DataType, comment: str) -> "pa.Field[Any]":
    return pa.field(name, kind, metadata={"comment": comment})


_VENUE: Final = _column("venue", TEXT, "The exchange's name in Tapeline, such as `coinbase`.")
_SYMBOL: Final = _column("symbol", TEXT, "The instrument in the venue's own spelling.")
_RECEIVED: Final = _column("ts_recv_ns", INT64, "When it was received, by our clock; epoch ns.")
_ORIGIN: Final = (
    _column("session", INT64, "The run that received it; negative for a replay."),
    _column("line", TEXT, "The connection, as `feed/connection/A`."),
    _column("frame", INT64, "The frame's place on its line, counted on across reconnects."),
    _column("item", INT32, "The record's place in its frame."),
)
ORIGIN: Final = tuple(field.name for field in _ORIGIN)
"""Orders what has the same time, and names a record for ever."""

TICKS: Final = pa.schema(
    (
        _VENUE,
        _SYMBOL,
        _column("kind", TEXT, "`trade`, `quote` or `both`."),
        _column("ts_event_ns", INT64, "The venue's own time; epoch ns. NULL where it sends none."),
        _RECEIVED,
        _column("price", FLOAT, "Price of the trade, in the quote currency."),
        _column("size", FLOAT, "Size of the trade, in the base currency or in contracts."),
        _column("side", TEXT, "The aggressor's: `buy`, `sell`, or NULL where not told."),
        _column("bid", FLOAT, "Best bid, in the quote currency."),
        _column("bid_size", FLOAT, "Size at the best bid."),
        _column("ask", FLOAT, "Best ask, in the quote currency."),
        _column("ask_size", FLOAT, "Size at the best ask."),
        _column("venue_id", TEXT, "The venue's identity of the tick, as text."),
        _column("verdict", TEXT, "`ok` or `warn`; `reject` in `rejects`."),
        _column("z", FLOAT, "Distance of the price from its window's mean, in standard deviations."),
        _column("vwap", FLOAT, "Volume-weighted average price of the window's trades; quote currency."),
        _column("spread_mean", FLOAT, "Mean of ask minus bid over the window, in the quote currency."),
        _column("momentum", FLOAT, "Volume-weighted mean log return of the window's trades."),
        _column(
            "imbalance",
            FLOAT,
            "Buy minus sell volume over their sum, of sided trades; -1 to 1.",
        ),
        _column("volatility", FLOAT, "Population standard deviation of the log returns, not annualised."),
        *_ORIGIN,
    )
)
REJECTS: Final = pa.schema(
    (
        *TICKS,
        _column("reason", TEXT, "Why the record was refused, such as `crossed_market` or `bad_price`."),
        _column("raw", BYTES, "The record's bytes, at most 64 KiB, of what could not be decoded."),
    )
)
GAPS: Final = pa.schema(
    (
        _VENUE,
        _column("symbol", TEXT, "The instrument; NULL where the whole line is meant."),
        _column("line", TEXT, "The connection, as `feed/connection/A`."),
        _column("cause", TEXT, "`sequence`, `reconnect` or `shed`."),
        _column("first_missing", INT64, "First id or frame that is missing; NULL where not known."),
        _column("last_missing", INT64, "Last id or frame that is missing; NULL where not known."),
        _column("ts_recv_ns", INT64, "When the gap was noticed, by our clock; epoch ns."),
        _ORIGIN[0],
        _column("frame", INT64, "The frame behind which the gap was noticed."),
        _ORIGIN[3],
    )
)
ALERTS: Final = pa.schema(
    (
        _column("ts_ns", INT64, "When the alert was raised, by our clock; epoch ns."),
        _column("kind", TEXT, "What it is about, such as `warn`, `gap`, `stale_line` or `breaker`."),
        _column("feed", TEXT, "The feed's name in the configuration; NULL where none is meant."),
        _column("symbol", TEXT, "The instrument; NULL where none is meant."),
        _column("actor", TEXT, "Who raised it."),
        _column("text", TEXT, "What an operator reads."),
        _column("held_back", INT64, "How many of the same kind the rate limit kept back since the last one."),
    )
)
DEAD_LETTERS: Final = pa.schema(
    (
        _VENUE,
        _column("symbol", TEXT, "The instrument; NULL where it could not be read."),
        *_ORIGIN,
        _RECEIVED,
        _column("actor", TEXT, "Who could not handle the record."),
        _column("error", TEXT, "What went wrong."),
        _column("raw", BYTES, "The record as JSON, or the frame's bytes."),
    )
)
DERIVED: Final = pa.schema(
    (
        _column("mid", FLOAT, "(bid + ask) / 2, in the quote currency."),
        _column("spread", FLOAT, "ask - bid, in the quote currency."),
        _column("spread_bps", FLOAT, "spread / mid, in basis points."),
        _column(
            "microprice",
            FLOAT,
            "(bid · ask_size + ask · bid_size) / (bid_size + ask_size), in the quote currency.",
        ),
    )
)
"""What a query of `ticks` adds; NULL where undefined."""
BARS: Final = pa.schema(
    (
        _VENUE,
        _SYMBOL,
        _column("ts_ns", INT64, "Start of the bar, a whole multiple of the interval since the epoch; ns."),
        _column("open", FLOAT, "Price of the first trade, in the quote currency."),
        _column("high", FLOAT, "Highest price."),
        _column("low", FLOAT, "Lowest price."),
        _column("close", FLOAT, "Price of the last trade."),
        _column("volume", FLOAT, "Sum of the sizes; NULL where no trade of the bar has one."),
        _column("vwap", FLOAT, "Volume-weighted average price; NULL where there is no volume."),
        _column("trades", INT64, "How many trades."),
    )
)

TABLES: Final[Mapping[str, pa.Schema]] = {
    "ticks": TICKS,
    "rejects": REJECTS,
    "gaps": GAPS,
    "alerts": ALERTS,
    "dead_letters": DEAD_LETTERS,
}
"""What a store keeps."""
RESULTS: Final[Mapping[str, pa.Schema]] = {
    **TABLES,
    "ticks": pa.schema((*TICKS, *DERIVED)),
    "bars": BARS,
}
"""What a query gives, by the name that it asks for."""
TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "ticks": ("ts_event_ns", "ts_recv_ns"),
    "rejects": ("ts_event_ns", "ts_recv_ns"),
    "gaps": ("ts_recv_ns",),
    "alerts": ("ts_ns",),
    "dead_letters": ("ts_recv_ns",),
}
"""A row's time is the first of these that is not NULL."""
TIES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(TABLES, ORIGIN),
    "alerts": ("kind", "feed", "symbol", "actor", "text"),
}
"""What orders the rows of one time."""


def check_rows(table: str, rows: pa.Table) -> None:
    """Raise PermanentStoreError unless the rows are of the table's schema."""
    if not rows.schema.equals(stored(table)):
        raise PermanentStoreError(f"these rows are not of the schema of {table}: {rows.schema.names}")


def stored(table: str) -> pa.Schema:
    """Give the schema of a stored table; PermanentStoreError where there is none of this name."""
    if table not in TABLES:
        raise PermanentStoreError(f"there is no table {table!r} to write to")
    return TABLES[table]


def result(table: str) -> pa.Schema:
    """Give the schema of what a query of this name gives; UsageError where there is none."""
    if table not in RESULTS:
        raise UsageError(f"there is no table {table!r}; there are {', '.join(sorted(RESULTS))}")
    return RESULTS[table]

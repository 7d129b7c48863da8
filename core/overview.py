"""How everything stands, as the operator sees it: plain values that JSON can hold."""

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any

from core.ledger import FrozenCounts, Ledger, total
from core.standing import Standing


def cut_ledger(
    reports: Mapping[str, tuple[FrozenCounts, FrozenCounts]],
    writers: Mapping[str, str],
    gone: Mapping[str, FrozenCounts] = MappingProxyType({}),
) -> Ledger:
    """Make the ledger of a cut from each actor's (counts, in flight); `writers` names their stores.

    `gone` are the counts of stores that were removed: they come last.
    """
    shared = total(part for actor, parts in reports.items() if actor not in writers for part in parts)
    stores = {store: total(reports[actor]) for actor, store in writers.items() if actor in reports}
    return Ledger(shared, {**stores, **{store: dict(counts) for store, counts in gone.items()}})


def symbol_row(feed: str, symbol: str, standing: Standing, ticks_per_second: float) -> dict[str, Any]:
    """Give one symbol's line; None where a value is not defined yet."""
    row: dict[str, Any] = {"feed": feed, "symbol": symbol}
    for name in ("last", "bid", "ask", "spread_mean", "vwap", "momentum", "z"):
        value = getattr(standing, name)
        row[name] = value if isfinite(value) else None
    return {**row, "ticks": standing.ticks, "rejects": standing.rejects, "ticks_per_second": ticks_per_second}

"""Rows of a store, scored once more from their prices."""

import math
from typing import Any, Final

from core.records import BUY, NO_SIDE, OK, QUOTE, REJECT, SELL, TRADE, WARN
from core.scoring import ScoringRules, initial_state, resized, score
from tests.core.reference import Tick, block_of, rows_of
from tests.support.system import System

FEATURES: Final = ("z", "vwap", "spread_mean", "momentum", "imbalance", "volatility")
SIDES: Final = {"buy": BUY, "sell": SELL, None: NO_SIDE}
SCORED: Final = (None, "critical_z", "crossed_market")
"""Reasons with which a tick was judged."""
VERDICTS: Final = {OK: "ok", WARN: "warn", REJECT: "reject"}


def scored_rows(system: System, symbol: str) -> list[tuple[Any, ...]]:
    """Give each tick of a symbol that was scored, in order, and what was stored of it."""
    rows = [row for table in ("ticks", "rejects") for row in system.tables.rows.get(table, [])]
    found = [row for row in rows if row["symbol"] == symbol and row["verdict"] is not None]
    found = [row for row in found if row.get("reason") in SCORED]
    found.sort(key=lambda row: (row["ts_recv_ns"], row["line"], row["frame"], row["item"]))
    return [(row, row["verdict"], *(row[name] for name in FEATURES)) for row in found]


def rescored(told: list[tuple[Any, ...]], old: ScoringRules, new: ScoringRules, at: int) -> list[Any]:
    """Score a symbol's ticks again, the first `at` of them by the old rules."""
    ticks = []
    for row, *_ in told:
        price, size, bid, ask = (
            math.nan if row[name] is None else row[name] for name in ("price", "size", "bid", "ask")
        )
        ticks.append(
            Tick(QUOTE if row["price"] is None else TRADE, price, size, SIDES[row["side"]], bid, ask)
        )
    state, before = score(initial_state(old), block_of(ticks[:at]), old)
    _, after = score(resized(state, new.window), block_of(ticks[at:]), new)
    return [
        (VERDICTS[row.verdict], *(None if math.isnan(value) else value for value in row[2:]))
        for scores in (before, after)
        for row in rows_of(scores)
    ]

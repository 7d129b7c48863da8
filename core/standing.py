"""How a symbol stands, for the operator's view; worked out when somebody looks."""

from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np

from core.records import REJECT, Floats, Scores, TickBlock

PENDING: Final = 64
"""Blocks that may wait to be looked at."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest value of each kind among a symbol's accepted ticks; NaN before there is one.

    The values are those before `pending`; `settled` gives those of now.
    """

    last: float = nan
    """Price of the last trade."""
    bid: float = nan
    ask: float = nan
    spread_mean: float = nan
    vwap: float = nan
    momentum: float = nan
    z: float = nan
    """Of the last tick that was judged, refused ones included."""
    ticks: int = 0
    """Scored since the detector first started."""
    rejects: int = 0
    pending: tuple[tuple[TickBlock, Scores], ...] = ()
    """Blocks whose values have not been looked at; oldest first."""

    def after(self, block: TickBlock, scores: Scores, rejects: int) -> "Standing":
        """Give the standing after a block of which so many ticks were rejected."""
        # In the order of the fields: `replace` would take longer than all else.
        later = Standing(
            self.last, self.bid, self.ask, self.spread_mean, self.vwap, self.momentum, self.z,
            self.ticks + len(block), self.rejects + rejects, (*self.pending, (block, scores)),
        )  # fmt: skip
        return later if len(later.pending) < PENDING else later.settled()

    def settled(self) -> "Standing":
        """Give the same with every block looked at, the newest first: that one mostly has it all."""
        values = dict.fromkeys(_COLUMNS, nan)
        for block, scores in reversed(self.pending):
            missing = [name for name, value in values.items() if value != value]
            if not missing:
                break
            accepted = scores.verdict != REJECT
            for name in missing:
                column = _COLUMNS[name]
                values[name] = _newest(getattr(block, column)[accepted] if column else getattr(scores, name))
        known = {name: getattr(self, name) if value != value else value for name, value in values.items()}
        return Standing(**known, ticks=self.ticks, rejects=self.rejects)  # type: ignore[arg-type]


_COLUMNS: Final = {
    "last": "price", "bid": "bid", "ask": "ask",
    "spread_mean": None, "vwap": None, "momentum": None, "z": None,
}  # fmt: skip
"""Where a value stands in a block; None: among the scores."""


def _newest(values: Floats) -> float:
    """Give the last value that is there."""
    newest: float = values.item(-1) if len(values) else nan
    if newest == newest:
        return newest
    present = np.flatnonzero(values == values)
    return values.item(present[-1]) if len(present) else nan

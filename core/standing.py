"""How a symbol stands, for the operator's view; kept up block by block."""

from dataclasses import dataclass
from math import nan

import numpy as np

from core.records import REJECT, Floats, Scores, TickBlock


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest value of each kind among a symbol's accepted ticks; NaN before there is one."""

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

    def after(self, block: TickBlock, scores: Scores) -> "Standing":
        """Give the standing after a block."""
        refused = scores.verdict == REJECT
        accepted = ~refused
        return Standing(
            _newest(block.price[accepted], self.last),
            _newest(block.bid[accepted], self.bid),
            _newest(block.ask[accepted], self.ask),
            _newest(scores.spread_mean, self.spread_mean),
            _newest(scores.vwap, self.vwap),
            _newest(scores.momentum, self.momentum),
            _newest(scores.z, self.z),
            self.ticks + len(block),
            self.rejects + int(np.count_nonzero(refused)),
        )


def _newest(values: Floats, before: float) -> float:
    """Give the last value that is there."""
    if len(values) and values[-1] == values[-1]:
        return float(values[-1])
    present = values[~np.isnan(values)]
    return float(present[-1]) if len(present) else before

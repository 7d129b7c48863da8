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
        rejects = int(np.count_nonzero(refused))
        price, bid, ask = block.price, block.bid, block.ask
        if rejects:
            accepted = ~refused
            price, bid, ask = price[accepted], bid[accepted], ask[accepted]
        return Standing(
            _newest(price, self.last),
            _newest(bid, self.bid),
            _newest(ask, self.ask),
            _newest(scores.spread_mean, self.spread_mean),
            _newest(scores.vwap, self.vwap),
            _newest(scores.momentum, self.momentum),
            _newest(scores.z, self.z),
            self.ticks + len(block),
            self.rejects + rejects,
        )


def _newest(values: Floats, before: float) -> float:
    """Give the last value that is there."""
    newest = values.item(-1) if len(values) else nan
    if newest == newest:
        return newest
    present = np.flatnonzero(values == values)
    return values.item(present[-1]) if len(present) else before

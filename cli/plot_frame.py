"""What both kinds of picture share: colours, marks, and how far the axis of prices goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cli.plot_points import Points, Rejected
from cli.thinning import Int64s

COLOURS: Final[Mapping[str, str]] = {
    "price": "#1f4e79", "bid": "#2a9d4a", "ask": "#c2571a", "vwap": "#7b3fa0", "spread": "#5f6b76",
    "z": "#1f4e79",
}  # fmt: skip
REJECTED: Final = ("#e6003d", "#ff7f00", "#b8006f", "#8a1c00", "#d4a000", "#7f0000", "#ff4fa3", "#a05000")
"""Of the reasons, in the order of the alphabet."""
WARN: Final = "#d99a00"
CRITICAL: Final = "#e6003d"
Instants = npt.NDArray[np.datetime64]
MARGIN: Final = 0.25
"""Beyond the accepted prices, in parts of their range; a refused price further away is marked at the edge."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The refused ticks of one reason."""

    reason: str
    colour: str
    times: Instants
    heights: list[float]
    """Within the axis of prices."""
    texts: list[str]
    """What each was, price and z included."""
    z: list[float]


def price_range(points: Points) -> tuple[float, float]:
    """Give the ends of the axis of prices: what was accepted, and some room."""
    found = [points.lines[name].points()[1] for name in ("price", "bid", "ask")]
    values = np.concatenate(found)
    if not len(values):
        values = np.array([each.price for each in points.rejected])
    low, high = float(values.min()), float(values.max())
    room = (high - low) * MARGIN or abs(high) * 0.001 or 1.0
    return low - room, high + room


def marks(points: Points) -> list[Marks]:
    """Give all refused ticks, a reason at a time."""
    low, high = price_range(points)
    reasons = sorted({each.reason for each in points.rejected})
    return [
        _marked(reason, REJECTED[number % len(REJECTED)], low, high, points.rejected)
        for number, reason in enumerate(reasons)
    ]


def _marked(reason: str, colour: str, low: float, high: float, rejected: Sequence[Rejected]) -> Marks:
    chosen = [each for each in rejected if each.reason == reason]
    return Marks(
        reason,
        colour,
        instants(np.array([each.ts_ns for each in chosen], np.int64)),
        [min(max(each.price, low), high) for each in chosen],
        [_text(each) for each in chosen],
        [each.z for each in chosen],
    )


def instants(times: Int64s) -> Instants:
    """Give epoch ns as UTC times that plotting libraries know."""
    return times.astype("datetime64[ns]")


def _text(each: Rejected) -> str:
    price = f"{each.price:.10g}" if each.has_price else "no price"
    return f"{each.reason}: {price}" + ("" if np.isnan(each.z) else f", z {each.z:.2f}")

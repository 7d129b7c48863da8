"""A symbol's newest ticks, as the price chart is fed with them: first all, then what is new."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cli.wording import amount, decimals_of, number, plain, time_of_day
from web.model import Recent
from web.page.cells import Row, Tone, row

ASKED_TICKS: Final = 1_000
BAND_TICKS: Final = 200
"""The band is as wide as this many prices scatter."""
BAND_STDS: Final = 2.0
MOST_MARKED: Final = 8
TYPICAL_TICKS: Final = 40
NS_PER_MS: Final = 1e6
Prices = npt.NDArray[np.float64]
COLUMNS: Final = ("price", "bid", "ask", "vwap", "spread", "z", "verdict", "reason")


@dataclass(slots=True)
class TickFeed:
    """What one open page has of the chosen symbol's ticks."""

    _keys: list[tuple[Any, ...]] = field(default_factory=list)
    _placed: list[int] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    marks: list[Row] = field(default_factory=list)
    """The newest ticks that were warned or refused, the newest first."""

    def changes(self, recent: Recent) -> dict[str, Any]:
        """Give what the page has not got yet.

        `anew`: it replaces all that is there. `drop`: so many of the newest that are there go first. `ts_ms`
        are UTC epoch ms with fractions, ascending; `low` and `high` bound the band around the VWAP. All
        columns are of one length.
        """
        keys = list(zip(recent.ts_ns, recent.price, recent.bid, recent.ask, recent.z, strict=True))
        placed, known = ascending(recent.ts_ns), overlap(self._keys, keys)
        # A time that turned out to be wrong has others take another place.
        moved = self._placed[len(self._placed) - known :] != placed[:known]
        begin = 0 if moved else known
        self._keys, self._placed = keys, placed
        low, high = band(recent.price, recent.vwap, recent.verdict)
        decimals = _decimals(recent)
        self._mark(recent, known, decimals)
        return {
            "anew": known == 0,
            "drop": known if moved else 0,
            "decimals": decimals,
            "ts_ms": [ts_ns / NS_PER_MS for ts_ns in placed[begin:]],
            **{name: list(getattr(recent, name)[begin:]) for name in COLUMNS},
            "low": low[begin:],
            "high": high[begin:],
        }

    def _mark(self, recent: Recent, begin: int, decimals: int) -> None:
        places = [i for i in range(begin, len(recent.ts_ns)) if recent.verdict[i] != "ok"][-MOST_MARKED:]
        fresh = [_marked(recent, i, f"{next(self._numbers)}", decimals) for i in places]
        self.marks = [*reversed(fresh), *self.marks][:MOST_MARKED]


def _decimals(recent: Recent) -> int:
    # A mid may have any number of digits, which are not the symbol's.
    quoted = [value for column in (recent.bid, recent.ask) for value in column[-TYPICAL_TICKS:] if value]
    return decimals_of(*(quoted or recent.price[-TYPICAL_TICKS:]))


def ascending(times: Sequence[int]) -> list[int]:
    """Give times that never fall, changing as few as possible: what is out of order takes a neighbour's.

    A venue's time may be hours off, either way, or a little behind that of the tick before. What stays is a
    longest subsequence that does not fall (Fredman 1975). Cost: n log n.
    """
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for i, time in enumerate(times):
        length = bisect_right(ends, time)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1] = [time]
        places[length : length + 1] = [i]
    kept: set[int] = set()
    i = places[-1] if places else -1
    while i >= 0:
        kept.add(i)
        i = before[i]
    current = times[min(kept)] if kept else 0
    return [current := time if i in kept else current for i, time in enumerate(times)]


def overlap(old: Sequence[Any], new: Sequence[Any]) -> int:
    """Count how many of the first of `new` are the last of `old`; both are windows on one sequence.

    The longest such overlap. Cost: linear, as long as few entries are alike.
    """
    if not old:
        return 0
    for end in range(len(new) - 1, -1, -1):
        n = end + 1
        if new[end] == old[-1] and n <= len(old) and list(old[-n:]) == list(new[:n]):
            return n
    return 0


def band(
    price: Sequence[float | None], vwap: Sequence[float | None], verdict: Sequence[str]
) -> tuple[list[float | None], list[float | None]]:
    """Give the VWAP less and plus two standard deviations of the accepted prices up to each tick.

    The population's standard deviation of the last `BAND_TICKS` accepted prices, of fewer at the beginning;
    None where there is no VWAP, or fewer than two prices. Cost: constant a tick.
    """
    accepted = np.array(
        [p if p is not None and v != "reject" else np.nan for p, v in zip(price, verdict, strict=True)],
        dtype=np.float64,
    )
    there = np.isfinite(accepted)
    if not there.any():
        return [None] * len(price), [None] * len(price)
    std = _rolling_std(accepted[there])[np.maximum(np.cumsum(there) - 1, 0)]
    std[np.cumsum(there) < 2] = np.nan
    bounds: tuple[list[float | None], list[float | None]] = ([], [])
    for centre, width in zip(vwap, (BAND_STDS * std).tolist(), strict=True):
        known = centre is not None and width == width
        bounds[0].append(centre - width if known and centre is not None else None)
        bounds[1].append(centre + width if known and centre is not None else None)
    return bounds


def _rolling_std(prices: Prices) -> Prices:
    # Sums of deviations from the newest price keep the digits that sums of squares of prices would lose.
    deviations = prices - prices[-1]
    sums, squares = (np.concatenate([[0.0], np.cumsum(deviations**power)]) for power in (1, 2))
    end = np.arange(1, len(prices) + 1)
    begin = np.maximum(end - BAND_TICKS, 0)
    n = end - begin
    mean = (sums[end] - sums[begin]) / n
    variance: Prices = np.maximum((squares[end] - squares[begin]) / n - mean**2, 0.0)
    return np.sqrt(variance)


def _marked(recent: Recent, i: int, key: str, decimals: int) -> Row:
    price, verdict = recent.price[i], plain(recent.verdict[i], 20)
    tone: Tone = "bad" if verdict == "reject" else "warn"
    why = plain(recent.reason[i]) if verdict == "reject" else "far from its recent prices"
    return row(
        key,
        (_time(recent.ts_ns[i]), "muted"),
        (verdict, tone),
        (amount(price, decimals), ""),
        (amount(number(recent.z[i]), 2), ""),
        (why, ""),
    )


def _time(ts_ns: int) -> str:
    ms = ts_ns // 1_000_000
    return f"{time_of_day(ts_ns)}.{ms % 1000:03}"

"""The detector's rules once more, in fractions and 60 decimal digits: slow, obvious, and exact enough.

What the compiled kernels are compared with. Also builds the blocks that their tests feed in.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from core.records import (
    BOTH,
    BUY,
    CRITICAL_Z,
    CROSSED_MARKET,
    NO_REASON,
    NO_SIDE,
    OK,
    QUOTE,
    REJECT,
    SELL,
    TRADE,
    WARN,
    ScoredBlock,
    Scores,
    TickBlock,
    freeze,
)
from core.scoring import ScoringRules

NAN = math.nan
DIGITS = Context(prec=60, Emax=99_999, Emin=-99_999)


class Tick(NamedTuple):
    """One row of a block, as far as the detector looks at it."""

    kind: int
    price: float = NAN
    size: float = NAN
    side: int = NO_SIDE
    bid: float = NAN
    ask: float = NAN


class Row(NamedTuple):
    """One row of scores, in the order of the columns of `Scores`."""

    verdict: int
    reason: int
    z: float
    vwap: float
    spread_mean: float
    momentum: float
    imbalance: float
    volatility: float


def trade(price: float, size: float = 1.0, side: int = BUY) -> Tick:
    return Tick(TRADE, price, size, side)


def quote(bid: float, ask: float) -> Tick:
    return Tick(QUOTE, bid=bid, ask=ask)


def both(price: float, bid: float, ask: float, size: float = 1.0, side: int = BUY) -> Tick:
    return Tick(BOTH, price, size, side, bid, ask)


def block_of(ticks: Sequence[Tick], line: str = "demo/0/A", venue_id: Any = None) -> TickBlock:
    n = len(ticks)

    def floats(name: str) -> Any:
        return freeze(np.array([getattr(tick, name) for tick in ticks], np.float64))

    def codes(name: str) -> Any:
        return freeze(np.array([getattr(tick, name) for tick in ticks], np.int8))

    frames = freeze(np.arange(n))
    absent = freeze(np.full(n, np.nan))
    return TickBlock(
        feed="demo",
        venue="demo",
        symbol="BTC-USD",
        session=1,
        line=line,
        kind=codes("kind"),
        ts_event_ns=frames,
        ts_recv_ns=frames,
        price=floats("price"),
        size=floats("size"),
        side=codes("side"),
        bid=floats("bid"),
        bid_size=absent,
        ask=floats("ask"),
        ask_size=absent,
        venue_id=frames if venue_id is None else venue_id,
        frame=frames,
        item=freeze(np.zeros(n, np.int32)),
    )


def rows_of(scores: Scores) -> list[Row]:
    columns = [getattr(scores, name).tolist() for name in Row._fields]
    return [Row(*row) for row in zip(*columns, strict=True)]


def scored(ticks: TickBlock, verdicts: Sequence[int]) -> ScoredBlock:
    """Give a block with the verdicts told and no feature defined."""
    verdict = freeze(np.array(verdicts, np.int8))
    nothing = freeze(np.full(len(verdicts), np.nan))
    return ScoredBlock(ticks, Scores(verdict, freeze(np.zeros(len(verdicts), np.int8)), *[nothing] * 6))


@dataclass
class Reference:
    """The rules as they are written, over lists that hold a whole window."""

    rules: ScoringRules
    judged: dict[bool, deque[Fraction]] = field(init=False)
    trades: deque[tuple[Decimal, Decimal, int]] = field(init=False)
    spreads: deque[Decimal] = field(init=False)

    def __post_init__(self) -> None:
        window = self.rules.window
        self.judged = {True: deque(maxlen=window), False: deque(maxlen=window)}
        self.trades, self.spreads = deque(maxlen=window), deque(maxlen=window)

    def rows(self, ticks: Sequence[Tick]) -> Iterator[Row]:
        for tick in ticks:
            with localcontext(DIGITS):
                yield self._row(tick)

    def _row(self, tick: Tick) -> Row:
        two_sided = not (math.isnan(tick.bid) or math.isnan(tick.ask))
        if two_sided and tick.bid >= tick.ask:
            return Row(REJECT, CROSSED_MARKET, NAN, *self._features())
        z = self._z(tick, two_sided)
        if z is not None and z >= Decimal(self.rules.critical_z):
            return Row(REJECT, CRITICAL_Z, float(z), *self._features())
        if tick.kind != QUOTE:
            size = Decimal(0) if math.isnan(tick.size) else Decimal(tick.size)
            self.trades.append((Decimal(tick.price), size, tick.side))
        if tick.kind != TRADE and two_sided:
            self.spreads.append(Decimal(tick.ask) - Decimal(tick.bid))
        verdict = WARN if z is not None and z >= Decimal(self.rules.warn_z) else OK
        return Row(verdict, NO_REASON, NAN if z is None else float(z), *self._features())

    def _z(self, tick: Tick, two_sided: bool) -> Decimal | None:
        if tick.kind == QUOTE and not two_sided:
            return None
        price = Fraction(tick.price) if tick.kind != QUOTE else Fraction(_mid(tick.bid, tick.ask))
        window = self.judged[tick.kind == QUOTE]
        window.append(price)
        if len(window) < self.rules.min_history:
            return None
        mean = sum(window, Fraction(0)) / len(window)
        variance = sum(((entry - mean) ** 2 for entry in window), Fraction(0)) / len(window)
        floor = Decimal(self.rules.min_std_bps) * Decimal("1e-4") * abs(_decimal(mean))
        std = max(_decimal(variance).sqrt(), floor) + Decimal(self.rules.epsilon)
        return abs(_decimal(price - mean)) / std if price != mean else Decimal(0)

    def _features(self) -> tuple[float, float, float, float, float]:
        prices = [price for price, _, _ in self.trades]
        volumes = [volume for _, volume, _ in self.trades]
        returns = [(after / before).ln() for before, after in pairwise(prices)]
        bought = sum(volume for _, volume, side in self.trades if side == BUY)
        sold = sum(volume for _, volume, side in self.trades if side == SELL)
        moved = sum(volume * change for volume, change in zip(volumes[1:], returns, strict=True))
        notional = sum(price * volume for price, volume, _ in self.trades)
        return (
            _ratio(notional, sum(volumes)),
            _ratio(sum(self.spreads), len(self.spreads)),
            _ratio(moved, sum(volumes[1:])),
            _ratio(bought - sold, bought + sold),
            _population_std(returns),
        )


def _mid(bid: float, ask: float) -> float:
    # Rounded to a float: the exact one would differ in digits that no float has.
    return float((Fraction(bid) + Fraction(ask)) / 2)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _ratio(over: Any, under: Any) -> float:
    return float(Decimal(over) / Decimal(under)) if under else NAN


def _population_std(values: list[Decimal]) -> float:
    if not values:
        return NAN
    mean = sum(values, Decimal(0)) / len(values)
    return float((sum(((value - mean) ** 2 for value in values), Decimal(0)) / len(values)).sqrt())

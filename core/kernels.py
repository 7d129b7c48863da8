"""The detector's arithmetic, compiled: one pass over a block judges its ticks and works out the features.

Formulas: docs/features.md. `core.scoring` is the door to this module; importing it loads numba.

Every value is computed over the window's content anew, so nothing drifts, and it is summed in the order of
the ring's memory, which follows from the sequence of ticks alone: where blocks begin and end changes no
bit. The sums may be reassociated (`SUMS`), which is what lets them use vector instructions: four times
faster, and the last bits may differ between kinds of CPU.

Numba's cache notices changes of this file only. So the compiled code is one module, and whatever it shares
with others is written out here once more; a test holds the copies equal.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

# core.records
TRADE: Final = 0
QUOTE: Final = 1
OK: Final = 0
WARN: Final = 1
REJECT: Final = 2
NO_REASON: Final = 0
CROSSED_MARKET: Final = 1
CRITICAL_Z: Final = 2

# core.symbol_state
FEATURES: Final = 5
VWAP, SPREAD_MEAN, MOMENTUM, IMBALANCE, VOLATILITY = range(FEATURES)
RINGS: Final = 7
JUDGED_PRICES, JUDGED_MIDS, PRICES, VOLUMES, SIGNED_VOLUMES, RETURNS, SPREADS = range(RINGS)
COUNTERS: Final = 4
SEEN_PRICES, SEEN_MIDS, SEEN_TRADES, SEEN_QUOTES = range(COUNTERS)

TINY: Final = 1e-280
HUGE: Final = 1e300
"""Beyond these a product may have lost digits or overflowed, and is worked out anew in scaled numbers."""

PLAIN: Final = {"nogil": True, "error_model": "numpy"}
SUMS: Final = {**PLAIN, "fastmath": {"reassoc"}}


def compiled(*signatures: Any, **options: Any) -> Callable[[F], F]:
    """Compile a function with numba: as `numba.njit`, keeping the type that its callers see."""
    return cast(Callable[[F], F], numba.njit(list(signatures) or None, **options))


def _column(dtype: Any) -> Any:
    return types.Array(dtype, 1, "C", readonly=True)


SIGNATURE: Final = types.void(
    types.float64[::1],
    types.int64[::1],
    types.int64,
    *[types.float64] * 4,
    *[_column(types.int8)] * 2,
    *[_column(types.float64)] * 4,
    types.float64[:, ::1],
    types.int8[:, ::1],
)


@compiled(**PLAIN)
def _minus(a: float, b: float) -> float:
    # A function of its own, not in SUMS: reassociation may not take a difference of near prices apart.
    return a - b


@compiled(**SUMS)
def _sum_from(ring: Any, n: int, origin: float) -> float:
    total = 0.0
    for i in range(n):
        total += _minus(ring[i], origin)
    return total


@compiled(**SUMS)
def _squares_from(ring: Any, n: int, origin: float, mean: float) -> float:
    total = 0.0
    for i in range(n):
        deviation = _minus(_minus(ring[i], origin), mean)
        total += deviation * deviation
    return total


@compiled(**SUMS)
def _trade_sums(prices: Any, volumes: Any, signed: Any, returns: Any, n: int, mean: float) -> Any:
    volume = notional = moved = net = sided = squares = 0.0
    for i in range(n):
        volume += volumes[i]
        notional += volumes[i] * prices[i]
        moved += volumes[i] * returns[i]
        net += signed[i]
        sided += abs(signed[i])
        deviation = _minus(returns[i], mean)
        squares += deviation * deviation
    return volume, notional, moved, net, sided, squares


@compiled(**PLAIN)
def _scaled_z(ring: Any, n: int, price: float, epsilon: float, min_std_bps: float) -> float:
    """Give z where squares overflow or vanish: everything in units of the largest deviation."""
    unit = 0.0
    for i in range(n):
        unit = max(unit, abs(ring[i] - price))
    mean = 0.0
    for i in range(n):
        mean += (ring[i] - price) / unit
    mean /= n
    variance = 0.0
    for i in range(n):
        variance += ((ring[i] - price) / unit - mean) ** 2
    std = max(math.sqrt(variance / n), min_std_bps * 1e-4 * abs(price / unit + mean))
    return abs(mean) / (std + epsilon / unit)


@compiled(**PLAIN)
def _z_score(ring: Any, n: int, price: float, epsilon: float, min_std_bps: float) -> float:
    # Deviations are taken from the newest price: such a difference of near prices is exact, and where z is
    # large the mean of them is not small against its terms, so that z keeps its digits at any ratio of
    # price to std.
    mean = _sum_from(ring, n, price) / n
    if mean == 0.0:
        return 0.0
    variance = _squares_from(ring, n, price, mean) / n
    if not TINY < variance < HUGE:
        return _scaled_z(ring, n, price, epsilon, min_std_bps)
    std = max(math.sqrt(variance), min_std_bps * 1e-4 * abs(price + mean))
    return abs(mean) / (std + epsilon)


@compiled(**PLAIN)
def _log_return(price: float, previous: float) -> float:
    ratio = price / previous
    if TINY < ratio < HUGE:
        return math.log(ratio)
    return math.log(price) - math.log(previous)


@compiled(**PLAIN)
def _scaled_mean(weights: Any, values: Any, n: int, left_out: int) -> float:
    """Give Σwx / Σw without entry `left_out`, where sums overflow or products vanish."""
    heaviest = 0.0
    for i in range(n):
        if i != left_out:
            heaviest = max(heaviest, weights[i])
    weight = 0.0
    for i in range(n):
        if i != left_out:
            weight += weights[i] / heaviest
    mean = 0.0
    for i in range(n):
        if i != left_out:
            mean += weights[i] / heaviest / weight * values[i]
    return mean if heaviest > 0.0 else np.nan


@compiled(**PLAIN)
def _scaled_imbalance(signed: Any, n: int) -> float:
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(signed[i]))
    net = sided = 0.0
    for i in range(n):
        net += signed[i] / largest
        sided += abs(signed[i]) / largest
    return net / sided  # 0 / 0, so NaN, where no trade has a side


@compiled(**PLAIN)
def _trade_features(features: Any, rings: Any, n: int, newest: int, oldest: int) -> None:
    prices, volumes, signed, returns = rings[PRICES], rings[VOLUMES], rings[SIGNED_VOLUMES], rings[RETURNS]
    # The returns between the window's trades add up to the one from its oldest to its newest.
    mean = _log_return(prices[newest], prices[oldest]) / (n - 1) if n > 1 else 0.0
    # The oldest trade's return came from a predecessor that has left: its volume weighs no return, and a
    # return equal to the mean adds nothing to the squares.
    first_volume, first_return = volumes[oldest], returns[oldest]
    volumes[oldest], returns[oldest] = 0.0, mean
    moved_volume, notional, moved, net, sided, squares = _trade_sums(
        prices, volumes, signed, returns, n, mean
    )
    volumes[oldest], returns[oldest] = first_volume, first_return
    volume = moved_volume + first_volume
    notional += first_volume * prices[oldest]

    vanishing = volume > 0.0 and (notional < TINY or 0.0 < moved_volume < TINY)
    if vanishing or not (volume < HUGE and notional < HUGE):
        features[VWAP] = _scaled_mean(volumes, prices, n, -1)
        features[MOMENTUM] = _scaled_mean(volumes, returns, n, oldest)
        features[IMBALANCE] = _scaled_imbalance(signed, n)
    else:
        features[VWAP] = notional / volume
        features[MOMENTUM] = moved / moved_volume
        features[IMBALANCE] = net / sided
    features[VOLATILITY] = math.sqrt(squares / (n - 1)) if n > 1 else np.nan


@compiled(**PLAIN)
def _accept_trade(features: Any, rings: Any, counters: Any, price: float, size: float, side: int) -> None:
    window = rings.shape[1]
    newest = counters[SEEN_TRADES] % window
    change = 0.0
    if counters[SEEN_TRADES] > 0:
        change = _log_return(price, rings[PRICES, (newest if newest > 0 else window) - 1])
    volume = size if 0.0 < size < np.inf else 0.0
    rings[PRICES, newest] = price
    rings[VOLUMES, newest] = volume
    rings[SIGNED_VOLUMES, newest] = side * volume
    rings[RETURNS, newest] = change
    counters[SEEN_TRADES] += 1
    n = min(counters[SEEN_TRADES], window)
    oldest = counters[SEEN_TRADES] % window if n == window else 0
    _trade_features(features, rings, n, newest, oldest)


@compiled(**PLAIN)
def _accept_quote(features: Any, rings: Any, counters: Any, spread: float) -> None:
    spreads = rings[SPREADS]
    spreads[counters[SEEN_QUOTES] % spreads.size] = spread
    counters[SEEN_QUOTES] += 1
    n = min(counters[SEEN_QUOTES], spreads.size)
    mean = _sum_from(spreads, n, 0.0) / n
    if not mean < HUGE:
        mean = 0.0
        for i in range(n):
            mean += spreads[i] / n
    features[SPREAD_MEAN] = mean


@compiled(**PLAIN)
def _mid(bid: float, ask: float) -> float:
    mid = (bid + ask) * 0.5
    return mid if mid < np.inf else bid * 0.5 + ask * 0.5


@compiled(**PLAIN)
def _score(
    floats: Any,
    counters: Any,
    min_history: int,
    warn_z: float,
    critical_z: float,
    epsilon: float,
    min_std_bps: float,
    kind: Any,
    side: Any,
    price: Any,
    size: Any,
    bid: Any,
    ask: Any,
    numbers: Any,
    codes: Any,
) -> None:
    n = kind.size
    if not (n == side.size == price.size == size.size == bid.size == ask.size):
        raise ValueError("the columns of a block differ in length")
    if numbers.shape != (1 + FEATURES, n) or codes.shape != (2, n):
        raise ValueError("the results have not the block's length")
    if counters.size != COUNTERS or floats.size <= FEATURES or (floats.size - FEATURES) % RINGS != 0:
        raise ValueError("not the arrays of a symbol's state")
    window = (floats.size - FEATURES) // RINGS
    features = floats[:FEATURES]
    rings = floats[FEATURES:].reshape((RINGS, window))

    for i in range(n):
        two_sided = not (np.isnan(bid[i]) or np.isnan(ask[i]))
        verdict, reason, z = OK, NO_REASON, np.nan
        if two_sided and bid[i] >= ask[i]:
            verdict, reason = REJECT, CROSSED_MARKET
        else:
            if kind[i] == QUOTE:
                judged, seen = _mid(bid[i], ask[i]), SEEN_MIDS
            else:
                judged, seen = price[i], SEEN_PRICES
            priced = 0.0 < judged < np.inf
            if priced:
                ring = rings[JUDGED_MIDS if kind[i] == QUOTE else JUDGED_PRICES]
                ring[counters[seen] % window] = judged
                counters[seen] += 1
                held = min(counters[seen], window)
                if held >= min_history:
                    z = _z_score(ring, held, judged, epsilon, min_std_bps)
            if z >= critical_z:
                verdict, reason = REJECT, CRITICAL_Z
            else:
                if z >= warn_z:
                    verdict = WARN
                if priced and kind[i] != QUOTE:
                    _accept_trade(features, rings, counters, judged, size[i], side[i])
                if two_sided and kind[i] != TRADE:
                    _accept_quote(features, rings, counters, ask[i] - bid[i])
        codes[0, i] = verdict
        codes[1, i] = reason
        numbers[0, i] = z
        for j in range(FEATURES):
            numbers[1 + j, i] = features[j]


@compiled(SIGNATURE, cache=True, **PLAIN)
def score_ticks(
    floats: Any, counters: Any, min_history: int, warn_z: float, critical_z: float, epsilon: float,
    min_std_bps: float, kind: Any, side: Any, price: Any, size: Any, bid: Any, ask: Any, numbers: Any,
    codes: Any,
) -> None:  # fmt: skip
    """Judge a block's n ticks in order, and change the state in `floats` and `counters` with each of them.

    Writes z and the five features to `numbers` (6, n), verdict and reason to `codes` (2, n). Takes writable
    and read-only columns alike. Raises ValueError where lengths disagree. Cost: about 0.2 µs a trade at
    window 200.
    """
    _score(
        floats, counters, min_history, warn_z, critical_z, epsilon, min_std_bps,
        kind, side, price, size, bid, ask, numbers, codes,
    )  # fmt: skip


@compiled(SIGNATURE, cache=True, error_model="numpy")
def score_few(
    floats: Any, counters: Any, min_history: int, warn_z: float, critical_z: float, epsilon: float,
    min_std_bps: float, kind: Any, side: Any, price: Any, size: Any, bid: Any, ask: Any, numbers: Any,
    codes: Any,
) -> None:  # fmt: skip
    """Do as `score_ticks`, keeping the interpreter's lock: to get it back takes longer than a short block."""
    _score(
        floats, counters, min_history, warn_z, critical_z, epsilon, min_std_bps,
        kind, side, price, size, bid, ask, numbers, codes,
    )  # fmt: skip

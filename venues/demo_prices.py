"""How the demo market's prices move, and when its ticks come: pure, the randomness is given."""

import math
from collections import deque
from hashlib import blake2b
from random import Random
from typing import Final

WINDOW: Final = 200
"""Prices that a z-score is taken over, as in the detector's default."""
EPSILON: Final = 1e-8

_KNOWN: Final = {"BTC-USD": (60_000.0, 2), "ETH-USD": (3_000.0, 2), "SOL-USD": (150.0, 2)}

# Moves are per tick of a symbol, not per second, so that a window looks alike at every rate. The
# transient part outweighs the walk within a window: prices of an honest market then seldom exceed
# z = 2.5, and what does is mostly a seeded fault.
_FACTOR_STD: Final = 5e-6
_OWN_STD: Final = 5e-6
_TRANSIENT_STD: Final = 2.5e-4
_TRANSIENT_KEPT: Final = 0.4

# Uniform, since a bounded shock keeps honest prices within a z-score's bounds; its std is width/sqrt(3).
_SHOCK: Final = math.sqrt(3 * (1 - _TRANSIENT_KEPT**2)) * _TRANSIENT_STD

_BRANCHING: Final = 0.6
_CLUSTER_TICKS: Final = 6.0


def first_price(symbol: str) -> tuple[float, int]:
    """Give the price that a symbol starts at, in its quote currency, and the decimals it is quoted in.

    A symbol that is not known gets a price between 1 and 1,000 from a stable hash of its name.
    """
    if symbol in _KNOWN:
        return _KNOWN[symbol]
    digest = blake2b(symbol.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    magnitude = 3 * int.from_bytes(digest, "big") / 2**64
    return 10**magnitude, 5 - min(int(magnitude), 2)


class Factor:
    """The news that all symbols share: a random walk in log price."""

    def __init__(self, rng: Random, ticks_per_second: float) -> None:
        self._rng = rng
        self._ticks_per_second = ticks_per_second
        self._offset_ns = 0
        self.level = 0.0

    def advance(self, offset_ns: int) -> float:
        """Walk on to an offset, which must not lie before the last one, and give the level there."""
        ticks = (offset_ns - self._offset_ns) * 1e-9 * self._ticks_per_second
        self._offset_ns = offset_ns
        self.level += self._rng.gauss(0.0, 1.0) * _FACTOR_STD * math.sqrt(ticks)
        return self.level


class Price:
    """One symbol's mid: shared factor, own random walk, and a transient part that reverts (AR(1))."""

    def __init__(self, symbol: str, rng: Random) -> None:
        first, self.decimals = first_price(symbol)
        self._log_first = math.log(first)
        self._rng = rng
        self._own = 0.0
        self._transient = 0.0

    def step(self, factor: float) -> float:
        """Move by one tick and give the mid, unrounded."""
        self._own += self._rng.gauss(0.0, _OWN_STD)
        self._transient = _TRANSIENT_KEPT * self._transient + self._rng.uniform(-_SHOCK, _SHOCK)
        return math.exp(self._log_first + factor + self._own + self._transient)


class Arrivals:
    """Bursty arrival times: a Hawkes process with an exponential kernel, thinned after Ogata (1981).

    Each tick raises the rate for the next few, so that 60 % of all ticks are caused by others; the
    mean rate over a long time is `ticks_per_second`.
    """

    def __init__(self, rng: Random, ticks_per_second: float) -> None:
        self._rng = rng
        self._base = ticks_per_second * (1 - _BRANCHING)
        self._excited = ticks_per_second * _BRANCHING
        self._decay = ticks_per_second / _CLUSTER_TICKS

    def wait_ns(self) -> int:
        """Give the time from the last tick to the next, at least 1 ns."""
        waited = 0.0
        while True:
            bound = self._base + self._excited
            step = self._rng.expovariate(bound)
            waited += step
            self._excited *= math.exp(-self._decay * step)
            if self._rng.random() * bound <= self._base + self._excited:
                self._excited += _BRANCHING * self._decay
                return max(1, round(waited * 1e9))


class Window:
    """The last prices of one symbol and kind, as a detector that missed none holds them."""

    def __init__(self) -> None:
        self._prices: deque[float] = deque(maxlen=WINDOW)
        self._since_slip = WINDOW

    def __len__(self) -> int:
        return len(self._prices)

    @property
    def holds_slip(self) -> bool:
        """Tell whether a price of another magnitude is among them, which hides all lesser faults."""
        return self._since_slip < WINDOW

    def add(self, price: float, slip: bool = False) -> None:
        """Take the next price."""
        self._prices.append(price)
        self._since_slip = 0 if slip else self._since_slip + 1

    def spread(self) -> tuple[float, float, int]:
        """Give mean, population std and count of the prices that the next one will be judged with."""
        others = self._others()
        return *_mean_and_std(others), len(others)

    def z(self, price: float) -> float:
        """Give the z-score of a price that joins: |p - mean| / (std + epsilon), itself included."""
        mean, std = _mean_and_std([*self._others(), price])
        return abs(price - mean) / (std + EPSILON)

    def distance_at(self, z: float) -> float:
        """Give how far from the mean of the others a price lies whose z-score will be `z`.

        Solves z = d·a / sqrt(a·s² + a·d²/n), a = (n - 1)/n, for d, where s is the others' std and n
        counts the price as well; z must be below sqrt(n - 1).
        """
        _, std, others = self.spread()
        n = others + 1
        return z * std / math.sqrt((n - 1) / n - z * z / n)

    def _others(self) -> list[float]:
        return list(self._prices)[-(WINDOW - 1) :]


def _mean_and_std(prices: list[float]) -> tuple[float, float]:
    mean = math.fsum(prices) / len(prices)
    return mean, math.sqrt(math.fsum((price - mean) ** 2 for price in prices) / len(prices))

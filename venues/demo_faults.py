"""What goes wrong in the demo market: the faults, when each strikes, and what it does to a message."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from venues.demo_prices import Window

SECOND_NS: Final = 1_000_000_000

OUTLIER: Final = "outlier"
SPIKE: Final = "spike"
SLIP: Final = "decimal_slip"
CROSSED: Final = "crossed_market"
DUPLICATE: Final = "duplicate"
MALFORMED: Final = "malformed_json"
MISSING: Final = "missing_field"
BAD_TYPE: Final = "bad_type"
GAP: Final = "gap"
STALE: Final = "stale_time"
DROP: Final = "drop"

PRICE_FAULTS: Final = (OUTLIER, SPIKE, SLIP)
BROKEN: Final = (MALFORMED, MISSING, BAD_TYPE)
TICK_FAULTS: Final = (*PRICE_FAULTS, CROSSED, DUPLICATE, *BROKEN, GAP, STALE)
FAULTS: Final = (*TICK_FAULTS, DROP)

FIRST_DROP_SECONDS: Final = (4.5, 5.5)
LATER_DROP_SECONDS: Final = (45.0, 75.0)
# After the first dropped connection and a client's return from it, and well before 15 s.
FIRST_FAULTS_SECONDS: Final = (7.0, 11.5)
FAULT_RATE: Final = 0.004
"""Share of ticks that draw a fault, once each kind has struck a first time."""

MIN_PRICES: Final = 40
"""Prices that a window must hold before a price fault strikes, so that z is defined and can be large."""
_MIN_STD_TICKS: Final = 2.0
_STALE_NS: Final = 7_200 * SECOND_NS


class Schedule:
    """Says which fault strikes one symbol's tick: each kind once soon after the start, later at random."""

    def __init__(self, rng: Random, listed_ns: int) -> None:
        self._rng = rng
        low, high = FIRST_FAULTS_SECONDS
        times = sorted(listed_ns + round(rng.uniform(low, high) * SECOND_NS) for _ in TICK_FAULTS)
        rest = [fault for fault in TICK_FAULTS if fault not in PRICE_FAULTS]
        rng.shuffle(rest)
        # A slip hides the other two for a whole window: it must come last of the three.
        places = sorted(rng.sample(range(len(TICK_FAULTS)), len(PRICE_FAULTS)))
        for place, fault in zip(places, PRICE_FAULTS, strict=True):
            rest.insert(place, fault)
        self._first = list(zip(times, rest, strict=True))
        self._pending: list[str] = []

    def strike(self, offset_ns: int, suits: Callable[[str], bool]) -> str | None:
        """Give the fault that is due and suits the tick, or None; one that does not suit waits."""
        if not self._first:
            if self._rng.random() < FAULT_RATE:
                self._await(self._rng.choice(TICK_FAULTS))
        else:
            while self._first and self._first[0][0] <= offset_ns:
                self._await(self._first.pop(0)[1])
        for fault in self._pending:
            if suits(fault):
                self._pending.remove(fault)
                return fault
        return None

    def _await(self, fault: str) -> None:
        if fault not in self._pending:
            self._pending.append(fault)


def suits(fault: str, kind: str, window: Window, tick_size: float) -> bool:
    """Tell whether a fault can strike a tick of this kind, judged over this window."""
    if fault == CROSSED:
        return kind == "quote"
    if fault not in PRICE_FAULTS:
        return True
    if len(window) < MIN_PRICES or window.holds_slip:
        return False
    return fault == SLIP or window.spread()[1] >= _MIN_STD_TICKS * tick_size


def faulty_price(rng: Random, fault: str, price: float, window: Window) -> float:
    """Give the price that a price fault makes of one: 2.5 < z < 4 for an outlier, z > 4 for the others."""
    if fault == SLIP:
        return price * rng.choice((10.0, 0.1))
    mean, std, _ = window.spread()
    distance = (
        window.distance_at(rng.uniform(2.9, 3.5)) if fault == OUTLIER else std * rng.uniform(25.0, 40.0)
    )
    return mean + rng.choice((-1, 1)) * distance


def spoil(rng: Random, fault: str, message: dict[str, Any]) -> None:
    """Do to a message, in place, what a fault that is not of price, order or text does to it."""
    if fault == CROSSED:
        if rng.random() < 0.2:
            message["ask"] = message["bid"]
        else:
            message["bid"], message["ask"] = message["ask"], message["bid"]
    elif fault == STALE:
        message["timestamp"] -= _STALE_NS + rng.randrange(_STALE_NS)
    elif fault == MISSING:
        for name in rng.choice((("symbol",), ("price", "bid", "ask"))):
            message.pop(name, None)
    elif fault == BAD_TYPE:
        name = "price" if "price" in message else "bid"
        message[name] = rng.choice((True, "n/a", [message[name]], {"value": message[name]}))


def garble(rng: Random, text: str) -> str:
    """Make of a JSON object's text something that is not JSON: cut short, overwritten, or run on."""
    match rng.randrange(3):
        case 0:
            return text[: rng.randrange(1, len(text))]
        case 1:
            return text.replace(":", "=", 1)
        case _:
            return text + text[rng.randrange(1, len(text)) :]

"""The demo exchange's market: an endless, seeded sequence of ticks and faults, each with its truth.

Messages are objects of the `generic` format. Each tick has an `id` that no other has, and a `seq`
that counts up by one within its symbol. A message that
is broken has no `seq`, so that a hole in `seq` is always a gap and never a message that could not
be read. A duplicate follows its original at the same offset, and a gap lies directly before a tick:
a client that hears one hears the other.
"""

import heapq
import json
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final

from venues import demo_faults as faulty
from venues.demo_faults import SECOND_NS
from venues.demo_prices import Arrivals, Factor, Price, Window

NEW_YEAR_2026_NS: Final = 1_767_225_600 * SECOND_NS
KINDS: Final = ("trade", "quote", "both")
_KIND_WEIGHTS: Final = (0.48, 0.97, 1.0)
_MEDIAN_NOTIONAL: Final = 2_000.0
_SIZE_SPREAD: Final = 1.2
_MAX_HALF_SPREAD_TICKS: Final = 3
_MAX_GAP: Final = 5
_STREAM: Final = 0
_DROP: Final = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the market does at its time: a message, a message that is never sent, or a drop."""

    offset_ns: int
    """Since the market's start."""
    symbol: str | None
    """None for a drop, which cuts every connection."""
    kind: str
    """trade, quote, both or drop."""
    fault: str | None
    """One of `venues.demo_faults.FAULTS`."""
    id: int | None
    """None for a gap and a drop."""
    seq: int | None
    """None for a broken message and a drop."""
    price: float
    """What a detector judges: the trade's price, else the mid; NaN for a gap and a drop."""
    text: str | None
    """The message; None where nothing is sent."""


class Market(Iterator[Event]):
    """Yields events in the order of their offsets, without end; the same arguments give the same events."""

    def __init__(
        self,
        seed: int,
        symbols: Iterable[str],
        ticks_per_second: float = 400.0,
        faults: bool = True,
        start_ns: int = NEW_YEAR_2026_NS,
    ) -> None:
        """Open a market for these symbols, which share `ticks_per_second` equally.

        `start_ns` is the epoch time of offset 0. ValueError without symbols or with a rate that is
        not a positive number.
        """
        symbols = tuple(dict.fromkeys(symbols))
        if not symbols or not 0 < ticks_per_second < math.inf:
            raise ValueError("a market needs at least one symbol and a positive rate")
        self._seed = seed
        self._rate = ticks_per_second / len(symbols)
        self._faults = faults
        self._start_ns = start_ns
        self._factor = Factor(Random(f"{seed}/factor"), self._rate)
        self._drops = Random(f"{seed}/drops")
        # Later than any id of an earlier market, as on an exchange that never uses an id twice.
        self._ids = count(start_ns // 1_000 + 1)
        self._ready: deque[Event] = deque()
        self._streams: dict[str, _Stream] = {}
        self._due: list[tuple[int, int, str]] = []
        self._now_ns = 0
        for symbol in symbols:
            self.list_symbol(symbol, 0)
        if faults:
            self._plan_drop(*faulty.FIRST_DROP_SECONDS)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Give the symbols that are listed, in the order of listing."""
        return tuple(self._streams)

    def list_symbol(self, symbol: str, offset_ns: int) -> None:
        """Let a symbol trade from an offset on, at the rate of each of the others; nothing if it does."""
        if symbol in self._streams:
            return
        listed_ns = max(offset_ns, self._now_ns)
        rng = Random(f"{self._seed}/{symbol!a}")
        schedule = faulty.Schedule(rng, listed_ns) if self._faults else None
        stream = _Stream(symbol, rng, self._rate, schedule, self._ids, self._start_ns)
        self._streams[symbol] = stream
        heapq.heappush(self._due, (listed_ns + stream.arrivals.wait_ns(), _STREAM, symbol))

    def __next__(self) -> Event:
        while not self._ready:
            self._advance()
        return self._ready.popleft()

    def _advance(self) -> None:
        self._now_ns, what, symbol = heapq.heappop(self._due)
        if what == _DROP:
            self._ready.append(Event(self._now_ns, None, "drop", faulty.DROP, None, None, math.nan, None))
            self._plan_drop(*faulty.LATER_DROP_SECONDS)
            return
        stream = self._streams[symbol]
        self._ready.extend(stream.tick(self._now_ns, self._factor.advance(self._now_ns)))
        heapq.heappush(self._due, (self._now_ns + stream.arrivals.wait_ns(), _STREAM, symbol))

    def _plan_drop(self, low_seconds: float, high_seconds: float) -> None:
        wait_ns = round(self._drops.uniform(low_seconds, high_seconds) * SECOND_NS)
        heapq.heappush(self._due, (self._now_ns + wait_ns, _DROP, ""))


class _Stream:
    """One symbol's ticks."""

    def __init__(
        self,
        symbol: str,
        rng: Random,
        ticks_per_second: float,
        schedule: faulty.Schedule | None,
        ids: Iterator[int],
        start_ns: int,
    ) -> None:
        self.arrivals = Arrivals(rng, ticks_per_second)
        self._symbol = symbol
        self._rng = rng
        self._schedule = schedule
        self._ids = ids
        self._start_ns = start_ns
        self._price = Price(symbol, rng)
        self._scale = 10**self._price.decimals
        self._seq = 0
        self._trades = Window()
        self._mids = Window()

    def tick(self, offset_ns: int, factor: float) -> list[Event]:
        """Give what happens at an offset: a tick, with the gap before it or the duplicate behind it."""
        kind, message = self._draft(offset_ns, factor)
        window = self._mids if kind == "quote" else self._trades
        fault = self._strike(offset_ns, kind, window)
        if fault in faulty.PRICE_FAULTS:
            self._move(message, faulty.faulty_price(self._rng, fault, judged(message), window))
        price = judged(message)
        if fault not in (faulty.CROSSED, *faulty.BROKEN):
            window.add(price, slip=fault == faulty.SLIP)
        events = self._skip(offset_ns, kind) if fault == faulty.GAP else []
        events.append(self._send(offset_ns, kind, message, None if events else fault, price))
        if fault == faulty.DUPLICATE:
            events.insert(0, _original(events[0]))
        return events

    def _draft(self, offset_ns: int, factor: float) -> tuple[str, dict[str, Any]]:
        rng, scale = self._rng, self._scale
        mid = round(self._price.step(factor) * scale)
        bid = mid - rng.randint(1, _MAX_HALF_SPREAD_TICKS)
        ask = mid + rng.randint(1, _MAX_HALF_SPREAD_TICKS)
        draw = rng.random()
        kind = next(kind for kind, bound in zip(KINDS, _KIND_WEIGHTS, strict=True) if draw < bound)
        message: dict[str, Any] = {"symbol": self._symbol}
        if kind != "quote":
            side = rng.choice(("buy", "sell"))
            price = ask if side == "buy" else bid
            message |= {"price": price / scale, "size": self._size(mid), "side": side}
        if kind != "trade":
            message |= {"bid": bid / scale, "bid_size": self._size(mid)}
            message |= {"ask": ask / scale, "ask_size": self._size(mid)}
        message["timestamp"] = self._start_ns + offset_ns
        return kind, message

    def _size(self, mid: int) -> float:
        median = _MEDIAN_NOTIONAL * self._scale / mid
        return max(round(self._rng.lognormvariate(math.log(median), _SIZE_SPREAD), 6), 1e-6)

    def _strike(self, offset_ns: int, kind: str, window: Window) -> str | None:
        if self._schedule is None:
            return None
        return self._schedule.strike(
            offset_ns, lambda fault: faulty.suits(fault, kind, window, 1 / self._scale)
        )

    def _move(self, message: dict[str, Any], price: float) -> None:
        """Put a tick at another price, with the spread it had."""
        if "price" in message:
            message["price"] = round(price * self._scale) / self._scale
            return
        spread = round((message["ask"] - message["bid"]) * self._scale)
        bid = round(price * self._scale - spread / 2)
        message |= {"bid": bid / self._scale, "ask": (bid + spread) / self._scale}

    def _skip(self, offset_ns: int, kind: str) -> list[Event]:
        """Use up a few numbers on ticks that are never sent."""
        return [
            Event(offset_ns, self._symbol, kind, faulty.GAP, None, self._number(), math.nan, None)
            for _ in range(self._rng.randint(1, _MAX_GAP))
        ]

    def _send(
        self, offset_ns: int, kind: str, message: dict[str, Any], fault: str | None, price: float
    ) -> Event:
        broken = fault in faulty.BROKEN
        identity, seq = next(self._ids), None if broken else self._number()
        message["id"] = identity
        if seq is not None:
            message["seq"] = seq
        if fault is not None:
            faulty.spoil(self._rng, fault, message)
        if fault == faulty.CROSSED:
            price = judged(message)
        text = json.dumps(message, separators=(",", ":"))
        if fault == faulty.MALFORMED:
            text = faulty.garble(self._rng, text)
        return Event(offset_ns, self._symbol, kind, fault, identity, seq, price, text)

    def _number(self) -> int:
        self._seq += 1
        return self._seq


def judged(message: dict[str, Any]) -> float:
    """Give the price of a sound message that a detector judges: the trade's, else the mid."""
    price: float = message["price"] if "price" in message else (message["bid"] + message["ask"]) / 2
    return price


def _original(event: Event) -> Event:
    return Event(
        event.offset_ns, event.symbol, event.kind, None, event.id, event.seq, event.price, event.text
    )

"""What the detector remembers of one symbol: an immutable value that can be written down.

The layout, shared with the compiled code in `core.kernels`:

- `floats`, float64, FEATURES + RINGS x window: the current vwap, spread_mean, momentum, imbalance and
  volatility; then seven rings of `window` entries each: judged trade prices, judged mids; of accepted
  trades price, volume (0 where the size is absent), signed volume and log return from the trade before; of
  accepted quotes the spread;
- `counters`, int64: how many values joined the rings of judged prices, judged mids, accepted trades,
  accepted quotes, since the rings were made; those that a resized ring was made with count. A ring holds
  min(counter, window) entries, and its next one goes to slot counter mod window.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from core.records import Floats, Int64s, freeze

FEATURES: Final = 5
RINGS: Final = 7
COUNTERS: Final = 4
COUNTER_OF: Final = (0, 1, 2, 2, 2, 2, 3)
"""Which counter is each ring's."""

MAX_WINDOW: Final = 1_000_000
FORMAT_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sHxxI")
_MAGIC: Final = b"TLSS"


@dataclass(frozen=True, slots=True, eq=False)
class SymbolState:
    """The rolling state of one symbol; both arrays are read-only. About 11 kB at window 200."""

    floats: Floats
    counters: Int64s

    @classmethod
    def empty(cls, window: int) -> Self:
        """Give the state before the first tick: no feature is defined, every ring is empty."""
        floats = np.zeros(FEATURES + RINGS * window)
        floats[:FEATURES] = np.nan
        return cls(freeze(floats), freeze(np.zeros(COUNTERS, np.int64)))

    @property
    def window(self) -> int:
        """Entries that each ring has room for."""
        return (self.floats.size - FEATURES) // RINGS

    def resized(self, window: int) -> "SymbolState":
        """Give the state with rings of another length, each with its newest values, the oldest of them first.

        The features stay as they were; `core.scoring.resized` works them out anew. Raises ValueError where
        the window is out of bounds.
        """
        if not 1 <= window <= MAX_WINDOW:
            raise ValueError(f"window must be 1 to {MAX_WINDOW}, not {window}")
        held = np.minimum(self.counters, min(window, self.window))
        floats = np.zeros(FEATURES + RINGS * window)
        floats[:FEATURES] = self.floats[:FEATURES]
        rings = self.floats[FEATURES:].reshape(RINGS, self.window)
        for ring, resized, counter in zip(
            rings, floats[FEATURES:].reshape(RINGS, window), COUNTER_OF, strict=True
        ):
            last, count = int(self.counters[counter]), int(held[counter])
            resized[:count] = ring[np.arange(last - count, last) % self.window]
        return SymbolState(freeze(floats), freeze(held))

    def to_bytes(self) -> bytes:
        """Write the state down: header (magic, version, window), counters, floats, all little-endian."""
        header = _HEADER.pack(_MAGIC, FORMAT_VERSION, self.window)
        return header + self.counters.astype("<i8").tobytes() + self.floats.astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where it is something else or of another version."""
        if len(raw) < _HEADER.size:
            raise ValueError("a symbol's state is cut short")
        magic, version, window = _HEADER.unpack_from(raw)
        if magic != _MAGIC or version != FORMAT_VERSION:
            raise ValueError(f"not a symbol's state of version {FORMAT_VERSION}")
        length = _HEADER.size + 8 * (COUNTERS + FEATURES + RINGS * window)
        if not 1 <= window <= MAX_WINDOW or len(raw) != length:
            raise ValueError("a symbol's state has the wrong length")
        counters = np.frombuffer(raw, "<i8", COUNTERS, _HEADER.size).astype(np.int64)
        floats = np.frombuffer(raw, "<f8", -1, _HEADER.size + 8 * COUNTERS).astype(np.float64)
        if counters.min() < 0:
            raise ValueError("a symbol's state has a negative counter")
        return cls(freeze(floats), freeze(counters))

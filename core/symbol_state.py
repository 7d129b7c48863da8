"""What the detector remembers of one symbol: an immutable value that can be written down.

The layout, shared with the compiled code in `core.kernels`:

- `floats`, float64, FEATURES + RINGS x window: the current vwap, spread_mean, momentum, imbalance and
  volatility; then seven rings of `window` entries each: judged trade prices, judged mids; of accepted
  trades price, volume (0 where the size is absent), signed volume and log return from the trade before; of
  accepted quotes the spread;
- `counters`, int64: how many values ever joined the rings of judged prices, judged mids, accepted trades,
  accepted quotes. A ring holds min(counter, window) entries, and its next one goes to slot counter mod
  window.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from core.records import Floats, Int64s, freeze

FEATURES: Final = 5
RINGS: Final = 7
COUNTERS: Final = 4

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

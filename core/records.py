"""What flows through the pipeline: ticks as columns, and the records told beside them.

Conventions, everywhere in Tapeline:

- times are UTC epoch nanoseconds as int64; `NO_TIME` where the venue sends none;
- an absent float is NaN, and zero is a value;
- `kind`, `side`, `verdict` and `reason` travel as int8 codes and are stored as words.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Int8s = npt.NDArray[np.int8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[Any]

NO_TIME: Final = -(2**63)
"""Stands in `ts_event_ns` where the venue sends no time."""
NO_ID: Final = -(2**63)
"""Stands in an int64 `venue_id` column where a tick has no identity."""

TRADE: Final = 0
QUOTE: Final = 1
BOTH: Final = 2
KINDS: Final = ("trade", "quote", "both")

SELL: Final = -1
NO_SIDE: Final = 0
BUY: Final = 1
SIDES: Final = {SELL: "sell", NO_SIDE: None, BUY: "buy"}

OK: Final = 0
WARN: Final = 1
REJECT: Final = 2
VERDICTS: Final = ("ok", "warn", "reject")

REASONS: Final = (
    None,
    "crossed_market",
    "critical_z",
    "malformed_json",
    "missing_field",
    "bad_type",
    "bad_price",
    "bad_timestamp",
    "unknown_symbol",
    "oversize",
)
"""Why a record was refused; a block's `reason` column holds positions in this tuple."""
NO_REASON: Final = 0
CROSSED_MARKET: Final = 1
CRITICAL_Z: Final = 2

RAW_LIMIT: Final = 64 * 1024
"""Raw bytes kept of a quarantined record."""


def freeze(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array read-only, in place, and give it back: what travels in a message is never changed."""
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class TickBlock:
    """Ticks of one symbol of one feed, from one line, in the order in which they arrived.

    Every array has the same length n >= 1, is C-contiguous and read-only.
    """

    feed: str
    """Name of the feed in the configuration."""
    venue: str
    symbol: str
    """The venue's own spelling."""
    session: int
    line: str
    """`feed/connection/A`."""
    kind: Int8s
    """TRADE, QUOTE or BOTH."""
    ts_event_ns: Int64s
    """The venue's clock; NO_TIME where absent."""
    ts_recv_ns: Int64s
    """Ours."""
    price: Floats
    size: Floats
    side: Int8s
    """The aggressor's: BUY, SELL or NO_SIDE."""
    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats
    venue_id: Ids
    """int64 (NO_ID where absent) where every id is a whole number below 2**63, else object: str or None."""
    frame: Int64s
    item: Int32s

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def nbytes(self) -> int:
        """Bytes that the columns hold, for the mailboxes' bounds."""
        return 120 * len(self.kind)

    def slice(self, start: int, stop: int) -> "TickBlock":
        """Give the ticks from start to before stop; the arrays are views."""
        return TickBlock(**slice_columns(self, start, stop))


def slice_columns(block: Any, start: int, stop: int) -> dict[str, Any]:
    """Give the constructor's arguments for a part of a block: columns sliced, constants kept."""
    return {
        field.name: value[start:stop]
        if isinstance(value := getattr(block, field.name), np.ndarray)
        else value
        for field in fields(block)
    }


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the detector says of each tick of a block: arrays of the block's length, read-only."""

    verdict: Int8s
    """OK, WARN or REJECT."""
    reason: Int8s
    """Position in REASONS; NO_REASON unless the verdict is REJECT."""
    z: Floats
    """NaN below `min_history` and where no price was judged."""
    vwap: Floats
    spread_mean: Floats
    momentum: Floats
    imbalance: Floats
    volatility: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBlock:
    """A TickBlock with its scores: what a detector tells the writers."""

    ticks: TickBlock
    scores: Scores

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def nbytes(self) -> int:
        """Bytes that the columns hold, for the mailboxes' bounds."""
        return 180 * len(self.ticks)

    def slice(self, start: int, stop: int) -> "ScoredBlock":
        """Give the ticks from start to before stop; the arrays are views."""
        return ScoredBlock(self.ticks.slice(start, stop), Scores(**slice_columns(self.scores, start, stop)))


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that could not become a tick: stored in `rejects` with its reason and raw bytes."""

    feed: str
    venue: str
    symbol: str | None
    """None where it could not be read."""
    reason: str
    """One of REASONS."""
    raw: bytes
    """At most RAW_LIMIT bytes of the record."""
    ts_recv_ns: int
    session: int
    line: str
    frame: int
    item: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Something is known to be missing on a line: stored in `gaps`."""

    feed: str
    venue: str
    symbol: str | None
    """None where the whole line is meant."""
    cause: str
    """`sequence` (ids of the venue), `reconnect`, or `shed` (frames or ticks of ours)."""
    first_missing: int | None
    """Of a `sequence` gap the venue's id; of `shed` the first frame; None where not known."""
    last_missing: int | None
    ts_recv_ns: int
    session: int
    line: str
    frame: int
    """The frame behind which the gap was noticed."""
    item: int


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that an operator wants to hear of: logged, stored in `alerts`, sent to the webhook."""

    ts_ns: int
    kind: str
    """warn, reject, gap, stale_line, stale_time, breaker, restart, parked, shed, subscription, ..."""
    feed: str | None
    symbol: str | None
    actor: str
    text: str
    held_back: int
    """How many of the same kind and place the rate limit kept back since the last one."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that killed its handler or that a store refuses for good: stored in `dead_letters`."""

    feed: str
    venue: str
    symbol: str | None
    actor: str
    error: str
    raw: bytes
    """The record as JSON, or the frame's bytes."""
    ts_recv_ns: int
    session: int
    line: str
    frame: int
    item: int

"""Runs of frames of one line, and ticks that were read from many of them at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from core.payloads import Payloads
from core.records import BOTH, NO_SIDE, QUOTE, TRADE, Floats, Int8s, Int64s, TickBlock, freeze

_SHORT: Final = 4096
_VIEWED: Final = 8
"""A view may keep so many times alive what it shows."""
_TRADE_COLUMNS: Final = ("price", "size", "side")
_QUOTE_COLUMNS: Final = ("bid", "bid_size", "ask", "ask_size")
_ABSENT: Final[Mapping[str, np.generic]] = {
    **dict.fromkeys((*_TRADE_COLUMNS, *_QUOTE_COLUMNS), np.float64(np.nan)),
    "side": np.int8(NO_SIDE),
    "item": np.int32(0),
}
_ALWAYS: Final = ("ts_event_ns", "venue_id")
_CARRIED: Final = {
    TRADE: (*_ALWAYS, *_TRADE_COLUMNS),
    QUOTE: (*_ALWAYS, *_QUOTE_COLUMNS),
    BOTH: (*_ALWAYS, "kind", *_TRADE_COLUMNS, *_QUOTE_COLUMNS),
}
"""What a block takes from what was read; BOTH stands for ticks of different kinds too."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Frames in the order in which they came; all arrays have the payloads' length and are read-only."""

    payloads: Payloads
    frames: Int64s
    """The number of each."""
    ts_recv_ns: Int64s

    @classmethod
    def of(cls, frames: Iterable[tuple[int, bytes, int]]) -> "Run":
        """Make a run of (number, payload, receive time)."""
        numbers, payloads, times = zip(*frames, strict=True)
        return cls(
            Payloads.of(payloads), freeze(np.array(numbers, np.int64)), freeze(np.array(times, np.int64))
        )

    @classmethod
    def joined(cls, parts: "Sequence[Run]") -> "Run":
        """Join runs; one alone is given back as it is."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            Payloads.joined([part.payloads for part in parts]),
            freeze(np.concatenate([part.frames for part in parts])),
            freeze(np.concatenate([part.ts_recv_ns for part in parts])),
        )

    def __len__(self) -> int:
        return len(self.frames)


class Found(Protocol):
    """What was read of each frame of a run in one pass, a tick at most. Only rows with `ok` mean anything."""

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Whether the frame was read; the others take the long way."""

    @property
    def symbol(self) -> npt.NDArray[Any]:
        """Codes: positions in the scanner's `symbols`."""

    @property
    def kind(self) -> Int8s:
        """TRADE, QUOTE or BOTH; what another kind says is absent (NaN, NO_SIDE)."""

    @property
    def ts_event_ns(self) -> Int64s:
        """NO_TIME where absent."""

    @property
    def price(self) -> Floats:
        """Of trades, as are `size` and `side`."""

    @property
    def size(self) -> Floats:
        """NaN where absent."""

    @property
    def side(self) -> Int8s:
        """The aggressor's."""

    @property
    def bid(self) -> Floats:
        """Of quotes, as are the three behind it."""

    @property
    def bid_size(self) -> Floats:
        """NaN where absent."""

    @property
    def ask(self) -> Floats:
        """See `bid`."""

    @property
    def ask_size(self) -> Floats:
        """NaN where absent."""

    @property
    def venue_id(self) -> Int64s:
        """NO_ID where absent."""

    @property
    def seq(self) -> Int64s:
        """NO_ID where absent."""


class Scans(Protocol):
    """What reads runs of frames."""

    @property
    def symbols(self) -> Sequence[str]:
        """What the codes of symbols stand for; a code keeps its meaning."""

    def scan(self, payloads: Payloads) -> Found:
        """Read what can be read at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows sorted into groups of one key; within a group their order is kept."""

    order: npt.NDArray[np.intp]
    """Positions of the rows, group by group."""
    keys: list[int]
    starts: list[int]
    """Where each group begins in `order`."""
    stops: list[int]
    inside: npt.NDArray[np.bool_]
    """Of `order`'s places but the first: whether the one before is of the same group."""

    @classmethod
    def by(cls, keys: npt.NDArray[Any], first: int = 0) -> "Groups":
        """Group rows by their keys, from 0 up; `first` is the position of the first one."""
        # Short keys are sorted by their digits, in a quarter of the time.
        short = keys.astype(np.int16) if keys.max() < 2**15 else keys
        order = np.argsort(short, kind="stable")
        ordered = short[order]
        inside = ordered[1:] == ordered[:-1]
        starts = np.concatenate(([0], np.flatnonzero(~inside) + 1))
        stops = [*starts[1:].tolist(), len(keys)]
        return cls(order + first, ordered[starts].tolist(), starts.tolist(), stops, inside)


def blocks_of(
    feed: str, venue: str, session: int, line: str, run: Run, found: Found, symbols: Sequence[str],
    groups: Groups,
) -> list[TickBlock]:  # fmt: skip
    """Make a block of each group, which is a symbol's, in the order in which symbols came."""
    order, kinds = groups.order, found.kind[groups.order]
    kind = int(kinds[0]) if (kinds == kinds[0]).all() else BOTH
    columns = {name: freeze(getattr(found, name)[order]) for name in _CARRIED[kind]}
    columns["frame"], columns["ts_recv_ns"] = freeze(run.frames[order]), freeze(run.ts_recv_ns[order])
    constant = [name for name in ("kind", *_ABSENT) if name not in columns]
    # The first row of a group is its earliest.
    spans = zip(order[groups.starts].tolist(), groups.keys, groups.starts, groups.stops, strict=True)
    return [
        TickBlock(
            feed, venue, symbols[key], session, line,
            **{name: _part(column, begin, end) for name, column in columns.items()},
            **{name: _repeated(name, kind, end - begin) for name in constant},
        )
        for _, key, begin, end in sorted(spans)
    ]  # fmt: skip


def _part(column: npt.NDArray[Any], begin: int, end: int) -> npt.NDArray[Any]:
    """Give a part of a column: a view, unless that would keep much more alive than it shows."""
    part = column[begin:end]
    return part if _VIEWED * len(part) >= len(column) else freeze(part.copy())


def _repeated(name: str, kind: int, count: int) -> npt.NDArray[Any]:
    """Give a constant column; short ones share their memory."""
    return _shared(name, kind, _SHORT)[:count] if count <= _SHORT else _shared.__wrapped__(name, kind, count)


@cache
def _shared(name: str, kind: int, count: int) -> npt.NDArray[Any]:
    value = np.int8(kind) if name == "kind" else _ABSENT[name]
    return freeze(np.full(count, value))

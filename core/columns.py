"""Collects ticks of one symbol as they are decoded, and makes a TickBlock of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.records import NO_ID, Ids, TickBlock, freeze

Row = tuple[int, int, int, float, float, int, float, float, float, float, str | int | None, int, int]
"""kind, ts_event_ns, ts_recv_ns, price, size, side, bid, bid_size, ask, ask_size, venue_id, frame, item."""

_NAMES = (
    "kind", "ts_event_ns", "ts_recv_ns", "price", "size", "side", "bid", "bid_size", "ask", "ask_size",
)  # fmt: skip
_FLOATS = (3, 4, 6, 7, 8, 9)
_WHOLE = (0, 1, 2, 5, 11, 12)
"""Positions in a row of what shares an array."""


def block_of(feed: str, venue: str, symbol: str, session: int, line: str, rows: list[Row]) -> TickBlock:
    """Make a block of at least one row; an array for all floats and one for all whole numbers."""
    columns = list(zip(*rows, strict=True))
    floats = freeze(np.array([columns[i] for i in _FLOATS]))
    whole = freeze(np.array([columns[i] for i in _WHOLE], np.int64))
    price, size, bid, bid_size, ask, ask_size = floats
    kind, ts_event_ns, ts_recv_ns, side, frame, item = whole
    kinds, sides = freeze(kind.astype(np.int8)), freeze(side.astype(np.int8))
    return TickBlock(
        feed, venue, symbol, session, line, kinds, ts_event_ns, ts_recv_ns, price, size, sides, bid, bid_size,
        ask, ask_size, _ids(columns[10]), frame, freeze(item.astype(np.int32)),
    )  # fmt: skip


def _ids(values: tuple[Any, ...]) -> Ids:
    """Make the id column: whole numbers as they are, anything else as text."""
    if all(value is None or (type(value) is int and -NO_ID > value > NO_ID) for value in values):
        return freeze(np.array([NO_ID if value is None else value for value in values], np.int64))
    texts = np.empty(len(values), object)
    texts[:] = [None if value is None else str(value) for value in values]
    return freeze(texts)


def joined(blocks: Sequence[TickBlock]) -> TickBlock:
    """Join blocks of one symbol and line, in order; one block is given back as it is."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    ids = [block.venue_id for block in blocks]
    if any(array.dtype == object for array in ids):
        ids = [array if array.dtype == object else _as_text(array) for array in ids]
    columns: dict[str, Any] = {
        name: freeze(np.concatenate([getattr(block, name) for block in blocks]))
        for name in (*_NAMES, "frame", "item")
    }
    return replace(first, venue_id=freeze(np.concatenate(ids)), **columns)


def _as_text(ids: Ids) -> Ids:
    texts = np.empty(len(ids), object)
    texts[:] = [None if value == NO_ID else str(value) for value in ids.tolist()]
    return texts

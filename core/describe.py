"""Ticks in words, for dead letters."""

import math

import msgspec
import numpy as np

from core.records import KINDS, NO_ID, NO_TIME, SIDES, TickBlock

_encode = msgspec.json.Encoder().encode


def tick_as_json(block: TickBlock, i: int) -> bytes:
    """Give tick i of a block as one JSON object; what is absent is left out."""
    values: dict[str, str | int | float | None] = {
        "venue": block.venue,
        "symbol": block.symbol.encode("utf-8", "replace").decode(),
        "kind": KINDS[int(block.kind[i])],
        "ts_event_ns": _present(int(block.ts_event_ns[i]), NO_TIME),
        "ts_recv_ns": int(block.ts_recv_ns[i]),
        "side": SIDES[int(block.side[i])],
        "venue_id": id_text(block.venue_id[i]),
    }
    for name in ("price", "size", "bid", "bid_size", "ask", "ask_size"):
        number = float(getattr(block, name)[i])
        values[name] = None if math.isnan(number) else number
    return _encode({name: value for name, value in values.items() if value is not None})


def id_text(value: object) -> str | None:
    """Give a tick's identity as text; None where it has none."""
    if value is None or (isinstance(value, int | np.integer) and int(value) == NO_ID):
        return None
    return str(value).encode("utf-8", "replace").decode()


def _present(value: int, absent: int) -> int | None:
    return None if value == absent else value


def described(message: object) -> str:
    """Name a message by its type; of one that holds several, how many of which."""
    parts = getattr(message, "messages", None) or getattr(message, "units", None)
    name = type(message).__name__
    if not isinstance(parts, tuple) or not parts:
        return name
    return f"{name} of {len(parts)} {type(parts[0]).__name__}"

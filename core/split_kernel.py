"""The splitter, compiled: whole text frames into their payloads, one behind the other.

`core.splitting` is the door to this module; importing it loads numba. Numba's cache notices changes of this
file only, so what it shares with other modules is written out here once more; a test holds the copies equal.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

WHOLE_TEXT: Final = 0x81
"""First byte of an unfragmented text frame: core.splitting."""
LONG: Final = 126
"""In place of a length: it stands in the next two bytes (RFC 6455 section 5.2)."""

SIGNATURE: Final = types.UniTuple(types.int64, 4)(  # type: ignore[no-untyped-call]
    types.Array(types.uint8, 1, "C", readonly=True),
    types.int64,
    types.int64,
    types.uint8[::1],
    types.int64,
    types.int64[::1],
    types.int64,
)


def compiled(*signatures: Any, **options: Any) -> Callable[[F], F]:
    """Compile a function with numba: as `numba.njit`, keeping the type that its callers see."""
    return cast(Callable[[F], F], numba.njit(list(signatures) or None, **options))


@compiled(SIGNATURE, cache=True, error_model="numpy")
def split_texts(
    wire: Any, pos: int, limit: int, payloads: Any, base: int, ends: Any, before: int
) -> tuple[int, int, int, int]:
    """Take whole text frames from `pos` on: copy payloads to `base`, write where each ends, plus `before`.

    Stops where a frame is of another kind, unfinished, longer than `limit` or oddly written, or `ends` is
    full. Gives where it stopped in `wire`, how many frames it took, their bytes, and those bytes or'ed
    together: below 128 all is ASCII; more is not checked. Raises ValueError where there is no room.
    """
    size = wire.size
    if not (0 <= pos <= size and base >= 0 and base + size - pos <= payloads.size):
        raise ValueError("there is no room for the payloads")
    count, written, seen = 0, base, np.uint8(0)
    while count < ends.size and pos + 4 <= size and wire[pos] == WHOLE_TEXT:
        length: Any = np.int64(wire[pos + 1])
        start = pos + 2
        if length >= LONG:
            if length > LONG:
                break
            length = np.int64(wire[start]) << 8 | np.int64(wire[start + 1])
            start += 2
            if length < LONG:
                break
        if start + length > size or length > limit:
            break
        source, target = wire[start : start + length], payloads[written : written + length]
        for i in range(length):
            target[i] = source[i]
            seen |= source[i]
        written += length
        pos = start + length
        ends[count] = before + written - base
        count += 1
    return pos, count, written - base, int(seen)

"""The scanner, compiled: frames of a declared shape straight into columns.

`core.scanning` is the door to this module, `core.scan_tables` lays out its tables; importing it loads numba.
What a shape is, and what fits it, is said in `core.shapes`.

It refuses whatever it is not sure of. So it reads strictly less than a JSON parser does: ASCII without
escapes, one level of nesting, plain numbers of few digits.

What stands between two values is compared with what stood there in the last frame that came so far, eight
bytes at a time, and only where it differs is it read.

Numba's cache notices changes of this file, and of `core.scan_values` by its checksum. What is shared with
others is written out here once more; a test holds the copies equal.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
from numba import types

from core import scan_values
from core.scan_values import (
    INLINE,
    NULL,
    PLAIN,
    at,
    bare_word,
    compiled,
    is_again,
    is_blank,
    is_text,
    read_id,
    read_number,
    read_time,
    skip_blank,
    skip_scalar,
    skip_text,
    text_end,
)

# core.records
NO_TIME: Final = -(2**63)
NO_ID: Final = -(2**63)
NO_SIDE: Final = 0

# core.scan_tables
SLOTS: Final = 64
UNUSED: Final = -1
PRICE, BID, ASK_PRICE, SIZE, BID_SIZE, ASK_SIZE = range(6)
SYMBOL, SIDE, TIME, ID, SEQ, ID_AND_SEQ, LITERAL, ENDING, ABSENT, CONTAINER = range(6, 16)
FLOATS: Final = 6
INTS: Final = 3
NO, YES, ASK = range(3)

# The columns of the tables.
TIMES, IDS, SEQS = range(INTS)
HASH, LENGTH, START, ROLE, INSIDE, BIT, TEXT_LENGTH, TEXT_START = range(8)
KIND, WRAPPED, TIME_FORMS, ID_AS_TEXT, REQUIRED, OPTIONAL, FIRST_WORD, LAST_WORD = range(8)
WORD_SIDE, WORD_QUOTED = 2, 3

STEPS: Final = 48
"""How many steps from value to value are remembered of a frame."""
BEGIN, BYTES, SLOT, LEVEL, SEEN = range(5)
"""Of a step: where it began, its length, the slot of the key that it led to, and the state there."""
UNNAMED: Final = -1
CLOSED: Final = -2

SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""Multiplies hashes: 2**64 divided by the golden ratio (D. E. Knuth, TAOCP 3, 6.4)."""
TOP_SIX_BITS, HALF = np.uint64(58), np.uint64(32)


def _table(dtype: Any, dimensions: int = 1) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


SIGNATURE: Final = types.void(
    *[_table(types.uint8), _table(types.int64)],
    *[_table(types.uint8), _table(types.int64, 3), _table(types.int64, 2), _table(types.int64, 2)],
    *[_table(types.uint8), _table(types.int64, 2), _table(types.int32)],
    *[types.int8[:, ::1], types.int64[:, :, ::1], types.int8[::1], types.int8[::1], types.int32[::1]],
    *[types.float64[:, ::1], types.int64[:, ::1]],
)


@compiled(**INLINE)
def _is_entry(row: Any, names: Any, packed: Any, text: Any, i: int, size: int) -> Any:
    """Tell whether a row of a table is of the text at i."""
    if row[HASH] != np.int64(packed) or row[LENGTH] != size:
        return False
    return size <= 8 or is_text(text, i, names, row[START], size)


@compiled(**INLINE)
def _find_key(
    keys: Any, names: Any, s: int, packed: Any, text: Any, i: int, size: int, inside: int
) -> Any:  # fmt: skip
    """Give a key's slot in the table of a shape; UNNAMED for one that it does not name."""
    slot = np.int64((packed * SPREAD) >> TOP_SIX_BITS)
    while keys[s, slot, ROLE] != UNUSED:
        if keys[s, slot, INSIDE] == inside and _is_entry(keys[s, slot], names, packed, text, i, size):
            return slot
        slot = (slot + 1) % SLOTS
    return UNNAMED


@compiled(**INLINE)
def _find_symbol(symbols: Any, names: Any, places: Any, packed: Any, text: Any, i: int, size: int) -> Any:
    """Give a symbol's code; -1 for one that is not known."""
    slot = np.int64((packed * SPREAD) >> HALF) & (places.size - 1)
    while places[slot] >= 0 and not _is_entry(symbols[places[slot]], names, packed, text, i, size):
        slot = (slot + 1) & (places.size - 1)
    return places[slot]


@compiled(**INLINE)
def _find_side(words: Any, traits: Any, s: int, packed: Any, quoted: bool, size: int) -> Any:
    """Give the row of a word for a side; -1 where it is none."""
    for row in range(traits[s, FIRST_WORD], traits[s, LAST_WORD]):
        found = words[row, HASH] == np.int64(packed) and words[row, LENGTH] == size
        if found and words[row, WORD_QUOTED] == quoted:
            return row
    return -1


@compiled(**INLINE)
def _read_side(text: Any, i: int, end: int, s: int, traits: Any, words: Any) -> Any:
    """Give the end of a word for a side, -1 where it is none, and the side."""
    quoted, start = at(text, i) == 34, i
    i, packed = skip_text(text, i, end) if quoted else bare_word(text, i)
    row = _find_side(words, traits, s, packed, quoted, i - start)
    return (i, words[row, WORD_SIDE]) if i >= 0 and row >= 0 else (-1, NO_SIDE)


@compiled(**INLINE)
def _check_text(text: Any, i: int, end: int, key: Any, names: Any) -> Any:
    """Give the end of a text that must be a key's or end with it; -1 where it does not."""
    start, wanted = i + 1, key[TEXT_LENGTH]
    i, _ = skip_text(text, i, end)
    size = i - 1 - start
    fits = size == wanted or (key[ROLE] == ENDING and size > wanted)
    return i if i >= 0 and fits and is_text(text, i - 1 - wanted, names, key[TEXT_START], wanted) else -1


@compiled(**INLINE)
def _read_key(
    text: Any, i: int, end: int, s: int, first: bool, inside: int, seen: Any,
    names: Any, keys: Any, traits: Any,
) -> Any:  # fmt: skip
    """Read on from a value to the next; give where that is (-1: refused), its slot, the state there."""
    wrapped = traits[s, WRAPPED]
    refused = (-1, UNNAMED, inside, seen)
    if not first:
        i = skip_blank(text, i)
        if at(text, i) == 125 and inside and wrapped and i < end - 1:
            i, inside = skip_blank(text, i + 1), 0
        if at(text, i) == 125:
            return (end, CLOSED, inside, seen) if i == end - 1 and inside != wrapped else refused
    if at(text, i) != (123 if first else 44):
        return refused
    while True:
        i = skip_blank(text, i + 1)
        if at(text, i) != 34:
            return refused
        start = i + 1
        i, packed = text_end(text, start, end)
        if i < 0:
            return refused
        slot = _find_key(keys, names, s, packed, text, start, i - start, inside)
        i = skip_blank(text, i + 1)
        if at(text, i) != 58:
            return refused
        i = skip_blank(text, i + 1)
        if slot == UNNAMED:
            return i, slot, inside, seen
        role, bit = keys[s, slot, ROLE], np.int64(1) << keys[s, slot, BIT]
        if role == ABSENT or seen & bit:
            return refused
        seen |= bit
        if role != CONTAINER:
            return i, slot, inside, seen
        if at(text, i) != 123:
            return refused
        inside = 1


@compiled(**INLINE)
def _read(
    text: Any, i: int, end: int, s: int, n: int, names: Any, keys: Any, traits: Any, words: Any,
    symbol_names: Any, symbols: Any, places: Any,
    sides: Any, codes: Any, floats: Any, ints: Any, paths: Any,
) -> Any:  # fmt: skip
    """Read frame n, from i to end, as of shape s; False where it does not fit.

    `paths` holds a chain of steps from value to value, each of which was read once: where its bytes stand
    again behind the same steps, it leads to the same state. A step of no length ends it.
    """
    inside, seen, member, may_be_null = 1 - traits[s, WRAPPED], np.int64(0), 0, traits[s, OPTIONAL]
    while True:
        begin = i
        size = paths[s, member, BYTES] if member < STEPS else 0
        known = 0 < size <= end - i and i + size + 8 <= text.size
        if known and is_again(text, i, paths[s, member, BEGIN], size):
            i += size
            slot, inside, seen = paths[s, member, SLOT], paths[s, member, LEVEL], paths[s, member, SEEN]
        else:
            i, slot, inside, seen = _read_key(
                text, i, end, s, member == 0, inside, seen, names, keys, traits
            )  # fmt: skip
            if i < 0:
                return False
            if member < STEPS - 1:
                paths[s, member, BEGIN], paths[s, member, BYTES] = begin, i - begin
                paths[s, member, SLOT], paths[s, member, LEVEL], paths[s, member, SEEN] = slot, inside, seen
                paths[s, member + 1, BYTES] = 0
        if slot == CLOSED:
            return i == end and seen & traits[s, REQUIRED] == traits[s, REQUIRED]
        role = keys[s, slot, ROLE] if slot >= 0 else UNUSED
        if role == UNUSED:
            i = skip_scalar(text, i, end)
        elif at(text, i) == 110:
            i, packed = bare_word(text, i)
            if packed != NULL or not may_be_null >> keys[s, slot, BIT] & 1:
                return False
        elif role < FLOATS:
            i, floats[role, n] = read_number(text, i, role >= SIZE)
        elif ID <= role <= ID_AND_SEQ:
            i, number = read_id(text, i, role == ID and traits[s, ID_AS_TEXT] != 0)
            if role != SEQ:
                ints[IDS, n] = number
            if role != ID:
                ints[SEQS, n] = number
        elif role == TIME:
            i, ints[TIMES, n] = read_time(text, i, end, traits[s, TIME_FORMS])
        elif role == SIDE:
            i, sides[n] = _read_side(text, i, end, s, traits, words)
        elif role == SYMBOL:
            start = i + 1
            i, packed = skip_text(text, i, end)
            if i >= 0:
                codes[n] = _find_symbol(symbols, symbol_names, places, packed, text, start, i - 1 - start)
                if codes[n] < 0:
                    return False
        else:
            i = _check_text(text, i, end, keys[s, slot], names)
        if i < 0:
            return False
        member += 1


@compiled(**INLINE)
def _clear(n: int, kinds: Any, sides: Any, codes: Any, floats: Any, ints: Any) -> None:
    kinds[n], sides[n], codes[n] = -1, NO_SIDE, -1
    for column in range(FLOATS):
        floats[column, n] = np.nan
    ints[TIMES, n], ints[IDS, n], ints[SEQS, n] = NO_TIME, NO_ID, NO_ID


def _made(version: int) -> Callable[..., None]:
    """Give the kernel; the variables of a closure are part of the key in numba's cache."""

    @compiled(SIGNATURE, cache=True, **PLAIN)
    def scan_frames(
        text: Any, ends: Any, names: Any, keys: Any, traits: Any, words: Any,
        symbol_names: Any, symbols: Any, places: Any,
        taken: Any, paths: Any, kinds: Any, sides: Any, codes: Any, floats: Any, ints: Any,
    ) -> None:  # fmt: skip
        """Read n frames, each of the first shape that it fits, into the columns; kind -1: it fits none.

        `taken` (shapes, symbols) says whose frames a shape takes: YES or NO; a NO for which a frame was
        refused becomes ASK. Raises ValueError where lengths disagree or frames do not lie in the text.
        Cost: about 0.2 µs for a frame of 180 bytes.
        """
        n, shapes = ends.size, traits.shape[0] if version >= 0 else 0
        if not (n == kinds.size == sides.size == codes.size == floats.shape[1] == ints.shape[1]):
            raise ValueError("the columns are not as long as there are frames")
        if floats.shape[0] != FLOATS or ints.shape[0] != INTS:
            raise ValueError("there are not as many columns as values")
        if taken.shape[0] != shapes or taken.shape[1] != symbols.shape[0]:
            raise ValueError("the tables are not of the same shapes and symbols")
        if paths.shape != (shapes, STEPS, 5):
            raise ValueError("there is not as much room for steps as there may be")
        for s in range(shapes):
            paths[s, 0, BYTES] = 0
        start = 0
        for k in range(n):
            i, end = start, ends[k]
            if not i <= end <= text.size:
                raise ValueError("a frame does not lie in the text")
            start = end
            while end > i and is_blank(at(text, end - 1)):
                end -= 1
            _clear(k, kinds, sides, codes, floats, ints)
            if end - i < 2 or at(text, end - 1) != 125:
                continue
            i = skip_blank(text, i)
            for s in range(shapes):
                fits = _read(
                    text, i, end, s, k, names, keys, traits, words, symbol_names, symbols, places,
                    sides, codes, floats, ints, paths,
                )  # fmt: skip
                if fits and taken[s, codes[k]] == YES:
                    kinds[k] = traits[s, KIND]
                    break
                if fits:
                    taken[s, codes[k]] = ASK
                _clear(k, kinds, sides, codes, floats, ints)

    return scan_frames


scan_frames: Final = _made(crc32(Path(scan_values.__file__).read_bytes()))

"""Shapes and symbols as the arrays that `core.scan_kernel` looks things up in."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.records import Int32s, Int64s, freeze
from core.shapes import Shape

Bytes = npt.NDArray[np.uint8]

SLOTS: Final = 64
"""Places for the keys of a shape, twice as many as there may be."""
UNUSED: Final = -1

PRICE, BID, ASK_PRICE, SIZE, BID_SIZE, ASK_SIZE = range(6)
SYMBOL, SIDE, TIME, ID, SEQ, ID_AND_SEQ, LITERAL, ENDING, ABSENT, CONTAINER = range(6, 16)
"""What the value of a key is. The first six are columns, of which the first three may not be zero."""
FLOATS: Final = 6
INTS: Final = 3
"""Time, id and sequence number."""

STEPS: Final = (48, 5)
"""Room for what the kernel remembers of a frame of a shape within a batch: steps from value to value."""

NO, YES, ASK = range(3)
"""Whether a shape takes a symbol's frames; ASK: it is to be asked before the next scan."""

_ROLES: Final = {
    "price": PRICE,
    "size": SIZE,
    "bid": BID,
    "bid_size": BID_SIZE,
    "ask": ASK_PRICE,
    "ask_size": ASK_SIZE,
    "symbol": SYMBOL,
    "side": SIDE,
    "time": TIME,
    "id": ID,
    "seq": SEQ,
}
_64_BITS: Final = 2**64 - 1
_SPREAD: Final = 0x9E3779B97F4A7C15


def hashed(text: bytes) -> int:
    """Give a text's hash: up to 8 bytes are their own."""
    value = 0
    for byte in text:
        value = ((value << 8) & _64_BITS | value >> 56) ^ byte
    return value


class _Key(NamedTuple):
    name: str
    role: int
    inside: bool
    bit: int
    required: bool
    text: str


class ShapeTables(NamedTuple):
    """Shapes, in the order in which the kernel takes them; the last axis of a table is a row."""

    names: Bytes
    """All texts."""
    keys: Int64s
    """(shapes, SLOTS, 8): hash, length and start in `names`, role, whether it is in the container, its bit,
    length and start of the text that its value must have."""
    traits: Int64s
    """(shapes, 8): kind, whether there is a container, `times`, `id_as_text`, the bits of the keys that are
    required and of those that are optional, the first row in `words` and the one behind the last."""
    words: Int64s
    """(words, 4): hash and length with its quotes, side, whether it is in quotes."""

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> "ShapeTables":
        """Lay out shapes."""
        names = bytearray()
        keys = np.full((len(shapes), SLOTS, 8), UNUSED, np.int64)
        traits = np.zeros((len(shapes), 8), np.int64)
        words: list[tuple[int, ...]] = []
        for s, shape in enumerate(shapes):
            ours = _keys(shape)
            for key in ours:
                row = (*_entry(key.name, names), key.role, key.inside, key.bit, *_entry(key.text, names)[1:])
                keys[s, _free(keys[s], row[0])] = row
            first = len(words)
            words += (_word(word, side) for word, side in shape.sides.items())
            traits[s] = (*_traits(shape, ours), first, len(words))
        word_rows = np.array(words, np.int64).reshape(-1, 4)
        return cls(_bytes(names), freeze(keys), freeze(traits), freeze(word_rows))


def _entry(text: str, names: bytearray) -> tuple[int, int, int]:
    """Give a text's hash, length and start, and put it behind the others.

    It may be any, lone surrogates too: what is not ASCII is equal to nothing that the kernel reads.
    """
    start = len(names)
    encoded = text.encode("utf-8", "surrogatepass")
    names += encoded
    return _signed(hashed(encoded)), len(encoded), start


def _bytes(text: bytearray) -> Bytes:
    # An empty buffer is none to numpy.
    return np.frombuffer(bytes(text) + b"\0", np.uint8)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _word(word: str, side: int) -> tuple[int, int, int, bool]:
    return _signed(hashed(word.strip('"').encode())), len(word), side, word.startswith('"')


def _keys(shape: Shape) -> list[_Key]:
    keys: list[tuple[str, int, bool, bool, str]] = []
    for name, key in shape.named.items():
        if name == "seq" and shape.id == shape.seq:
            continue
        both = name == "id" and shape.id == shape.seq
        required = name not in shape.optional
        keys.append((key, ID_AND_SEQ if both else _ROLES[name], True, required, ""))
    keys += [(key, LITERAL, True, True, text) for key, text in shape.literals.items()]
    keys += [(key, ABSENT, True, False, "") for key in shape.absent]
    if shape.container is not None:
        keys.append((shape.container, CONTAINER, False, True, ""))
    if shape.ending is not None:
        key, text = shape.ending
        keys.append((key, ENDING, shape.container is None, True, text))
    return [
        _Key(name, role, inside, bit, required, text)
        for bit, (name, role, inside, required, text) in enumerate(keys)
    ]


def _traits(shape: Shape, keys: Sequence[_Key]) -> tuple[int, ...]:
    required = sum(1 << key.bit for key in keys if key.required)
    optional = sum(1 << key.bit for key in keys if not key.required and key.role != ABSENT)
    return shape.kind, shape.container is not None, shape.times, shape.id_as_text, required, optional


def _free(keys: Int64s, value: int) -> int:
    slot = (value * _SPREAD & _64_BITS) >> 58
    while keys[slot, 3] != UNUSED:
        slot = (slot + 1) % SLOTS
    return slot


class SymbolTables(NamedTuple):
    """Symbols by code."""

    names: Bytes
    rows: Int64s
    """(symbols, 3): hash, length and start in `names`."""
    places: Int32s
    """Codes by hash, twice as many places as symbols at least; -1: none."""

    @classmethod
    def of(cls, symbols: Sequence[str]) -> "SymbolTables":
        """Lay out symbols."""
        names = bytearray()
        places = np.full(1 << (2 * len(symbols) + 1).bit_length(), -1, np.int32)
        rows = np.empty((len(symbols), 3), np.int64)
        for code, symbol in enumerate(symbols):
            rows[code] = _entry(symbol, names)
            slot = (int(rows[code, 0]) * _SPREAD & _64_BITS) >> 32 & len(places) - 1
            while places[slot] >= 0:
                slot = (slot + 1) % len(places)
            places[slot] = code
        return cls(_bytes(names), freeze(rows), freeze(places))

"""The form of a venue's commonest frames, declared: what `core.scanning` reads without Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from core.records import BUY, NO_SIDE, SELL

EPOCH: Final = 1
"""A time may be a whole JSON number since 1970, in s, ms, us or ns by its magnitude."""
ISO: Final = 2
"""A time may be the text `YYYY-MM-DDTHH:MM:SSZ`, with or without a fraction of up to 9 digits."""

VALUES: Final = (
    "symbol", "price", "size", "bid", "bid_size", "ask", "ask_size", "side", "time", "id", "seq",
)  # fmt: skip
"""The attributes of a Shape that name the field of a value."""
MAX_NAMES: Final = 32
MAX_WORD: Final = 8

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A frame that is one JSON object and holds one trade or one quote.

    A shape is a promise of its dialect: a frame that fits holds exactly this record, whatever else stands
    in it. The frame's other fields may be any scalar. A frame fits if every field named here is there, once,
    with a value as it must be: symbols are text, prices and sizes are JSON numbers or decimals as text,
    ids and sequence numbers whole JSON numbers. Prices are above zero, nothing is negative.

    ValueError where the declaration contradicts itself.
    """

    kind: int
    """TRADE, QUOTE or BOTH."""
    container: str | None = None
    """Key of the object that holds the fields; None: the frame itself."""
    ending: tuple[str, str] | None = None
    """A key of the frame itself and what its text ends with."""
    literals: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)
    """Keys beside the fields that must have exactly this text."""
    absent: tuple[str, ...] = ()
    """Keys beside the fields that must not be there."""
    optional: frozenset[str] = frozenset()
    """Which of VALUES may be absent or null: a size, `side`, `time`, `id` or `seq`."""

    symbol: str
    price: str | None = None
    size: str | None = None
    bid: str | None = None
    bid_size: str | None = None
    ask: str | None = None
    ask_size: str | None = None
    side: str | None = None
    sides: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    """BUY, SELL or NO_SIDE by the value of `side` as JSON: `true`, `"sell"`; ASCII, at most 8 characters."""
    time: str | None = None
    """None: the venue sends none."""
    times: int = EPOCH
    """EPOCH, ISO or both."""
    id: str | None = None
    id_as_text: bool = False
    """An id may be text as well, if it is a whole number of up to 18 digits."""
    seq: str | None = None
    """May be the same field as `id`."""

    def __post_init__(self) -> None:
        names = [name for name in (self.container, self.ending and self.ending[0]) if name is not None]
        names = names if self.container else names[:1]
        inner = [*self.literals, *self.absent, *self.named.values()]
        if self.id is not None and self.id == self.seq:
            inner.remove(self.id)
        if len(set(inner)) < len(inner) or len(set(names)) < len(names):
            raise ValueError("a key of a shape has two meanings")
        if self.container is None and self.ending is not None and self.ending[0] in inner:
            raise ValueError("a key of a shape has two meanings")
        if len(inner) + len(names) > MAX_NAMES:
            raise ValueError(f"a shape has more than {MAX_NAMES} keys")
        if self.optional & {"symbol", "price", "bid", "ask"} or self.optional - self.named.keys():
            raise ValueError("not all of what is optional can be")
        if not all(word.isascii() and len(word) <= MAX_WORD for word in self.sides):
            raise ValueError(f"a word for a side is not ASCII or has more than {MAX_WORD} characters")
        if not set(self.sides.values()) <= {BUY, SELL, NO_SIDE}:
            raise ValueError("a word stands for something else than a side")

    @property
    def named(self) -> dict[str, str]:
        """Give the keys of the fields, by our name."""
        return {name: key for name in VALUES if (key := getattr(self, name)) is not None}

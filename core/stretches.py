"""What many frames hold of each stream of ids: whether they ascend, and where ids are missing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.memory import Lesson, Stream
from core.records import NO_ID, Int64s
from core.runs import Found, Groups

_CHANNELS: Final = ("trades", "quotes", "both")
"""By kind."""

Hole = tuple[int, str, int, int]
"""The position of the frame before which ids are missing, the symbol, the first and the last of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The part of one stream, in order."""

    symbol: str
    lesson: Lesson
    ids: Int64s
    seqs: Int64s

    @property
    def known(self) -> bool:
        """Whether the lesson knows any of it, or something later."""
        lesson, first_id, first_seq = self.lesson, self.ids[0], self.seqs[0]
        highest, last = lesson.highest, lesson.last_seq
        late_id = first_id != NO_ID and highest is not None and first_id <= highest
        return bool(late_id or (first_seq != NO_ID and last is not None and first_seq <= last))

    @property
    def partly(self) -> bool:
        """Whether only some have an id."""
        return any(column[0] == NO_ID != column[-1] for column in (self.ids, self.seqs))

    def learn(self) -> None:
        """Have the lesson remember it."""
        if self.ids[0] != NO_ID:
            self.lesson.take(self.ids)
        if self.seqs[0] != NO_ID:
            self.lesson.last_seq = int(self.seqs[-1])


def stretches(
    found: Found,
    symbols: Sequence[str],
    of_symbols: Groups,
    start: int,
    stop: int,
    one_channel: bool,
    lesson_of: Callable[[Stream], Lesson],
) -> tuple[list[Stretch], list[Hole]] | None:
    """Give the streams of the frames from start to before stop, and the holes in them, in order of frames.

    `of_symbols` are the same frames by symbol.

    None where an id of any does not ascend: what is a duplicate or late is told only one by one.
    """
    kinds = found.kind[start:stop]
    several = not one_channel and bool((kinds != kinds[0]).any())
    groups = of_symbols
    if several:
        groups = Groups.by(len(_CHANNELS) * found.symbol[start:stop].astype(np.int64) + kinds, start)
    channel = "" if one_channel else _CHANNELS[int(kinds[0])]
    ids, seqs = found.venue_id[groups.order], found.seq[groups.order]
    if not (_ascend(ids, groups) and _ascend(seqs, groups)):
        return None
    told, holes = [], list(_holes_inside(found, symbols, groups, seqs))
    for key, begin, end in zip(groups.keys, groups.starts, groups.stops, strict=True):
        code = key
        if several:
            code, kind = divmod(key, len(_CHANNELS))
            channel = _CHANNELS[kind]
        symbol = symbols[code]
        if ids[begin] == NO_ID == seqs[begin] and ids[end - 1] == NO_ID == seqs[end - 1]:
            continue
        stretch = Stretch(symbol, lesson_of((symbol, channel)), ids[begin:end], seqs[begin:end])
        if stretch.partly or stretch.known:
            return None
        last, first = stretch.lesson.last_seq, int(seqs[begin])
        if first != NO_ID and last is not None and first > last + 1:
            holes.append((int(groups.order[begin]), symbol, last + 1, first - 1))
        told.append(stretch)
    return told, sorted(holes)


def _ascend(column: Int64s, groups: Groups) -> bool:
    """Tell whether a column grows strictly within each group, or is absent."""
    before, after = column[:-1], column[1:]
    return bool(((after > before) | ~groups.inside | ((before == NO_ID) & (after == NO_ID))).all())


def _holes_inside(found: Found, symbols: Sequence[str], groups: Groups, seqs: Int64s) -> Iterator[Hole]:
    skips = (seqs[1:] != seqs[:-1] + 1) & groups.inside & (seqs[:-1] != NO_ID)
    for at in (np.flatnonzero(skips) + 1).tolist():
        position = int(groups.order[at])
        yield position, symbols[int(found.symbol[position])], int(seqs[at - 1]) + 1, int(seqs[at]) - 1

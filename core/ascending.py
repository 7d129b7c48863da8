"""Whole numbers that came each larger than all before it, and when: nearly all ids of a venue are like that.

Sixteen bytes a number, in arrays, where a dictionary of boxed ones takes a hundred and thirty.
"""

from typing import Final

import numpy as np

from core.records import Int64s, freeze

_ROOM: Final = 64


class Ascending:
    """The newest of them, each with its ordinal; changed in place."""

    __slots__ = ("_ids", "_ordinals", "_start", "_stop", "highest")

    def __init__(self) -> None:
        self._ids = np.empty(_ROOM, np.int64)
        self._ordinals = np.empty(_ROOM, np.int64)
        self._start = self._stop = 0
        self.highest: int | None = None
        """The largest that ever came."""

    def __len__(self) -> int:
        return self._stop - self._start

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ascending):
            return NotImplemented
        return self.highest == other.highest and self.items() == other.items()

    __hash__ = None  # type: ignore[assignment]

    def append(self, first_ordinal: int, ids: Int64s | list[int]) -> None:
        """Take more, at least one: ascending, and above `highest`. Cost: constant a number, amortised."""
        count = len(ids)
        self._make_room(count)
        start, stop = self._stop, self._stop + count
        self._ids[start:stop] = ids
        self._ordinals[start:stop] = np.arange(first_ordinal, first_ordinal + count)
        self._stop = stop
        self.highest = int(ids[-1])

    def ordinal_of(self, identity: int) -> int | None:
        """Give when a number came; None where it did not, or is forgotten."""
        if self.highest is None or identity > self.highest:
            return None
        at = self._start + int(np.searchsorted(self._ids[self._start : self._stop], identity))
        return int(self._ordinals[at]) if at < self._stop and self._ids[at] == identity else None

    def keep(self, most: int) -> None:
        """Forget all but the newest so many."""
        self._start = max(self._start, self._stop - most)

    def ids(self) -> Int64s:
        """Give the numbers, oldest first, in an array of their own."""
        return freeze(self._ids[self._start : self._stop].copy())

    def items(self) -> list[tuple[int, int]]:
        """Give (ordinal, number) of each, oldest first."""
        held = slice(self._start, self._stop)
        return list(zip(self._ordinals[held].tolist(), self._ids[held].tolist(), strict=True))

    def _make_room(self, count: int) -> None:
        if self._stop + count <= len(self._ids):
            return
        held, live = slice(self._start, self._stop), len(self)
        # Half of it stays free, so that moving is rare.
        room = max(_ROOM, 2 * (live + count))
        for name in ("_ids", "_ordinals"):
            moved = np.empty(room, np.int64)
            moved[:live] = getattr(self, name)[held]
            setattr(self, name, moved)
        self._start, self._stop = 0, live

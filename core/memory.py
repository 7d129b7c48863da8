"""What a normalizer remembers of a feed: identities seen, and the last contiguous id of each stream."""

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from core.ascending import Ascending
from core.records import Int64s

REMEMBERED: Final = 65_536
"""Identities kept per symbol and channel."""

Stream = tuple[str, str]
"""Symbol and channel."""
Id = str | int


@dataclass(slots=True)
class StreamMemory:
    """One symbol and channel. Only `FeedMemory.learn` changes it."""

    ascending: Ascending = field(default_factory=Ascending)
    """Identities that were larger than all before them."""
    odd: dict[Id, int] = field(default_factory=dict)
    """All others: text, and what came late. To its ordinal."""
    odd_order: deque[Id] = field(default_factory=deque)
    next_ordinal: int = 0
    last_seq: int | None = None

    def ordinal_of(self, identity: Id) -> int | None:
        """Give when an identity was last new."""
        ordinal = self.odd.get(identity)
        if ordinal is None and _is_whole(identity):
            return self.ascending.ordinal_of(identity)
        return ordinal


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """A stream's memory at one instant, to be written down."""

    symbol: str
    channel: str
    identities: list[Id] | Int64s
    """The remembered ones, oldest first; an array where all of them ascend."""
    next_ordinal: int
    last_seq: int | None


@dataclass(slots=True)
class Lesson:
    """What a handler learned of one stream; takes effect only when the handler returns.

    Ordinals, not the size of a set, decide what is forgotten, so that no answer depends on where blocks
    are cut.
    """

    base: StreamMemory
    next_ordinal: int
    last_seq: int | None
    highest: int | None
    pieces: list[tuple[int, list[int] | Int64s]] = field(default_factory=list)
    """Ascending identities, with the ordinal of the first."""
    odd: dict[Id, int] = field(default_factory=dict)
    """Those that came otherwise, in the order of their ordinals."""

    def is_duplicate(self, identity: Id) -> bool:
        """Tell whether the identity is among the last REMEMBERED, and remember it if it is not."""
        if _is_whole(identity) and (self.highest is None or identity > self.highest):
            self._append(identity)
            return False
        ordinal = self._ordinal_of(identity)
        if ordinal is not None and self.next_ordinal - ordinal <= REMEMBERED:
            return True
        # One that was forgotten goes to the end, so that `odd` stays in the order of its ordinals.
        self.odd.pop(identity, None)
        self.odd[identity] = self.next_ordinal
        self.next_ordinal += 1
        return False

    def take(self, ids: Int64s) -> None:
        """Remember identities of which the first is larger than `highest`, and each than the one before."""
        self.pieces.append((self.next_ordinal, ids))
        self.next_ordinal += len(ids)
        self.highest = int(ids[-1])

    def missing_before(self, seq: int) -> tuple[int, int] | None:
        """Give the first and last id that are missing before this one, and go on from it.

        An id that is far behind is a venue that began to count anew; one a little behind came late.
        """
        last = self.last_seq
        if last is None or seq > last or seq <= last - REMEMBERED:
            self.last_seq = seq
        return (last + 1, seq - 1) if last is not None and seq > last + 1 else None

    def _append(self, identity: int) -> None:
        if self.pieces:
            first, ids = self.pieces[-1]
            if isinstance(ids, list) and first + len(ids) == self.next_ordinal:
                ids.append(identity)
                self.next_ordinal += 1
                self.highest = identity
                return
        self.pieces.append((self.next_ordinal, [identity]))
        self.next_ordinal += 1
        self.highest = identity

    def _ordinal_of(self, identity: Id) -> int | None:
        ordinal = self.odd.get(identity)
        if ordinal is None and _is_whole(identity):
            for first, ids in self.pieces:
                if ids[0] <= identity <= ids[-1]:
                    at = bisect_left(ids, identity)
                    if ids[at] == identity:
                        return first + at
        return self.base.ordinal_of(identity) if ordinal is None else ordinal


class FeedMemory:
    """The memory of one normalizer. Reading goes through lessons; `learn` makes them last."""

    def __init__(self) -> None:
        self._streams: dict[Stream, StreamMemory] = {}

    def lesson(self, stream: Stream) -> Lesson:
        """Begin to learn about a stream."""
        memory = self._streams.get(stream)
        if memory is None:
            memory = StreamMemory()
        return Lesson(memory, memory.next_ordinal, memory.last_seq, memory.ascending.highest)

    def export(self, symbols: Collection[str] | None = None) -> Iterator[Remembered]:
        """Give what is remembered of each stream of these symbols; None: of all."""
        for (symbol, channel), memory in self._streams.items():
            if symbols is None or symbol in symbols:
                yield Remembered(symbol, channel, _identities(memory), memory.next_ordinal, memory.last_seq)

    def restore(self, stream: Remembered) -> None:
        """Remember a stream as it was exported."""
        memory = self._streams[stream.symbol, stream.channel] = StreamMemory(last_seq=stream.last_seq)
        lesson = Lesson(memory, stream.next_ordinal - len(stream.identities), None, None)
        if isinstance(stream.identities, list):
            for identity in stream.identities:
                lesson.is_duplicate(identity)
        elif len(stream.identities):
            lesson.take(stream.identities)
        _learn(memory, lesson)

    def forget(self, symbols: Collection[str]) -> None:
        """Remember nothing of these symbols."""
        for stream in [stream for stream in self._streams if stream[0] in symbols]:
            del self._streams[stream]

    def learn(self, lessons: dict[Stream, Lesson]) -> None:
        """Make what handlers learned last. Applying the same lessons twice changes nothing."""
        for stream, lesson in lessons.items():
            memory = self._streams.setdefault(stream, lesson.base)
            if memory.next_ordinal < lesson.next_ordinal:
                _learn(memory, lesson)
            memory.last_seq = lesson.last_seq


def _learn(memory: StreamMemory, lesson: Lesson) -> None:
    for first, ids in lesson.pieces:
        memory.ascending.append(first, ids)
    memory.odd.update(lesson.odd)
    memory.odd_order.extend(lesson.odd)
    memory.next_ordinal = lesson.next_ordinal
    memory.ascending.keep(REMEMBERED)
    _forget_odd(memory)


def _forget_odd(memory: StreamMemory) -> None:
    """Drop odd identities older than the last REMEMBERED."""
    order, odd, oldest_kept = memory.odd_order, memory.odd, memory.next_ordinal - REMEMBERED
    while order:
        # One that came again stands further on once more, and its ordinal is that of the later place.
        ordinal = odd.get(order[0])
        if ordinal is not None and ordinal >= oldest_kept and len(order) <= REMEMBERED:
            return
        identity = order.popleft()
        if ordinal is not None and ordinal < oldest_kept:
            del odd[identity]


def _identities(memory: StreamMemory) -> list[Id] | Int64s:
    """Give what is remembered, oldest first."""
    if not memory.odd:
        return memory.ascending.ids()
    oldest_kept = memory.next_ordinal - REMEMBERED
    of_both: list[tuple[int, Id]] = [*memory.ascending.items()]
    of_both += [(ordinal, identity) for identity, ordinal in memory.odd.items()]
    return [identity for ordinal, identity in sorted(of_both, key=_ordinal) if ordinal >= oldest_kept]


def _ordinal(item: tuple[int, Id]) -> int:
    return item[0]


def _is_whole(identity: Id) -> TypeGuard[int]:
    return type(identity) is int and -(2**63) < identity < 2**63

"""What a normalizer remembers of a feed: identities seen, and the last contiguous id of each stream."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

REMEMBERED: Final = 65_536
"""Identities kept per symbol and channel."""

Stream = tuple[str, str]
"""Symbol and channel."""
Id = str | int


@dataclass(slots=True)
class StreamMemory:
    """One symbol and channel. Only `FeedMemory.learn` changes it."""

    seen: dict[Id, int] = field(default_factory=dict)
    """Identity to its ordinal."""
    order: deque[Id] = field(default_factory=deque)
    next_ordinal: int = 0
    last_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """A stream's memory at one instant, to be written down."""

    symbol: str
    channel: str
    identities: list[Id]
    """The remembered ones, oldest first."""
    next_ordinal: int
    last_seq: int | None


@dataclass(slots=True)
class Lesson:
    """What a handler learned of one stream; takes effect only when the handler returns."""

    base: StreamMemory
    fresh: dict[Id, int] = field(default_factory=dict)
    next_ordinal: int = 0
    last_seq: int | None = None

    def is_duplicate(self, identity: Id) -> bool:
        """Tell whether the identity is among the last REMEMBERED, and remember it if it is not.

        Ordinals, not the size of a set, decide what is forgotten, so that the answer does not depend
        on where blocks are cut.
        """
        ordinal = self.fresh.get(identity, self.base.seen.get(identity))
        if ordinal is not None and self.next_ordinal - ordinal <= REMEMBERED:
            return True
        # One that was forgotten goes to the end, so that `fresh` stays in the order of its ordinals.
        self.fresh.pop(identity, None)
        self.fresh[identity] = self.next_ordinal
        self.next_ordinal += 1
        return False

    def missing_before(self, seq: int) -> tuple[int, int] | None:
        """Give the first and last id that are missing before this one, and go on from it.

        An id that is far behind is a venue that began to count anew; one a little behind came late.
        """
        last, late = (
            self.last_seq,
            self.last_seq is not None and self.last_seq - REMEMBERED < seq <= self.last_seq,
        )
        if not late:
            self.last_seq = seq
        return (last + 1, seq - 1) if last is not None and seq > last + 1 else None


class FeedMemory:
    """The memory of one normalizer. Reading goes through lessons; `learn` makes them last."""

    def __init__(self) -> None:
        self._streams: dict[Stream, StreamMemory] = {}

    def lesson(self, stream: Stream) -> Lesson:
        """Begin to learn about a stream."""
        memory = self._streams.get(stream)
        if memory is None:
            memory = StreamMemory()
        return Lesson(memory, {}, memory.next_ordinal, memory.last_seq)

    def export(self, symbols: Collection[str] | None = None) -> Iterator[Remembered]:
        """Give what is remembered of each stream of these symbols; None: of all."""
        for (symbol, channel), memory in self._streams.items():
            if symbols is None or symbol in symbols:
                yield Remembered(symbol, channel, list(memory.order), memory.next_ordinal, memory.last_seq)

    def restore(self, stream: Remembered) -> None:
        """Remember a stream as it was exported."""
        first = stream.next_ordinal - len(stream.identities)
        seen = {identity: first + i for i, identity in enumerate(stream.identities)}
        self._streams[stream.symbol, stream.channel] = StreamMemory(
            seen, deque(stream.identities), stream.next_ordinal, stream.last_seq
        )

    def learn(self, lessons: dict[Stream, Lesson]) -> None:
        """Make what handlers learned last. Applying the same lessons twice changes nothing."""
        for stream, lesson in lessons.items():
            memory = self._streams.setdefault(stream, lesson.base)
            if memory.next_ordinal < lesson.next_ordinal:
                memory.seen.update(lesson.fresh)
                memory.order.extend(lesson.fresh)
                memory.next_ordinal = lesson.next_ordinal
                _forget(memory)
            memory.last_seq = lesson.last_seq


def _forget(memory: StreamMemory) -> None:
    """Drop identities older than the last REMEMBERED."""
    while len(memory.order) > REMEMBERED:
        oldest = memory.order.popleft()
        # One that came again stands further on once more, and may be gone already.
        if memory.next_ordinal - memory.seen.get(oldest, memory.next_ordinal) > REMEMBERED:
            del memory.seen[oldest]

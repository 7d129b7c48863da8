"""The last validated ticks of a symbol, kept in memory for whoever asks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, Final, Self

import numpy as np

from core.records import REJECT, ScoredBlock, Scores, TickBlock, freeze

TAIL: Final = 64
"""So many blocks, or in few of them a sixteenth of the bound, wait as they came before they are merged."""
BLOCK_BYTES: Final = 3_000
"""What a block weighs beside its columns: some thirty small objects."""
TEXT_ID_BYTES: Final = 80
"""What a `venue_id` that is text weighs."""


@dataclass(frozen=True, slots=True, eq=False)
class TickHistory:
    """The newest accepted ticks of one symbol, bounded by count and by bytes: an immutable value.

    New blocks wait in `tail` and are merged, by copying, into `chunks`: a one-tick block weighs twenty
    times its columns, and a view would keep alive whatever it was cut from. Beyond a bound whole chunks go,
    oldest first.
    """

    limit_ticks: int
    """The newest so many ticks can be had; up to an eighth more are held."""
    limit_bytes: int
    """Bytes to hold at most, this class's estimate of Python's own share included."""
    chunks: tuple[ScoredBlock, ...] = ()
    """Oldest first."""
    tail: tuple[ScoredBlock, ...] = ()
    """Newer than every chunk; oldest first."""
    ticks: int = 0
    """Ticks in both."""
    nbytes: int = 0
    """Bytes that both hold."""
    tail_ticks: int = 0
    tail_nbytes: int = 0

    def append(self, block: ScoredBlock, rejects: int) -> Self:
        """Give the history with the accepted ticks of a block added, in which so many were rejected.

        Cost: constant a tick, amortised.
        """
        accepted = _accepted(block) if rejects else block
        if accepted is None:
            return self
        return self._added(accepted)

    def append_refused(self, block: ScoredBlock, rejects: int) -> Self:
        """Give a history of refused ticks with those of a block added, in which so many were rejected."""
        if not rejects:
            return self
        refused = block.scores.verdict == REJECT
        return self._added(_rebuilt([block], lambda columns: columns[0][refused]))

    def _added(self, block: ScoredBlock) -> Self:
        count, weight = len(block), _weight(block)
        # In the order of the fields: `replace` would take a third of the time of a one-tick block.
        added = type(self)(
            self.limit_ticks,
            self.limit_bytes,
            self.chunks,
            (*self.tail, block),
            self.ticks + count,
            self.nbytes + weight,
            self.tail_ticks + count,
            self.tail_nbytes + weight,
        )
        return added._merged()._trimmed()

    def last(self, n: int) -> tuple[ScoredBlock, ...]:
        """Give the newest n ticks, or as many as there are, oldest first. Cost: by blocks, not by ticks."""
        wanted = min(n, self.limit_ticks)
        found: list[ScoredBlock] = []
        for block in (*reversed(self.tail), *reversed(self.chunks)):
            if wanted <= 0:
                break
            found.append(block if len(block) <= wanted else block.slice(len(block) - wanted, len(block)))
            wanted -= len(block)
        return tuple(reversed(found))

    def bounded(self, limit_ticks: int, limit_bytes: int) -> Self:
        """Give the history under other bounds: a symbol's share shrinks as symbols are added."""
        return replace(self, limit_ticks=limit_ticks, limit_bytes=limit_bytes)._trimmed()

    def _merged(self) -> Self:
        few = len(self.tail) < TAIL and self.tail_ticks < max(TAIL, self.limit_ticks // 16)
        if few and self.tail_nbytes <= self.limit_bytes // 2:
            return self
        # A small last chunk is merged once more; so chunks stay large where little memory makes the tail
        # short.
        whole = self.chunks[:-1] if self.chunks and len(self.chunks[-1]) < TAIL else self.chunks
        piece = max(TAIL, self.limit_ticks // 8)
        chunks = (*whole, *_merge((*self.chunks[len(whole) :], *self.tail), piece))
        nbytes = sum(map(_weight, chunks))
        return replace(self, chunks=chunks, tail=(), nbytes=nbytes, tail_ticks=0, tail_nbytes=0)

    def _trimmed(self) -> Self:
        trimmed = self
        while trimmed._overfull():
            oldest, *_ = trimmed.chunks or trimmed.tail
            trimmed = trimmed._without_oldest(len(oldest), _weight(oldest))
        return trimmed

    def _overfull(self) -> bool:
        if self.nbytes > self.limit_bytes:
            return True
        return bool(self.chunks) and self.ticks - len(self.chunks[0]) >= self.limit_ticks

    def _without_oldest(self, count: int, weight: int) -> Self:
        ticks, nbytes = self.ticks - count, self.nbytes - weight
        if self.chunks:
            return replace(self, chunks=self.chunks[1:], ticks=ticks, nbytes=nbytes)
        return replace(
            self,
            tail=self.tail[1:],
            ticks=ticks,
            nbytes=nbytes,
            tail_ticks=self.tail_ticks - count,
            tail_nbytes=self.tail_nbytes - weight,
        )


def _weight(block: ScoredBlock) -> int:
    text_ids = TEXT_ID_BYTES * len(block) if block.ticks.venue_id.dtype == object else 0
    return BLOCK_BYTES + block.nbytes + text_ids


def _accepted(block: ScoredBlock) -> ScoredBlock | None:
    accepted = block.scores.verdict != REJECT
    return _rebuilt([block], lambda columns: columns[0][accepted]) if accepted.any() else None


def _merge(blocks: Iterable[ScoredBlock], piece: int) -> Iterator[ScoredBlock]:
    """Give blocks of at most `piece` ticks with arrays of their own; differing constants stay apart."""
    for _, group in groupby(blocks, _constants):
        alike = _rebuilt(list(group), np.concatenate)
        if len(alike) <= piece:
            yield alike
            continue
        for start in range(0, len(alike), piece):
            yield _rebuilt([alike.slice(start, start + piece)], lambda columns: columns[0].copy())


def _constants(block: ScoredBlock) -> tuple[Any, ...]:
    ticks = block.ticks
    return ticks.feed, ticks.venue, ticks.symbol, ticks.session, ticks.line, ticks.venue_id.dtype


def _rebuilt(blocks: list[ScoredBlock], combine: Any) -> ScoredBlock:
    ticks, scores = [block.ticks for block in blocks], [block.scores for block in blocks]
    return ScoredBlock(TickBlock(**_combined(ticks, combine)), Scores(**_combined(scores, combine)))


def _combined(records: list[Any], combine: Any) -> dict[str, Any]:
    """Give the constructor's arguments: columns made of the records' columns, constants of the first."""
    arguments = {}
    for field in fields(records[0]):
        values = [getattr(record, field.name) for record in records]
        arguments[field.name] = freeze(combine(values)) if isinstance(values[0], np.ndarray) else values[0]
    return arguments

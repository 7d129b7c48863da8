"""A part: one table's share of a batch, and whose rows it holds, for the ledger."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from core.records import REJECT, ScoredBlock
from stores.store import BatchId

Runs = tuple[tuple[str, int], ...]
"""In row order, a feed's name and how many rows in succession are its own; together all rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of one table that are written in one transaction, under one batch id."""

    table: str
    rows: pa.Table
    batch: BatchId
    runs: Runs
    """Empty feed names stand for rows of no feed (alerts)."""

    def __post_init__(self) -> None:
        if sum(count for _, count in self.runs) != self.rows.num_rows:
            raise ValueError(f"the runs {self.runs} do not add up to {self.rows.num_rows} rows")

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def nbytes(self) -> int:
        """Bytes that the rows hold in memory."""
        return int(self.rows.nbytes)

    def split(self, first: BatchId, second: BatchId) -> tuple["Part", "Part"]:
        """Halve the part, under new batch ids; the first half has the row more. ValueError below two rows.

        A store tells by its highest number what it holds of a session: give the halves numbers above
        all that were written, and below all that wait.
        """
        if len(self) < 2:
            raise ValueError("one row cannot be halved")
        middle = (len(self) + 1) // 2
        head, tail = cut_runs(self.runs, middle)
        return (
            Part(self.table, self.rows.slice(0, middle), first, head),
            Part(self.table, self.rows.slice(middle), second, tail),
        )

    def tally(self) -> dict[str, int]:
        """Count the rows by feed."""
        return tally(self.runs)

    def reasons(self) -> dict[str, dict[str, int]]:
        """Count the rows of `rejects` by feed and reason; empty for other tables."""
        if self.table != "rejects":
            return {}
        words = self.rows["reason"].to_pylist()
        counts: dict[str, Counter[str]] = {}
        start = 0
        for feed, count in self.runs:
            counts.setdefault(feed, Counter()).update(word or "" for word in words[start : start + count])
            start += count
        return {feed: dict(counter) for feed, counter in counts.items()}


def tally(runs: Runs) -> dict[str, int]:
    """Count rows by feed."""
    counts: dict[str, int] = {}
    for feed, count in runs:
        counts[feed] = counts.get(feed, 0) + count
    return counts


def runs_of(feeds: Iterable[str]) -> Runs:
    """Give the runs of rows whose feeds these are, one by one."""
    return joined_runs((feed, 1) for feed in feeds)


def joined_runs(runs: Iterable[tuple[str, int]]) -> Runs:
    """Give the same runs with neighbours of one feed made one, and empty ones left out."""
    counted = groupby((run for run in runs if run[1]), key=lambda run: run[0])
    return tuple((feed, sum(count for _, count in group)) for feed, group in counted)


def scored_runs(blocks: Sequence[ScoredBlock]) -> tuple[Runs, Runs]:
    """Give the runs of the two tables that `stores.rows.scored_rows` makes of the same blocks."""
    refused = [int(np.count_nonzero(block.scores.verdict == REJECT)) for block in blocks]
    return (
        joined_runs((block.ticks.feed, len(block) - n) for block, n in zip(blocks, refused, strict=True)),
        joined_runs((block.ticks.feed, n) for block, n in zip(blocks, refused, strict=True)),
    )


def cut_runs(runs: Runs, rows: int) -> tuple[Runs, Runs]:
    """Cut runs in two behind so many rows."""
    head: list[tuple[str, int]] = []
    tail: list[tuple[str, int]] = []
    for feed, count in runs:
        taken = min(count, rows)
        rows -= taken
        head.append((feed, taken))
        tail.append((feed, count - taken))
    return joined_runs(head), joined_runs(tail)

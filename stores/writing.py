"""Writing a part so that it can be repeated: bisection of what a store refuses, with numbers that fit.

A part that the store refuses is halved until the refused row stands alone. Each piece is a transaction
of its own, and each has a number of its own, so that after a crash or an unknown outcome the same
pieces are asked for again, in the same order: rows [i, j) at depth d have the number

    base + 64·j + 63 − d

which grows from left to right, and is larger for a whole than for any piece of it: a whole that was
refused is never taken for written because its last piece was. What stands left of a piece that was
written was dealt with too, but the number does not say how: of such a piece the store's origins tell
which rows were kept, and the others were refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.errors import PermanentStoreError
from core.ledger import Counts, total
from stores.filing import chosen, committed, piece
from stores.known import WITH_ORIGIN, among
from stores.parts import Part
from stores.store import BatchId, Store

SPAN: Final = 2**27
"""Batch numbers are this far apart: room for pieces of a part of up to two million rows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that the store refuses for good."""

    row: Part
    """A part of one row."""
    error: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a part."""

    counts: Counts
    """Committed rows, by feed: `stored`, or `rejected` with the reason."""
    refused: tuple[Refusal, ...]


def write_part(
    store: Store, part: Part, unsure: bool, piece_done: Callable[[], None] = lambda: None
) -> Written:
    """Write a part, whole or in pieces; `unsure`: it may have been tried before, so ask first.

    `piece_done` is called whenever the store has dealt with a piece, for whoever watches that this gets on.

    Raises RetryableStoreError; then nothing is known of the part, and it is to be tried again, unsure.
    """
    return _write(store, part, unsure, 0, len(part), 0, piece_done)


def _write(
    store: Store, part: Part, unsure: bool, start: int, stop: int, depth: int, piece_done: Callable[[], None]
) -> Written:
    if start == stop:
        return Written({}, ())
    piece_done()
    rows = piece(part, start, stop)
    batch = BatchId(part.batch.session, part.batch.number + 64 * stop + 63 - depth)
    if unsure and store.holds(part.table, batch):
        return _dealt_with(store, rows) if depth else Written(committed(rows), ())
    try:
        store.write(part.table, rows.rows, batch)
    except PermanentStoreError as error:
        if stop - start == 1:
            return Written({}, (Refusal(rows, str(error)),))
    else:
        return Written(committed(rows), ())
    middle = (start + stop) // 2
    left = _write(store, part, unsure, start, middle, depth + 1, piece_done)
    right = _write(store, part, unsure, middle, stop, depth + 1, piece_done)
    return Written(total([left.counts, right.counts]), (*left.refused, *right.refused))


def _dealt_with(store: Store, rows: Part) -> Written:
    """Tell what became of a piece that an earlier try left behind: each row was kept or refused.

    Reads the origins of a whole session; it is only asked once the store refused a larger piece.
    """
    if rows.table not in WITH_ORIGIN:
        return Written(committed(rows), ())
    kept = np.zeros(len(rows), np.bool_)
    sessions = rows.rows["session"].to_numpy()
    for session in np.unique(sessions).tolist():
        kept |= (sessions == session) & among(rows, store.origins(rows.table, session))
    refused = tuple(
        Refusal(piece(rows, i, i + 1), "the store refused it before") for i in np.flatnonzero(~kept).tolist()
    )
    return Written(committed(chosen(rows, kept)), refused)

"""Rows that a store already has of a session: what a replay or a recovery must not write again."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from core.ledger import Counts
from stores.filing import chosen, counted
from stores.parts import Part
from stores.store import Store, pack_origins

WITH_ORIGIN: Final = ("ticks", "rejects", "gaps", "dead_letters")
"""The tables whose rows can be told apart by their origin."""


Lines = Mapping[str, npt.NDArray[np.int64]]
"""Packed origins, by line."""


class KnownOrigins:
    """The origins that a store and its spool had of some sessions when the store was opened.

    In a replay these are of the replayed session itself, and what is known is a duplicate; in a live run
    they are of sessions that are being recovered, and what is known was never lost.
    """

    def __init__(
        self,
        store: Store,
        spool: Iterable[Part],
        sessions: Mapping[int, Mapping[str, int]],
        own_session: int,
    ) -> None:
        """Ask the store: of each session, by line, from which frame on, and of other lines for all.

        What the spool has is known from the first frame on, which does no harm.
        """
        self._own = own_session
        self._known: dict[tuple[str, int], dict[str, npt.NDArray[np.int64]]] = {
            (table, session): dict(store.origins(table, session, since))
            for session, since in sessions.items()
            for table in WITH_ORIGIN
        }
        # What a predecessor spooled will be stored; what this run spooled is the very thing to be judged.
        for part in spool if self._known else ():
            if part.batch.session != own_session and part.table in WITH_ORIGIN:
                self._add(part)

    def divide(self, part: Part) -> tuple[Part, Counts]:
        """Give the part without the rows that are known, and what the ledger counts for those."""
        if not self._known or part.table not in WITH_ORIGIN or part.batch.session != self._own:
            return part, {}
        sessions = part.rows["session"].to_numpy()
        known = np.zeros(len(part), np.bool_)
        for session in np.unique(sessions).tolist():
            lines = self._known.get((part.table, session))
            if lines:
                known |= (sessions == session) & among(part, lines)
        if not known.any():
            return part, {}
        found = chosen(part, known)
        own = counted(chosen(found, sessions[known] == self._own), "duplicate.already_stored")
        others = counted(chosen(found, sessions[known] != self._own), "recovered")
        return chosen(part, ~known), {**own, **{key: -rows for key, rows in others.items()}}

    def _add(self, part: Part) -> None:
        sessions = part.rows["session"].to_numpy()
        packed = pack_origins(part.rows["frame"].to_numpy(), part.rows["item"].to_numpy())
        of_line = np.asarray(part.rows["line"].to_pylist(), object)
        for (table, session), lines in self._known.items():
            if table == part.table:
                for line in set(of_line[sessions == session]):
                    more = packed[(sessions == session) & (of_line == line)]
                    lines[line] = np.concatenate([lines.get(line, packed[:0]), more])


def among(part: Part, lines: Lines) -> npt.NDArray[np.bool_]:
    """Tell of each row whether its origin is among these, which are packed and kept by line."""
    packed = pack_origins(part.rows["frame"].to_numpy(), part.rows["item"].to_numpy())
    of_line = np.asarray(part.rows["line"].to_pylist(), object)
    found = np.zeros(len(packed), np.bool_)
    for line, origins in lines.items():
        found |= (of_line == line) & np.isin(packed, origins)
    return found

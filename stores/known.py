"""Rows that a store already has of a session: what a repeated replay must not write again."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from core.ledger import Counts
from stores.filing import chosen, counted
from stores.parts import Part
from stores.store import Store, pack_origins

WITH_ORIGIN: Final = ("ticks", "rejects", "gaps", "dead_letters")
"""The tables whose rows can be told apart by their origin."""


class KnownOrigins:
    """The origins that a store had of a session when it was opened; empty where no session is given."""

    def __init__(self, store: Store, session: int | None) -> None:
        self._session = session
        self._known = (
            {} if session is None else {table: store.origins(table, session) for table in WITH_ORIGIN}
        )

    def divide(self, part: Part) -> tuple[Part, Counts]:
        """Give the part without the rows that the store had, and those counted as duplicates."""
        lines = self._known.get(part.table)
        if not lines or part.batch.session != self._session:
            return part, {}
        known = among(part, lines)
        if not known.any():
            return part, {}
        return chosen(part, ~known), counted(chosen(part, known), "duplicate.already_stored")


def among(part: Part, lines: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.bool_]:
    """Tell of each row whether its origin is among these, which are packed and kept by line."""
    packed = pack_origins(part.rows["frame"].to_numpy(), part.rows["item"].to_numpy())
    of_line = np.asarray(part.rows["line"].to_pylist(), object)
    found = np.zeros(len(packed), np.bool_)
    for line, origins in lines.items():
        found |= (of_line == line) & np.isin(packed, origins)
    return found

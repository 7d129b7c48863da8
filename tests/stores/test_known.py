"""A repeated replay: rows that the store already has are duplicates, and are not written again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records import OK, REJECT
from stores.filing import file_batch
from stores.known import KnownOrigins
from stores.parts import Part
from stores.store import WHOLE, BatchId
from tests.stores.making import alert, block, dead_letter, gap, malformed
from tests.support.memory_store import MemoryStore, MemoryTables

FRAMES = range(8)
frames = st.lists(st.sampled_from(FRAMES), unique=True, max_size=8).map(sorted)


def parts(numbers: list[int], line: str = "spot/0/A", number: int = 1, session: int = 1) -> tuple[Part, ...]:
    """File ticks of these frames (odd ones refused), and one row of every other table."""
    verdicts = [REJECT if frame % 2 else OK for frame in numbers]
    reasons = [frame % 2 for frame in numbers]
    given_ = {"line": line, "session": session}
    scored = (
        [block(len(numbers), frame=numbers, verdict=verdicts, reason=reasons, **given_)] if numbers else []
    )
    return file_batch(
        BatchId(session, number),
        scored,
        [malformed(frame=100, **given_)],
        [gap(frame=100, **given_)],
        [alert()],
        [dead_letter(frame=100, **given_)],
    )


def store_of(*filed: Part) -> MemoryStore:
    """Give a store that holds these parts."""
    store = MemoryStore(MemoryTables())
    for part in filed:
        store.write(part.table, part.rows, part.batch)
    return store


def known_of(store: MemoryStore, *sessions: int, spool: Sequence[Part] = (), own: int = 1) -> KnownOrigins:
    """Give what is known of sessions in a run of session `own`."""
    return KnownOrigins(store, spool, {session: {} for session in sessions}, own)


def test_what_a_recovered_session_stored_or_spooled_was_never_lost() -> None:
    """It is left out, and taken back from `recovered`; what is new of that session is written."""
    stored, spooled, come = parts([2, 3]), parts([4, 5], number=2), parts([2, 3, 4, 5, 6, 7], number=3)
    known = known_of(store_of(*stored), 1, spool=spooled, own=9)
    for part in come:
        mine = replace(part, batch=BatchId(9, 1))
        fresh, counts = known.divide(mine)
        wanted = {"ticks": [6], "rejects": [7]}.get(part.table)
        if wanted is not None:
            assert fresh.rows["frame"].to_pylist() == wanted
            assert counts == {("spot", "recovered"): -2 - (part.table == "rejects")}


def test_of_each_session_its_lines_are_asked_for_from_the_frame_that_is_given() -> None:
    """Below it nothing is known but what the spool has; what comes of there is written."""
    stored = (*parts([2, 4, 6]), *parts([2, 4, 6], "spot/1/A", 2), *parts([2, 4, 6], session=2))
    spooled = [part for part in parts([0], number=3) if part.table == "ticks"]
    known = KnownOrigins(store_of(*stored), spooled, {1: {"spot/0/A": 4}, 2: {"spot/0/A": 5}}, 9)

    def written(session: int, line: str) -> list[int]:
        part = next(part for part in parts([0, 2, 4, 6], line, 9, session) if part.table == "ticks")
        fresh, _ = known.divide(replace(part, batch=BatchId(9, 1)))
        return [row["frame"] for row in fresh.rows.to_pylist()]

    assert written(1, "spot/0/A") == [2]
    assert written(1, "spot/1/A") == [0]
    assert written(2, "spot/0/A") == [0, 2, 4]


def test_what_was_carried_in_is_not_judged_by_itself() -> None:
    """A spooled part of the session that is recovered is written, not taken for known."""
    spooled = parts([4, 5])
    known = known_of(store_of(), 1, spool=spooled, own=9)
    for part in spooled:
        assert known.divide(part) == (part, {})


@pytest.mark.slow
@given(frames, frames)
def test_exactly_the_rows_that_the_store_has_are_duplicates(had: list[int], come: list[int]) -> None:
    known = known_of(store_of(*parts(had)), 1)
    divided = {part.table: (part, *known.divide(part)) for part in parts(come, number=2)}
    for table, (part, fresh, counts) in divided.items():
        new = {"ticks": [f for f in come if f not in had and not f % 2],
               "rejects": [f for f in come if f not in had and f % 2]}.get(table, [])  # fmt: skip
        if table == "alerts":
            assert fresh is part
            continue
        assert fresh.rows["frame"].to_pylist() == new
        assert (fresh.table, fresh.batch) == (table, BatchId(1, 2))
        repeated = len(part) - len(fresh)
        is_record = table in ("ticks", "rejects")
        assert sum(counts.values()) == (repeated if is_record else 0)
        assert set(counts) <= {("spot", "duplicate.already_stored")}


def test_a_frame_of_another_line_is_another_row() -> None:
    known = known_of(store_of(*parts([2, 4])), 1)
    for part in parts([2, 4], line="spot/1/A", number=2):
        assert known.divide(part) == (part, {})


def test_another_session_is_none_of_its_business() -> None:
    known = known_of(store_of(*parts([2, 4])), 1)
    for part in parts([2, 4], session=2):
        assert known.divide(part) == (part, {})


def test_without_a_session_nothing_is_known_and_the_store_is_not_asked() -> None:
    class Deaf(MemoryStore):
        """Has no origins to tell."""

        def origins(
            self, table: str, session: int, since: Mapping[str, int] = WHOLE
        ) -> dict[str, npt.NDArray[np.int64]]:
            """See stores.store.Store."""
            raise AssertionError("it was asked")

    known = known_of(Deaf(MemoryTables()))
    for part in parts([2]):
        assert known.divide(part) == (part, {})


def test_what_is_written_later_is_not_known() -> None:
    """What this run writes itself is told by batch numbers, not by origins."""
    store = store_of()
    known = known_of(store, 1)
    for part in parts([2]):
        store.write(part.table, part.rows, part.batch)
        assert known.divide(part) == (part, {})

"""Bisection of what a store refuses, with crashes and commits of unknown outcome in between."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PermanentStoreError, RetryableStoreError
from core.records import CRITICAL_Z, REJECT
from stores.filing import file_batch
from stores.parts import Part
from stores.store import BatchId
from stores.writing import SPAN, Written, write_part
from tests.stores.making import alert, block, malformed
from tests.stores.making import part as make_part
from tests.support.memory_store import MemoryStore, MemoryTables


class Crash(Exception):
    """Stands for a bug or a kill in the middle of a handler."""


class Disk:
    """Tables that refuse some frames for good, and fail at some of the commits."""

    def __init__(self, refused: set[int], failures: dict[int, tuple[str, type[Exception]]]) -> None:
        self.tables = MemoryTables()
        self.tables.before_commit = self._before
        self.tables.after_commit = self._after
        self.numbers: list[int] = []
        self._refused = refused
        self._failures = failures
        self._commits = 0

    def frames(self, table: str = "ticks") -> list[int]:
        """Give the frames of the rows that were kept, in order."""
        return [row["frame"] for row in self.tables.rows.get(table, [])]

    def _before(self, table: str, rows: pa.Table) -> None:
        if not self._refused.isdisjoint(rows["frame"].to_pylist()):
            raise PermanentStoreError(f"refused among {rows.num_rows}")
        self._commits += 1
        self._fail("before")

    def _after(self, table: str, rows: pa.Table) -> None:
        self.numbers.append(self.tables.numbers[table, 1])
        self._fail("after")

    def _fail(self, stage: str) -> None:
        if self._failures.get(self._commits, ("", Crash))[0] == stage:
            raise self._failures[self._commits][1]("the cable was cut")


def write_until_done(disk: Disk, part: Part) -> Written:
    """Write as a writer does: again after each failure, unsure, with a handle of its own."""
    unsure = False
    while True:
        try:
            return write_part(MemoryStore(disk.tables), part, unsure)
        except (RetryableStoreError, Crash):
            unsure = True


failures_at = st.dictionaries(
    st.integers(1, 12),
    st.tuples(st.sampled_from(["before", "after"]), st.sampled_from([RetryableStoreError, Crash])),
    max_size=4,
)


@pytest.mark.slow
@given(st.integers(1, 33), st.sets(st.integers(0, 32), max_size=8), failures_at)
def test_good_rows_are_stored_once_and_refused_ones_told_once_whatever_fails(
    rows: int, refused: set[int], failures: dict[int, tuple[str, type[Exception]]]
) -> None:
    disk = Disk(refused, failures)
    written = write_until_done(disk, make_part(rows))
    assert disk.frames() == [frame for frame in range(rows) if frame not in refused]
    told = [refusal.row.rows["frame"].to_pylist() for refusal in written.refused]
    assert told == [[frame] for frame in range(rows) if frame in refused]
    assert sum(written.counts.values()) == len(disk.frames())
    assert all(refusal.error for refusal in written.refused)


@pytest.mark.slow
@given(st.integers(1, 65), st.sets(st.integers(0, 64)))
def test_the_numbers_grow_and_stay_below_those_of_the_next_batch(rows: int, refused: set[int]) -> None:
    """A store tells by its highest number what it holds."""
    disk = Disk(refused, {})
    for number in (0, SPAN):
        write_part(MemoryStore(disk.tables), make_part(rows, number), unsure=False)
    assert disk.numbers == sorted(set(disk.numbers))
    assert all(number < SPAN for number in disk.numbers[: len(disk.numbers) // 2])
    assert all(SPAN <= number < 2 * SPAN for number in disk.numbers[len(disk.numbers) // 2 :])


def test_a_part_of_the_largest_batch_fits_between_two_numbers() -> None:
    """Checked where it is largest: the last row of two million, and a piece of the deepest kind."""
    disk = Disk(set(), {})
    rows = 2_000_000
    part = make_part(2)
    write_part(MemoryStore(disk.tables), part, unsure=False)
    step = disk.numbers[0] - 63
    assert step == 2 * 64
    assert step // 2 * rows + 63 < SPAN


def test_a_part_that_is_taken_is_one_transaction() -> None:
    disk = Disk(set(), {})
    written = write_part(MemoryStore(disk.tables), make_part(9, feeds=["a"] * 4 + ["b"] * 5), unsure=False)
    assert len(disk.numbers) == 1
    assert written == Written({("a", "stored"): 4, ("b", "stored"): 5}, ())


class Silent(MemoryStore):
    """Does not answer questions."""

    def holds(self, table: str, batch: BatchId) -> bool:
        """See stores.store.Store."""
        raise ConnectionError("it was asked")


def test_who_is_unsure_asks_before_it_writes() -> None:
    tables = MemoryTables()
    with pytest.raises(ConnectionError, match="it was asked"):
        write_part(Silent(tables), make_part(3), unsure=True)
    assert "ticks" not in tables.rows


def test_a_store_that_is_down_is_the_callers_business() -> None:
    disk = Disk(set(), {1: ("before", RetryableStoreError)})
    with pytest.raises(RetryableStoreError, match="the cable was cut"):
        write_part(MemoryStore(disk.tables), make_part(3), unsure=False)
    assert disk.frames() == []


def test_refused_rows_name_their_feed_and_the_stores_reason() -> None:
    disk = Disk({1}, {})
    written = write_part(MemoryStore(disk.tables), make_part(3, feeds=["a", "b", "c"]), unsure=False)
    (refusal,) = written.refused
    assert (refusal.row.runs, refusal.error) == ((("b", 1),), "refused among 1")
    assert written.counts == {("a", "stored"): 1, ("c", "stored"): 1}


def test_rejects_are_counted_by_reason_also_in_pieces() -> None:
    disk = Disk({1}, {3: ("after", Crash)})
    scored = block(3, verdict=REJECT, reason=CRITICAL_Z, frame=[0, 1, 2])
    (part,) = file_batch(BatchId(1, 0), [scored], [malformed(frame=7)], (), (), ())
    written = write_until_done(disk, part)
    assert disk.frames("rejects") == [0, 2, 7]
    assert written.counts == {("spot", "rejected.critical_z"): 2, ("spot", "rejected.bad_type"): 1}
    assert [refusal.row.rows["frame"].to_pylist() for refusal in written.refused] == [[1]]


@pytest.mark.parametrize("stage", ["before", "after"])
def test_rows_without_an_origin_are_written_once_as_well(stage: str) -> None:
    """Alerts belong to no line: what the store holds of them cannot be asked row by row."""
    tables = MemoryTables()
    fail: list[Callable[[], None]] = [lambda: None]
    setattr(tables, f"{stage}_commit", lambda table, rows: fail.pop()() if fail else None)

    def cut() -> None:
        raise RetryableStoreError("cut")

    fail.append(cut)
    (part,) = file_batch(BatchId(1, 0), (), (), (), [alert(ts_ns=i) for i in range(3)], ())
    with pytest.raises(RetryableStoreError):
        write_part(MemoryStore(tables), part, unsure=False)
    assert write_part(MemoryStore(tables), part, unsure=True).refused == ()
    assert [row["ts_ns"] for row in tables.rows["alerts"]] == [0, 1, 2]

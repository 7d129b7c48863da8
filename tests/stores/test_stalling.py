"""A store that does not answer for a while: calls wait and fail, and what is behind it is unharmed."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from core.errors import RetryableStoreError
from stores.stalling import StallingStore
from stores.store import BatchId
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore, MemoryTables

ROWS = pa.table({"session": [1], "line": ["f/0/A"], "frame": [0], "item": [0]})
CALL_SECONDS = 1.0


class Stalling:
    """A stalling store in front of tables in memory; whoever waits lets the time pass."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.tables = MemoryTables()
        self.waits: list[float] = []
        self.store = StallingStore(MemoryStore(self.tables), self.clock.monotonic, CALL_SECONDS)

    def stall(self, seconds: float) -> None:
        """Stall it from now on."""
        self.store.stall(seconds, self.wait)

    def wait(self, seconds: float) -> None:
        """Wait so many seconds."""
        self.waits.append(seconds)
        self.clock.advance(seconds)

    def write(self, number: int) -> None:
        """Write a batch."""
        self.store.write("ticks", ROWS, BatchId(1, number))

    @property
    def kept(self) -> int:
        """How many rows the tables have."""
        return len(self.tables.rows.get("ticks", []))


@pytest.fixture
def stalling() -> Stalling:
    return Stalling()


def test_it_is_the_store_behind_it_while_there_is_no_stall(stalling: Stalling) -> None:
    stalling.store.open()
    stalling.write(1)
    assert stalling.store.holds("ticks", BatchId(1, 1))
    assert list(stalling.store.origins("ticks", 1)) == ["f/0/A"]
    assert stalling.store.maintain() is None
    assert stalling.waits == []


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.open(),
        lambda store: store.write("ticks", ROWS, BatchId(1, 1)),
        lambda store: store.holds("ticks", BatchId(1, 1)),
        lambda store: store.origins("ticks", 1),
        lambda store: store.maintain(),
    ],
    ids=["open", "write", "holds", "origins", "maintain"],
)
def test_every_call_waits_as_long_as_a_client_would_and_fails(
    call: Callable[[StallingStore], object], stalling: Stalling
) -> None:
    stalling.stall(2.5)
    for waited in (1.0, 1.0, 0.5):
        with pytest.raises(RetryableStoreError, match="stalled by --chaos"):
            call(stalling.store)
        assert stalling.waits.pop() == waited
    if stalling.kept == 0:
        call(stalling.store)
    assert stalling.waits == []


def test_of_the_first_write_only_the_answer_is_lost(stalling: Stalling) -> None:
    """Whoever writes has to ask whether it is there."""
    stalling.stall(1.5)
    for number in (1, 2):
        with pytest.raises(RetryableStoreError):
            stalling.write(number)
    assert stalling.kept == 1
    assert stalling.store.holds("ticks", BatchId(1, 1))
    assert not stalling.store.holds("ticks", BatchId(1, 2))


def test_a_write_that_outlasts_the_stall_is_carried_out_once(stalling: Stalling) -> None:
    stalling.tables.after_commit = lambda table, rows: stalling.clock.advance(10.0)
    stalling.stall(1.0)
    with pytest.raises(RetryableStoreError):
        stalling.write(1)
    assert (stalling.kept, stalling.waits) == (1, [0.0])


@pytest.mark.parametrize(("more", "calls"), [(0.5, 2), (4.0, 4)])
def test_a_stall_within_a_stall_prolongs_it_and_loses_no_second_answer(
    more: float, calls: int, stalling: Stalling
) -> None:
    stalling.stall(3.0)
    with pytest.raises(RetryableStoreError):
        stalling.write(1)
    stalling.stall(more)
    for _ in range(calls):
        with pytest.raises(RetryableStoreError):
            stalling.write(2)
    stalling.write(2)
    assert stalling.kept == 2


def test_the_next_stall_loses_an_answer_again(stalling: Stalling) -> None:
    for number in (1, 2):
        stalling.stall(0.5)
        with pytest.raises(RetryableStoreError):
            stalling.write(number)
    assert stalling.kept == 2


def test_it_lets_go_of_everything_at_once(stalling: Stalling) -> None:
    stalling.stall(2.0)
    stalling.store.close()
    assert stalling.waits == []

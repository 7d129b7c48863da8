"""The writer against a store that fails: breaker, spool, retries, refused rows. On one thread."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.errors import PermanentStoreError, RetryableStoreError
from messages.supervision import InjectFault
from tests.support.harness import World
from tests.support.memory_store import MemoryTables
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]


class Outage:
    """A store that is down until it is mended."""

    def __init__(self, tables: MemoryTables) -> None:
        self.tries = 0
        self.down = True
        tables.before_commit = self

    def __call__(self, table: str, rows: pa.Table) -> None:
        """Fail while down."""
        if self.down:
            self.tries += 1
            raise RetryableStoreError("the store is down")


def say(system: System, first: int, last: int) -> None:
    """Have the venue send trades with these numbers, and have them handled as far as can be."""
    system.line.say(*(trade("A", 100.0 + i % 5, i) for i in range(first, last)))
    system.world.run(lambda: not system.line.waiting)
    system.world.settle()


def stored_ids(system: System) -> list[int]:
    """Give the venue's ids of what is in `ticks`, in the order in which it was written."""
    return [int(str(row["venue_id"])) for row in system.tables.rows.get("ticks", [])]


def breaker(system: System) -> str:
    """Give the breaker's state."""
    state: str = system.slot_of("writer/s").state.progress.breaker.state.value
    return state


def seconds(system: System, count: float) -> None:
    """Let so much time pass."""
    until = system.world.clock.monotonic() + count
    system.world.run(lambda: system.world.clock.monotonic() >= until)
    system.world.settle()


@pytest.mark.parametrize("seed", range(5))
def test_an_outage_opens_the_breaker_and_nothing_is_lost(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """After five failures the store is left alone; the spool takes over and is drained in order."""
    system = System(make_world(seed), tmp_path)
    system.begin()
    outage = Outage(system.tables)
    say(system, 1, 40)
    system.world.run(lambda: breaker(system) == "open")
    assert outage.tries == 5
    say(system, 40, 80)
    seconds(system, 20.0)
    assert outage.tries == 5, "an open breaker asks nobody"
    assert system.slot_of("writer/s").counts["f", "spooled"] > 0
    outage.down = False
    say(system, 80, 120)
    system.world.run(lambda: breaker(system) == "closed" and len(stored_ids(system)) == 119)
    say(system, 120, 130)
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["stored"] == 129
    assert ledger.as_json()["total"]["spooled"] == 0
    assert stored_ids(system) == list(range(1, 130))
    kinds = [row["text"] for row in system.tables.rows["alerts"] if row["kind"] == "breaker"]
    assert any("breaker open" in text for text in kinds)


def test_a_failed_probe_opens_the_breaker_again(tmp_path: Path, make_world: MakeWorld) -> None:
    """One try each cooldown, no more."""
    system = System(make_world(1), tmp_path)
    system.begin()
    outage = Outage(system.tables)
    say(system, 1, 40)
    system.world.run(lambda: breaker(system) == "open")
    seconds(system, 95.0)
    assert outage.tries == 5 + 3
    assert breaker(system) == "open"


def test_what_an_outage_leaves_at_the_end_is_spooled_and_carried_over(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """The next run counts it as carried in, and stores it before anything else."""
    first = System(make_world(2), tmp_path)
    first.begin()
    Outage(first.tables)
    say(first, 1, 40)
    ledger = first.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["spooled"] == 39
    tables = MemoryTables()
    second = System(make_world(3), tmp_path, tables=tables)
    second.begin()
    say(second, 40, 50)
    second.world.run(lambda: len(stored_ids(second)) >= 39)
    account = second.drain()
    assert account.balanced
    total = account.as_json()["total"]
    assert (total["carried_in"], total["received"], total["stored"], total["spooled"]) == (39, 10, 49, 0)
    assert stored_ids(second)[:39] == list(range(1, 40))


@pytest.mark.parametrize("seed", range(5))
def test_a_commit_of_unknown_outcome_is_not_repeated(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The store fails right after it committed: the writer asks before it writes again."""
    system = System(make_world(seed), tmp_path)
    system.begin()

    def fail(table: str, rows: pa.Table) -> None:
        if system.world.random.random() < 0.4:
            raise RetryableStoreError("the answer was lost")

    system.tables.after_commit = fail
    for i in range(1, 60, 6):
        say(system, i, i + 6)
    system.tables.after_commit = lambda table, rows: None
    system.world.run(lambda: len(stored_ids(system)) == 60)
    ledger = system.drain()
    assert ledger.balanced
    assert stored_ids(system) == list(range(1, 61))


@pytest.mark.parametrize("seed", range(5))
def test_refused_rows_become_dead_letters_and_only_they(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """A batch with refused rows is bisected; that does not count for the breaker."""
    system = System(make_world(seed), tmp_path)
    system.begin()
    refused = {7, 8, 30}

    def refuse(table: str, rows: pa.Table) -> None:
        if table == "ticks" and refused & {int(str(id_)) for id_ in rows["venue_id"].to_pylist()}:
            raise PermanentStoreError("no sevens, eights and thirties")

    system.tables.before_commit = refuse
    say(system, 1, 50)
    seconds(system, 1.0)
    ledger = system.drain()
    assert ledger.balanced
    total = ledger.as_json()["total"]
    assert (total["stored"], total["dead_letter"]) == (46, 3)
    assert stored_ids(system) == [i for i in range(1, 50) if i not in refused]
    letters = system.tables.rows["dead_letters"]
    assert len(letters) == 3
    assert {letter["error"] for letter in letters} == {"no sevens, eights and thirties"}
    assert {letter["frame"] for letter in letters} == {i - 1 for i in refused}


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("seed", range(3))
def test_a_crash_behind_the_spooling_of_several_parts_counts_nothing_twice(
    stage: str, seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The replacement finds the parts in the spool, wherever they stand there."""
    systems: list[System] = []
    crashes = 0

    def crash(name: str, at: str) -> None:
        nonlocal crashes
        if not systems or (name, at) != ("writer/s", stage) or crashes == 3:
            return
        if len(systems[0].assembly.specs[name].arguments["spool"]) > 1 + crashes:
            crashes += 1
            raise RuntimeError("behind the appends")

    system = System(make_world(seed), tmp_path, failpoint=crash)
    systems.append(system)
    system.begin()
    outage = Outage(system.tables)
    system.line.say(*(message for i in range(1, 40) for message in (trade("A", 100.0, i), {"symbol": "A"})))
    system.world.run(lambda: breaker(system) == "open")
    seconds(system, 5.0)
    assert crashes
    outage.down = False
    seconds(system, 60.0)
    ledger = system.drain()
    assert ledger.balanced
    total = ledger.as_json()["total"]
    assert (total["stored"], total["rejected"], total["spooled"]) == (39, 39, 0)


def test_a_full_spool_sheds_and_says_so(tmp_path: Path, make_world: MakeWorld) -> None:
    """What neither store nor spool takes is counted as shed, with an alert."""
    system = System(make_world(4), tmp_path, ["spool.max_mb=1"])
    system.begin()
    outage = Outage(system.tables)
    say(system, 1, 40)
    system.world.run(lambda: breaker(system) == "open")
    system.world.settle()
    spool: Any = system.assembly.specs["writer/s"].arguments["spool"]
    spool._max_bytes = spool.nbytes
    say(system, 40, 60)
    seconds(system, 1.0)
    outage.down = False
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert account["reasons"]["spool_full"] == 20
    assert account["total"]["spooled"] == 39


def test_a_stop_while_the_spool_is_written_writes_the_rest(tmp_path: Path, make_world: MakeWorld) -> None:
    """The store answers again, so nothing is left to the next run."""
    system = System(make_world(5), tmp_path)
    system.begin()
    outage = Outage(system.tables)
    say(system, 1, 40)
    system.world.run(lambda: breaker(system) == "open")
    for first in range(40, 200, 10):
        say(system, first, first + 10)
        seconds(system, 0.5)
    outage.down = False
    system.world.run(lambda: breaker(system) == "closed")
    assert system.slot_of("writer/s").counts["f", "spooled"] > 0
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["spooled"] == 0
    assert stored_ids(system) == list(range(1, 200))


@pytest.mark.parametrize("seed", range(10))
def test_crashes_during_an_outage_lose_nothing(seed: int, tmp_path: Path, make_world: MakeWorld) -> None:
    """The writer dies again and again while it retries, spools and drains the spool."""
    world = make_world(seed)
    system = System(world, tmp_path, ["supervision.max_restarts=1000", "supervision.restart_delay_ms=1"])
    system.begin()
    outage = Outage(system.tables)
    for i in range(1, 90, 10):
        say(system, i, i + 10)
        system.slot_of("writer/s").mailbox.put_control(InjectFault("test"))
        if i == 51:
            outage.down = False
            seconds(system, 40.0)
    system.world.run(lambda: len(stored_ids(system)) == 90)
    system.world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    assert stored_ids(system) == list(range(1, 91))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_status_says_closed_after_every_outage(seed: int, tmp_path: Path, make_world: MakeWorld) -> None:
    """Also where the spool held a single part, because the alert about it was held back."""
    system = System(make_world(seed), tmp_path)
    system.begin()
    seen = []
    for number in range(1, 4):
        outage = Outage(system.tables)
        say(system, number, number + 1)
        system.world.run(lambda: breaker(system) == "open")
        outage.down = False
        system.world.run(lambda: breaker(system) == "closed")
        seconds(system, 1.0)
        told = system.slot_of("monitor").state.breakers["s"]
        seen.append((told.state, told.spooled_rows))
    assert seen == [("closed", 0)] * 3


def test_what_a_spool_brings_along_beside_records_is_in_no_account(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Gaps and alerts are written by the next run, but were never received."""
    first = System(make_world(6), tmp_path)
    first.begin()
    Outage(first.tables)
    say(first, 1, 10)
    say(first, 20, 30)
    assert first.drain().as_json()["total"]["spooled"] == 19
    tables = MemoryTables()
    second = System(make_world(7), tmp_path, tables=tables)
    second.begin()
    second.world.run(lambda: bool(tables.rows.get("gaps")))
    seconds(second, 1.0)
    total = second.drain().as_json()["total"]
    assert (total["carried_in"], total["stored"], total["spooled"]) == (19, 19, 0)

"""The journal in the whole system, on one thread: room is made, and killed runs are recovered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.errors import RetryableStoreError
from messages.supervision import BeginDrain
from stores.journal import Journal
from tests.actors.test_crashes import Crashes
from tests.support.harness import World, telling_seed
from tests.support.memory_store import MemoryTables
from tests.support.system import SESSION, System, trade

MakeWorld = Callable[[int], World]
COLUMNS = ("session", "symbol", "price", "frame", "item", "verdict", "z", "vwap", "volatility", "ts_recv_ns")


def said(first: int, last: int) -> list[Any]:
    """Give trades, with a spike, a duplicate, a gap and a malformed frame among them."""
    ticks: list[Any] = [trade("A" if i % 3 else "B", 100 + (i * 7 % 13) / 10, i) for i in range(first, last)]
    return [*ticks, ticks[-1], trade("A", 900.0, last + 5), b"{cut"]


def rows(tables: MemoryTables) -> list[tuple[Any, ...]]:
    """Give all records, by origin."""
    found = [row for table in ("ticks", "rejects") for row in tables.rows.get(table, [])]
    return sorted((tuple(row[name] for name in COLUMNS) for row in found), key=lambda row: (row[0], row[3:5]))


@pytest.mark.parametrize("seed", range(20))
def test_a_killed_run_is_recovered_to_what_it_would_have_been(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Killed after any number of steps: the tables equal those of a run that was not, to the value."""
    with telling_seed(seed):
        whole = System(make_world(seed), tmp_path, journalled=True)
        whole.begin()
        whole.line.say(*said(1, 60))
        whole.world.run(whole.quiet)
        whole.drain()
        world = make_world(seed)
        directory = tmp_path / "killed"
        directory.mkdir()
        killed = System(world, directory, journalled=True)
        killed.begin()
        killed.line.say(*said(1, 60))
        for _ in range(world.random.randrange(400)):
            world.step()
        world.run(lambda: not killed.line.waiting)
        after = System(
            make_world(seed + 1), directory, tables=killed.tables, journalled=True,
            session=SESSION + 1,
        )  # fmt: skip
        after.begin()
        after.world.run(after.quiet)
        ledger = after.drain()
        assert ledger.balanced, ledger.as_json()
        told = rows(killed.tables)
        expected = rows(whole.tables)
        stamp = COLUMNS.index("ts_recv_ns")
        assert [row[:stamp] for row in told] == [row[:stamp] for row in expected]
        assert ledger.as_json()["total"]["received"] == 0


def test_the_recovered_run_goes_on_where_the_killed_one_was(tmp_path: Path, make_world: MakeWorld) -> None:
    """Windows are warm, a duplicate of before is known, and a hole between the runs is a gap."""
    first = System(make_world(1), tmp_path, journalled=True)
    first.begin()
    first.line.say(*(trade("A", 100.0 + i % 3, i) for i in range(1, 50)))
    first.world.run(lambda: not first.line.waiting)
    second = System(
        make_world(2), tmp_path, tables=first.tables, journalled=True, session=SESSION + 1
    )  # fmt: skip
    second.begin()
    second.line.say(trade("A", 101.0, 49), trade("A", 102.0, 53))
    second.world.run(second.quiet)
    ledger = second.drain()
    assert ledger.balanced
    assert ledger.as_json()["reasons"]["repeated"] == 1
    (row,) = [row for row in first.tables.rows["ticks"] if row["session"] == SESSION + 1]
    assert row["z"] is not None
    (gap,) = first.tables.rows["gaps"]
    assert (gap["first_missing"], gap["last_missing"]) == (50, 52)


def test_room_is_made_while_the_run_goes_on(tmp_path: Path, make_world: MakeWorld) -> None:
    """Segments whose rows the store has are deleted, oldest first, down to the bound."""
    system = System(make_world(3), tmp_path, ["journal.retention_mb=1"], journalled=True)
    system.begin()
    journal = Journal(tmp_path)
    padding = "x" * 20_000
    for first in range(1, 200, 20):
        system.line.say(*(trade("A", 100.0, i, padding=padding) for i in range(first, first + 20)))
        system.world.run(system.quiet)
        until = system.world.clock.monotonic() + 11
        system.world.run(lambda until=until: system.world.clock.monotonic() > until)  # type: ignore[misc]
    assert journal.nbytes <= 2**20
    assert next(iter(journal.segments(SESSION))).name.split(".")[1] > "000010"
    assert system.drain().balanced


def test_nothing_makes_room_that_a_store_has_not(tmp_path: Path, make_world: MakeWorld) -> None:
    """While the writer hangs, the journal grows beyond its bound, and an alert says so."""
    system = System(make_world(4), tmp_path, ["journal.retention_mb=1"], journalled=True)
    system.begin()
    system.world.frozen.add("writer/s")
    padding = "x" * 20_000
    for first in range(1, 101, 20):
        system.line.say(*(trade("A", 100.0, i, padding=padding) for i in range(first, first + 20)))
        system.world.run(lambda: not system.line.waiting)
        until = system.world.clock.monotonic() + 11
        system.world.run(lambda until=until: system.world.clock.monotonic() > until)  # type: ignore[misc]
    assert Journal(tmp_path).nbytes > 2**20
    system.world.frozen.clear()
    system.world.run(system.quiet)
    assert system.drain().balanced
    assert any("journal.retention_mb" in row["text"] for row in system.tables.rows["alerts"])


PADDING = "x" * 20_000


def say_at_length(system: System, first: int, last: int) -> None:
    """Have the line send trades that fill a segment every few frames; B's come seldom."""
    system.line.say(
        *(
            trade("B" if i % 40 == 7 else "A", 100 + (i * 7 % 13) / 10, i, padding=PADDING)
            for i in range(first, last)
        )
    )


def pass_time(system: System, seconds: float) -> None:
    """Let the clock go on."""
    until = system.world.clock.monotonic() + seconds
    system.world.run(lambda: system.world.clock.monotonic() > until)


@pytest.mark.parametrize("seed", range(12))
def test_a_run_killed_long_after_its_start_is_recovered_from_where_its_checkpoint_is(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Old segments are gone, the recovery is killed too, and every value is what it would have been."""
    bound = ["journal.retention_mb=1"]
    with telling_seed(seed):
        whole = System(make_world(seed), tmp_path, bound, journalled=True)
        whole.begin()
        say_at_length(whole, 1, 241)
        whole.world.run(whole.quiet)
        whole.drain()
        world = make_world(seed)
        directory = tmp_path / "killed"
        directory.mkdir()
        killed = System(world, directory, bound, journalled=True)
        killed.begin()
        for first in range(1, 201, 20):
            say_at_length(killed, first, first + 20)
            killed.world.run(killed.quiet)
            pass_time(killed, 11)
        assert next(iter(Journal(directory).segments(SESSION))).name.split(".")[1] > "000010"
        say_at_length(killed, 201, 241)
        for _ in range(world.random.randrange(200)):
            world.step()
        world.run(lambda: not killed.line.waiting)
        again = System(
            make_world(seed + 1), directory, bound, tables=killed.tables, journalled=True, session=8
        )
        for _ in range(world.random.randrange(600)):
            again.world.step()
        after = System(
            make_world(seed + 2), directory, bound, tables=killed.tables, journalled=True, session=9
        )
        after.begin()
        after.world.run(after.quiet)
        ledger = after.drain()
        assert ledger.balanced, ledger.as_json()
        stamp = COLUMNS.index("ts_recv_ns")
        assert [row[:stamp] for row in rows(killed.tables)] == [row[:stamp] for row in rows(whole.tables)]
        # What lies behind the checkpoint was not read again.
        assert ledger.as_json()["frames"]["decoded"] < 120
        assert Journal(directory).unclean(before=10) == []


def test_a_recovered_session_is_clean_as_soon_as_its_rows_are_stored(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """The run that recovered it may go on for months, and be killed too: it is not read a second time."""
    first = System(make_world(1), tmp_path, journalled=True)
    first.begin()
    first.line.say(*(trade("A", 100.0 + i % 3, i) for i in range(1, 50)))
    first.world.run(lambda: not first.line.waiting)
    second = System(make_world(2), tmp_path, tables=first.tables, journalled=True, session=SESSION + 1)
    second.begin()
    second.line.say(trade("A", 101.0, 50))
    second.world.run(second.quiet)
    progress = second.slot_of("monitor").state.recovery
    assert progress.ended
    assert progress.read_bytes == progress.of_bytes > 0
    assert progress.frames == 49
    assert not Journal(tmp_path).is_clean(SESSION)
    pass_time(second, 11)
    assert Journal(tmp_path).is_clean(SESSION)
    third = System(make_world(3), tmp_path, tables=first.tables, journalled=True, session=SESSION + 2)
    third.begin()
    third.world.run(third.quiet)
    ledger = third.drain()
    assert ledger.balanced
    assert ledger.as_json()["frames"]["decoded"] == 1
    (row,) = [row for row in first.tables.rows["ticks"] if row["session"] == SESSION + 1]
    assert row["z"] is not None


def test_a_stop_amid_a_recovery_leaves_the_rest_to_the_next_start(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """What the actors know then is of no place that a checkpoint could name: the last one stays."""
    whole = System(make_world(1), tmp_path, journalled=True)
    whole.begin()
    whole.line.say(*said(1, 2_000))
    whole.world.run(whole.quiet)
    whole.drain()
    directory = tmp_path / "killed"
    directory.mkdir()
    killed = System(make_world(1), directory, journalled=True)
    killed.begin()
    killed.line.say(*said(1, 2_000))
    killed.world.run(lambda: not killed.line.waiting)
    stopped = System(make_world(2), directory, tables=killed.tables, journalled=True, session=SESSION + 1)
    recoverer = stopped.slot_of("recoverer")
    stopped.world.run(lambda: recoverer.counts != {})
    stopped.world.frozen.add("recoverer")
    stopped.assembly.supervisor.tell(BeginDrain("the operator changed his mind"))
    stopped.world.run(lambda: len(recoverer.mailbox) > 0)
    stopped.world.frozen.clear()
    assert not recoverer.state.ended
    assert stopped.drain().balanced
    assert Journal(directory).unclean(before=SESSION + 2) == [SESSION]
    after = System(make_world(3), directory, tables=killed.tables, journalled=True, session=SESSION + 2)
    after.begin()
    after.world.run(after.quiet)
    assert after.drain().balanced
    stamp = COLUMNS.index("ts_recv_ns")
    assert [row[:stamp] for row in rows(killed.tables)] == [row[:stamp] for row in rows(whole.tables)]


def test_rows_that_found_no_room_are_recovered_from_a_journal_that_was_kept(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Neither the store nor the spool took them: their segments stay, whatever the bound."""
    bound = ["journal.retention_mb=1"]
    system = System(make_world(5), tmp_path, bound, journalled=True)
    system.begin()
    outage = system.tables.before_commit = Outage()
    say_at_length(system, 1, 41)
    system.world.run(lambda: bool(system.slot_of("writer/s").counts.get(("f", "spooled"))))
    spool: Any = system.assembly.specs["writer/s"].arguments["spool"]
    spool._max_bytes = spool.nbytes
    say_at_length(system, 41, 81)
    system.world.run(lambda: bool(system.slot_of("writer/s").counts.get(("f", "shed.spool_full"))))
    outage.down = False
    for first in range(81, 241, 20):
        say_at_length(system, first, first + 20)
        system.world.run(system.quiet)
        pass_time(system, 11)
    ledger = system.drain()
    assert ledger.balanced
    lost = ledger.as_json()["reasons"]["spool_full"]
    assert Journal(tmp_path).nbytes > 3 * 2**20
    after = System(make_world(6), tmp_path, bound, tables=system.tables, journalled=True, session=SESSION + 1)
    after.begin()
    after.world.run(after.quiet)
    ledger = after.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["recovered"] == lost
    assert len(rows(system.tables)) == 240
    assert Journal(tmp_path).unclean(before=SESSION + 2) == []


class Outage:
    """A store that is down until it is mended."""

    down = True

    def __call__(self, table: str, rows: pa.Table) -> None:
        """Fail while down."""
        if self.down:
            raise RetryableStoreError("the store is down")


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("prefix", ["journal", "recoverer", "connection", "normalizer", "detector", "writer"])
@pytest.mark.parametrize("seed", range(2))
def test_crashes_amid_a_recovery_change_nothing(
    prefix: str, stage: str, seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Whoever crashes at whichever instant while a killed run is recovered, and the recovered run goes on."""
    with telling_seed(seed):
        whole = System(make_world(seed), tmp_path, journalled=True)
        whole.begin()
        whole.line.say(*said(1, 60))
        whole.world.run(whole.quiet)
        whole.drain()
        world = make_world(seed)
        directory = tmp_path / "killed"
        directory.mkdir()
        killed = System(world, directory, journalled=True)
        killed.begin()
        killed.line.say(*said(1, 60))
        world.run(lambda: not killed.line.waiting)
        crashes = Crashes(make_world(seed + 1), prefix, stage, 6)
        after = System(
            crashes.world, directory, ["supervision.max_restarts=1000"], tables=killed.tables,
            journalled=True, session=SESSION + 1, failpoint=crashes,
        )  # fmt: skip
        after.begin()
        after.world.run(after.quiet)
        ledger = after.drain()
        assert crashes.happened
        assert ledger.balanced, ledger.as_json()
        assert ledger.as_json()["total"]["dead_letter"] == 0
        stamp = COLUMNS.index("ts_recv_ns")
        assert [row[:stamp] for row in rows(killed.tables)] == [row[:stamp] for row in rows(whole.tables)]

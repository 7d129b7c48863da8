"""The journal in the whole system, on one thread: room is made, and killed runs are recovered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stores.journal import Journal
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
            session=SESSION + 1, check_sessions=(SESSION,),
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
        make_world(2), tmp_path, tables=first.tables, journalled=True, session=SESSION + 1,
        check_sessions=(SESSION,),
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

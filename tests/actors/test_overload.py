"""More than an actor can take: what is shed is counted and told in order; `block` sheds nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from messages.signals import RecentTicks
from messages.supervision import BeginDrain
from tests.support.harness import World, telling_seed
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]


def flood(system: System, hung: str, count: int) -> None:
    """Send so many ticks while an actor handles nothing, then let it go on."""
    system.world.frozen.add(hung)
    system.line.say(*(trade("A", 100.0 + i % 7, i) for i in range(1, count + 1)))
    system.world.run(lambda: not system.line.waiting)
    system.world.settle()
    system.world.frozen.clear()
    system.world.run(system.quiet)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hung", ["detector/f/A", "writer/s"])
def test_the_oldest_ticks_are_shed_counted_and_told(
    hung: str, seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The bound's newest are kept; a gap with the cause `shed` stands for the others."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path, ["actors.mailbox_ticks=10"])
        system.begin()
        flood(system, hung, 100)
        ledger = system.drain()
        assert ledger.balanced
        account = ledger.as_json()
        # Blocks are shed whole, so that up to a block less than the bound is kept.
        shed = account["reasons"]["overload"]
        assert 90 <= shed < 100
        frames = sorted(row["frame"] for row in system.tables.rows["ticks"])
        assert frames == list(range(shed, 100))
        gaps = [row for row in system.tables.rows["gaps"] if row["cause"] == "shed"]
        assert sum(row["last_missing"] - row["first_missing"] + 1 for row in gaps) == shed
        assert any(row["kind"] == "shed" for row in system.tables.rows["alerts"])


@pytest.mark.parametrize("seed", range(3))
def test_alerts_tell_all_that_a_writer_sheds_though_it_drains_late(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """What is kept back of the second loss, which is heard of in the drain, is told by the last words."""
    with telling_seed(seed):
        world = make_world(seed)
        system = System(world, tmp_path, ["actors.mailbox_ticks=10"])
        system.begin()
        for first in (1, 1_001):
            world.frozen.add("writer/s")
            system.line.say(*(trade("A", 100.0 + i % 7, first + i) for i in range(100)))
            world.run(lambda: not system.line.waiting)
            world.settle()
            if first == 1:
                world.frozen.clear()
                world.settle()
        system.assembly.supervisor.tell(BeginDrain("the test is over"))
        world.settle()
        world.frozen.clear()
        world.run(lambda: system.ended is not None)
        assert system.ended is not None
        assert system.ended.ledger is not None
        rows = [row for row in system.tables.rows["alerts"] if row["kind"] == "shed"]
        told = sum(row["held_back"] for row in rows)
        told += sum(int(row["text"].split()[0]) for row in rows if row["actor"] != "monitor")
        assert told == system.ended.ledger.as_json()["reasons"]["overload"] > 100


def test_frames_are_shed_before_decoding(tmp_path: Path, make_world: MakeWorld) -> None:
    """Their bound is in bytes; they have their own place in the frames' line."""
    system = System(make_world(1), tmp_path, ["actors.frames_mb=1"])
    system.begin()
    system.world.frozen.add("normalizer/f/0")
    padding = "x" * 100_000
    system.line.say(*(trade("A", 100.0, i, padding=padding) for i in range(1, 31)))
    system.world.run(lambda: not system.line.waiting)
    system.world.settle()
    system.world.frozen.clear()
    system.world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert account["frames"]["shed_frames"] == 20
    assert account["total"]["stored"] == 10
    (gap,) = [row for row in system.tables.rows["gaps"] if row["cause"] == "shed"]
    assert (gap["first_missing"], gap["last_missing"], gap["symbol"]) == (0, 19, None)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hung", ["detector/f/A", "writer/s", "normalizer/f/0"])
def test_block_sheds_nothing_and_stops_reading(
    hung: str, seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The line is not read while its downstream is full; then it goes on, and all is stored."""
    with telling_seed(seed):
        overrides = ['feeds.0.overload="block"', "actors.mailbox_ticks=10", "actors.frames_mb=1"]
        system = System(make_world(seed), tmp_path, overrides)
        system.begin()
        system.world.frozen.add(hung)
        padding = "x" * 50_000
        system.line.say(*(trade("A", 100.0 + i % 7, i, padding=padding) for i in range(1, 101)))
        system.world.settle()
        assert system.line.waiting, "the socket pushes back"
        system.world.frozen.clear()
        system.world.run(system.quiet)
        ledger = system.drain()
        assert ledger.balanced
        account = ledger.as_json()
        assert account["total"]["stored"] == 100
        assert account["total"]["shed"] == 0 == account["frames"]["shed_frames"]


def test_a_detector_answers_for_its_recent_ticks(tmp_path: Path, make_world: MakeWorld) -> None:
    """The last n validated ones, oldest first; an unknown symbol has none."""
    system = System(make_world(2), tmp_path)
    system.begin()
    system.line.say(*(trade("A", 100.0 + i % 3, i) for i in range(1, 60)), trade("A", 9_999.0, 60))
    system.world.run(system.quiet)
    detector: Any = system.world.actors["detector/f/A"]

    def recent(symbol: str, n: int) -> list[int]:
        blocks = detector.receive(RecentTicks(symbol, n), None)
        return [int(frame) for block in blocks for frame in block.ticks.frame]

    assert recent("A", 5) == [54, 55, 56, 57, 58], "the refused one is not among them"
    assert len(recent("A", 1_000)) == 59
    assert recent("unknown", 5) == []
    system.drain()

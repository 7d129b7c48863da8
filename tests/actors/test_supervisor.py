"""The supervisor: ordered start, deadlines, escalation, ordered drain. On one thread."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors.base import Actor
from actors.slot import Slot
from messages.observation import GetStatus
from messages.supervision import BeginDrain, InjectFault, SupervisorEnded, SupervisorStarted
from tests.support.harness import World, telling_seed
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]


class Recording:
    """A launcher that notes what is started, in order, and may refuse."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.started: list[str] = []
        self.refuse: dict[str, int] = {}

    def start(
        self, actor_class: type[Actor[Any]], slot: Slot[Any], arguments: Mapping[str, Any]
    ) -> pykka.ActorRef[Any]:
        """See actors.launching.Launcher."""
        self.started.append(slot.name)
        if self.refuse.get(slot.name, 0):
            self.refuse[slot.name] -= 1
            raise RuntimeError("refused by the test")
        return self._world.start(actor_class, slot, arguments)


def test_children_start_in_order_each_stage_after_the_one_before(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Whoever is spoken to is up before who speaks."""
    world = make_world(0)
    launcher = Recording(world)
    system = System(world, tmp_path, launcher=launcher)
    assert launcher.started == ["supervisor", "writer/s"], "the monitor waits for the writer's Started"
    system.begin()
    assert launcher.started[2:] == [
        "monitor", "detector/f/A", "detector/f/B", "normalizer/f/0", "connection/f/0/A",
    ]  # fmt: skip


@pytest.mark.parametrize("child", ["writer/s", "detector/f/A", "connection/f/0/A"])
def test_a_child_whose_constructor_fails_is_started_again(
    child: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The start goes on once it succeeds."""
    world = make_world(1)
    launcher = Recording(world)
    launcher.refuse[child] = 2
    system = System(world, tmp_path, launcher=launcher)
    system.begin()
    assert launcher.started.count(child) == 3
    assert system.drain().balanced


def test_a_child_that_never_says_started_is_replaced_and_then_given_up(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Each try has the start deadline; beyond the intensity the process ends with status 70."""
    world = make_world(2)
    overrides = ["supervision.start_seconds=1", "supervision.max_restarts=2"]
    launcher = Recording(world)
    system = System(world, tmp_path, overrides, launcher=launcher)
    system.slot_of("normalizer/f/0").supervisor = None
    world.run(lambda: system.ended is not None)
    assert system.ended is not None
    assert system.ended.status == 70
    assert "normalizer/f/0" in system.ended.text
    assert "not started within 1 s" in system.ended.text
    assert launcher.started.count("normalizer/f/0") == 3
    assert not any(isinstance(told, SupervisorStarted) for told in system.told)


def test_without_its_supervisor_the_process_has_to_end(tmp_path: Path, make_world: MakeWorld) -> None:
    """A failure in the supervisor itself is told to the host, with status 70."""
    system = System(make_world(3), tmp_path)
    system.begin()
    system.assembly.supervisor.tell(InjectFault("test"))
    system.world.run(lambda: system.ended is not None)
    assert system.ended == SupervisorEnded(70, "the supervisor itself failed: Injected('test')", None)


@pytest.mark.parametrize("seed", range(10))
def test_two_actors_that_die_at_once_are_both_restarted(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """In any order, with data on its way between them."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path)
        system.begin()
        system.line.say(*(trade("A", 100.0, i) for i in range(1, 30)))
        for name in ("normalizer/f/0", "detector/f/A", "connection/f/0/A"):
            system.slot_of(name).mailbox.put_control(InjectFault("test"))
        system.world.run(system.quiet)
        ledger = system.drain()
        assert ledger.balanced
        assert ledger.as_json()["total"]["stored"] == 29


@pytest.mark.parametrize("seed", range(10))
def test_every_cut_of_the_running_system_balances(seed: int, tmp_path: Path, make_world: MakeWorld) -> None:
    """The live ledger is a consistent cut, whatever is on its way, in batches or in the spool."""
    with telling_seed(seed):
        world = make_world(seed)
        overrides = ["feeds.0.connections=2", "actors.normalizers=2"]
        system = System(world, tmp_path, overrides, publish_seconds=0.01)
        system.begin()
        in_flight = set()
        monitor = system.slot_of("monitor")
        for i in range(1, 60):
            for line, symbol in zip(system.lines, "AB", strict=True):
                line.say(*(trade(symbol, 100.0, i * 10 + j) for j in range(4)))
            world.clock.advance(0.01)
            for _ in range(world.random.randrange(200)):
                world.step()
                ledger = monitor.state.ledger
                if ledger is not None:
                    assert ledger["balanced"], ledger
                    in_flight.add(ledger["total"]["in_flight"] + ledger["frames"]["in_flight_frames"])
        assert len(in_flight) > 3, "cuts that never find anything on its way prove nothing"
        assert system.drain().balanced


def test_the_monitor_answers_how_everything_stands(tmp_path: Path, make_world: MakeWorld) -> None:
    """What `status` shows: lines, stores, actors with their depth, symbols, alerts, the ledger."""
    system = System(make_world(5), tmp_path)
    system.begin()
    system.line.say(*(trade("A", 100.0 + i, i) for i in range(1, 10)))
    system.world.run(system.quiet)
    until = system.world.clock.monotonic() + 5
    system.world.run(lambda: system.world.clock.monotonic() > until)
    monitor: Any = system.world.actors["monitor"]
    status = monitor.receive(GetStatus(), None)
    assert status["ledger"]["total"]["received"] == 9
    assert [line["state"] for line in status["lines"]] == ["up"]
    symbols = {row["symbol"]: row for row in status["symbols"]}
    assert symbols["A"]["last"] == 109.0
    assert {actor["child"] for actor in status["actors"]} == set(system.assembly.specs)
    assert {actor["state"] for actor in status["actors"]} == {"running"}


@pytest.mark.parametrize("hung", ["normalizer/f/0", "detector/f/A", "writer/s"])
def test_the_drain_deadline_gives_up_what_a_hung_actor_has(
    hung: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """What is not scored is shed as `drain_deadline`, or as frames; the ledger balances all the same."""
    system = System(make_world(6), tmp_path, ["supervision.drain_seconds=2"])
    system.begin()
    system.world.frozen.add(hung)
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 30)))
    system.world.run(lambda: not system.line.waiting)
    system.world.settle()
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert account["total"]["stored"] + account["total"]["spooled"] == 0
    assert account["total"]["in_flight"] == 0
    assert account["reasons"].get("drain_deadline", 0) + account["frames"]["shed_frames"] == 29


def test_what_a_hung_writer_has_collected_is_given_up_too(tmp_path: Path, make_world: MakeWorld) -> None:
    """Rows in its open batch are as unscored as those in its mailbox: the ledger balances."""
    overrides = ["supervision.drain_seconds=2", "stores.0.batch_rows=1000", "stores.0.flush_ms=60000"]
    system = System(make_world(8), tmp_path, overrides)
    system.begin()
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 30)))
    system.world.run(system.quiet)
    system.world.frozen.add("writer/s")
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["reasons"] == {"drain_deadline": 29}


def test_a_second_stop_does_not_wait_for_the_deadline(tmp_path: Path, make_world: MakeWorld) -> None:
    """What is scored goes to the spool, what is not is shed, at once."""
    system = System(make_world(7), tmp_path)
    system.begin()
    system.world.frozen.add("detector/f/B")
    system.line.say(*(trade("A" if i % 2 else "B", 100.0, i) for i in range(1, 30)))
    system.world.run(lambda: not system.line.waiting)
    began = system.world.clock.monotonic()
    system.assembly.supervisor.tell(BeginDrain("first"))
    system.assembly.supervisor.tell(BeginDrain("second", now=True))
    system.world.run(lambda: system.ended is not None)
    assert system.world.clock.monotonic() - began < 6.0
    assert system.ended is not None
    assert system.ended.ledger is not None
    assert system.ended.ledger.balanced

"""Crashes at every instant of a handler: nothing is lost, nothing is doubled, the ledger balances."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.base import Injected
from core.records import TickBlock
from core.scoring import score
from messages.supervision import InjectFault
from tests.support.harness import World, telling_seed
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]
COLUMNS = ("symbol", "price", "frame", "item", "verdict", "z", "vwap", "momentum", "volatility")
PATIENT = ("supervision.max_restarts=1000",)


def messages() -> list[Any]:
    """Give trades of two symbols, a gap, a duplicate, quotes and a malformed frame."""
    said: list[Any] = [trade("A" if i % 3 else "B", 100 + (i * 7 % 13) / 10, i) for i in range(1, 80)]
    said += [said[5], {"symbol": "A", "bid": 99.0, "ask": 101.0}, b"{cut", {"symbol": "B", "price": -1}]
    return said


def stored(system: System) -> list[tuple[Any, ...]]:
    """Give what was stored, by origin."""
    rows = [row for table in ("ticks", "rejects") for row in system.tables.rows.get(table, [])]
    rows.sort(key=lambda row: (row["frame"], row["item"]))
    return [tuple(row[name] for name in COLUMNS) for row in rows]


def play(system: System, seed: int) -> dict[str, Any]:
    """Play the messages through the system and drain it."""
    with telling_seed(seed):
        system.begin()
        system.line.say(*messages())
        system.world.run(system.quiet)
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        account: dict[str, Any] = ledger.as_json()
        assert account["total"]["in_flight"] == 0
        return account


class Crashes:
    """A failpoint that raises now and then."""

    def __init__(self, world: World, prefix: str, stage: str, most: int) -> None:
        self.world = world
        self._prefix = prefix
        self._stage = stage
        self._left = most
        self.happened = 0

    def __call__(self, name: str, stage: str) -> None:
        """Raise with a chance of one in five at the stage of the actors meant; the first time for sure."""
        if not name.startswith(self._prefix) or stage != self._stage or not self._left:
            return
        if not self.happened or self.world.random.random() < 0.2:
            self._left -= 1
            self.happened += 1
            raise Injected(stage)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What a run without a crash stores."""
    world = World(0)
    system = System(world, tmp_path_factory.mktemp("undisturbed"))
    play(system, 0)
    world.close()
    return stored(system)


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("prefix", ["connection", "normalizer", "detector", "writer", "monitor", ""])
@pytest.mark.parametrize("seed", range(3))
def test_a_crash_at_any_instant_changes_nothing(
    prefix: str,
    stage: str,
    seed: int,
    tmp_path: Path,
    make_world: MakeWorld,
    undisturbed: list[tuple[Any, ...]],
) -> None:
    """Features and tables equal those of a run without the crashes."""
    world = make_world(seed)
    crashes = Crashes(world, prefix, stage, 12)
    system = System(world, tmp_path, PATIENT, failpoint=crashes)
    account = play(system, seed)
    assert crashes.happened
    assert account["total"]["dead_letter"] == 0
    assert stored(system) == undisturbed


@pytest.mark.parametrize(
    "kind", ["connection/f/0/A", "normalizer/f/0", "detector/f/A", "writer/s", "monitor"]
)
def test_an_injected_fault_restarts_the_actor(
    kind: str, tmp_path: Path, make_world: MakeWorld, undisturbed: list[tuple[Any, ...]]
) -> None:
    """Any one actor of each kind is restarted, and nothing is lost."""
    world = make_world(1)
    system = System(world, tmp_path)
    system.begin()
    first = system.slot_of(kind).incarnation
    system.slot_of(kind).mailbox.put_control(InjectFault("test"))
    account = play(system, 1)
    assert system.slot_of(kind).incarnation == first + 1
    assert account["total"]["dead_letter"] == 0
    assert stored(system) == undisturbed


def test_only_the_tick_that_kills_its_handler_becomes_a_dead_letter(
    tmp_path: Path, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block is tried again tick by tick; the others are stored as if nothing had happened."""

    def poisoned(state: Any, block: TickBlock, rules: Any) -> Any:
        if 13.0 in block.price:
            raise ZeroDivisionError("thirteen")
        return score(state, block, rules)

    monkeypatch.setattr("actors.detector.score", poisoned)
    world = make_world(2)
    system = System(world, tmp_path)
    system.begin()
    system.line.say(*[trade("A", 13.0 if i == 20 else 100.0 + i % 3, i) for i in range(1, 41)])
    system.world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()["total"]
    assert (account["received"], account["stored"], account["dead_letter"]) == (40, 39, 1)
    (letter,) = system.tables.rows["dead_letters"]
    assert letter["actor"] == "detector/f/A"
    assert letter["error"] == "ZeroDivisionError: thirteen"
    assert b'"price":13.0' in letter["raw"]


def test_a_detector_beyond_its_intensity_is_parked(tmp_path: Path, make_world: MakeWorld) -> None:
    """Its ticks become dead letters, the other symbol goes on, and an alert says so."""
    world = make_world(3)
    system = System(world, tmp_path, ["supervision.max_restarts=2"])
    system.begin()
    for _ in range(3):
        system.slot_of("detector/f/A").mailbox.put_control(InjectFault("again"))
        system.world.run(lambda: not len(system.slot_of("detector/f/A").mailbox))
        system.world.settle()
    system.line.say(trade("A", 1.0, 1), trade("B", 2.0, 2))
    system.world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert (account["total"]["stored"], account["total"]["dead_letter"]) == (1, 1)
    assert account["reasons"]["parked"] == 1
    assert "parked" in {row["kind"] for row in system.tables.rows["alerts"]}
    assert system.ended is not None
    assert system.ended.status == 0


@pytest.mark.parametrize("kind", ["connection/f/0/A", "normalizer/f/0", "writer/s", "monitor"])
def test_any_other_actor_beyond_its_intensity_escalates(
    kind: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The supervisor drains what still can, and ends with status 70 and one line."""
    world = make_world(4)
    system = System(world, tmp_path, ["supervision.max_restarts=2"])
    system.begin()
    for _ in range(3):
        system.slot_of(kind).mailbox.put_control(InjectFault("again"))
    world.run(lambda: system.ended is not None)
    assert system.ended is not None
    assert system.ended.status == 70
    assert system.ended.text.startswith(f"{kind} failed more than 2 times in 30 s")
    assert "\n" not in system.ended.text
    assert system.ended.ledger is not None
    assert system.ended.ledger.balanced

"""Handlers that do not return: reported, fenced, replaced; what they still say is dropped. On one thread."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from messages.ingestion import Frames
from messages.lane import Batch, Salvage
from messages.normalization import Ticks
from messages.supervision import InjectHang, SupervisorEnded
from tests.actors.test_crashes import play, stored
from tests.support.harness import World, telling_seed
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]
KINDS = ("connection/f/0/A", "normalizer/f/0", "detector/f/A", "writer/s", "monitor")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What a run without a hang stores."""
    world = World(0)
    system = System(world, tmp_path_factory.mktemp("undisturbed"))
    play(system, 0)
    world.close()
    return stored(system)


def alerts(system: System, kind: str) -> list[str]:
    """Give the texts of the alerts of a kind."""
    return [row["text"] for row in system.tables.rows["alerts"] if row["kind"] == kind]


@pytest.mark.parametrize("kind", KINDS)
def test_an_injected_hang_is_fenced_and_the_actor_replaced(
    kind: str, tmp_path: Path, make_world: MakeWorld, undisturbed: list[tuple[Any, ...]]
) -> None:
    """Past its deadline; the operator is told, and nothing is lost."""
    world = make_world(1)
    system = System(world, tmp_path)
    system.begin()
    first = system.slot_of(kind).incarnation
    system.slot_of(kind).mailbox.put_control(InjectHang("test"))
    world.run(lambda: system.slot_of(kind).incarnation > first)
    account = play(system, 1)
    assert account["total"]["dead_letter"] == 0
    assert stored(system) == undisturbed
    assert f"{kind} hung: it was at InjectHang for more than" in alerts(system, "hang")[0]
    assert system.ended is not None
    assert system.ended.status == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_a_hang_in_any_message_changes_nothing(
    kind: str, seed: int, tmp_path: Path, make_world: MakeWorld, undisturbed: list[tuple[Any, ...]]
) -> None:
    """The late handler goes on at any time after it was fenced, beside its replacement, and is not heard."""
    world = make_world(seed)
    system = System(world, tmp_path)
    system.begin()
    world.hang[kind] = lambda message: world.random.random() < 0.1
    account = play(system, seed)
    with telling_seed(seed):
        assert account["total"]["dead_letter"] == 0
        assert stored(system) == undisturbed
        assert kind in world.hang or alerts(system, "hang")


def test_what_a_fenced_thread_still_says_is_dropped_and_counted(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Its effects are told, so that nobody wonders where they went."""
    world = make_world(2)
    system = System(world, tmp_path)
    system.begin()
    world.hang["detector/f/A"] = lambda message: isinstance(message, Batch)
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 10)))
    world.run(lambda: bool(system.slot_of("detector/f/A").dropped))
    world.run(lambda: not world.hanging)
    until = world.clock.monotonic() + 5.0
    world.run(lambda: world.clock.monotonic() > until)
    assert system.drain().balanced
    (text,) = alerts(system, "fenced")
    assert text.startswith("detector/f/A: ")
    assert "came late and were dropped" in text


@pytest.mark.parametrize("kind", ["normalizer/f/0", "detector/f/A"])
def test_a_record_that_hangs_its_handler_even_alone_becomes_a_dead_letter(
    kind: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """It hangs twice: among others, and by itself; then it is buried, and all others are stored."""
    world = make_world(3)
    system = System(world, tmp_path)
    system.begin()

    def among_others(message: Any) -> bool:
        return isinstance(message, Batch) and any(map(_is_poison, message.messages))

    def alone(message: Any) -> bool:
        return isinstance(message, Salvage) and _is_poison(message.units[0])

    said = [trade("A", 100.0 + i % 3, i, id="poison" if i == 7 else str(i)) for i in range(1, 20)]
    world.hang[kind] = among_others
    world.frozen.add(kind)
    system.line.say(*said)
    world.run(lambda: not system.line.waiting)
    world.settle()
    world.frozen.clear()
    world.run(lambda: kind not in world.hang)
    world.hang[kind] = alone
    world.run(lambda: kind not in world.hang)
    world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()["total"]
    assert (account["stored"], account["dead_letter"]) == (18, 1)
    (letter,) = system.tables.rows["dead_letters"]
    assert letter["error"] == "Hung: its handler did not return"


def _is_poison(part: Any) -> bool:
    """Tell whether the trade with that id is in it, decoded or not."""
    if isinstance(part, Ticks):
        return "poison" in part.block.venue_id
    return isinstance(part, Frames) and any(b"poison" in bytes(payload) for payload in part.payloads)


def test_waiting_for_a_full_downstream_is_no_hang(tmp_path: Path, make_world: MakeWorld) -> None:
    """An actor that takes no data because a gate is closed is in no handler, however long that lasts."""
    world = make_world(4)
    system = System(world, tmp_path, ['feeds.0.overload="block"', "actors.mailbox_ticks=5"])
    system.begin()
    world.frozen.add("writer/s")
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 60)))
    until = world.clock.monotonic() + 300.0
    world.run(lambda: world.clock.monotonic() > until)
    world.frozen.clear()
    world.run(system.quiet)
    assert system.drain().balanced
    assert not alerts(system, "hang")


def test_three_that_hang_at_once_end_the_process(tmp_path: Path, make_world: MakeWorld) -> None:
    """That is no accident of one actor: status 70, and who hangs."""
    world = make_world(5)
    system = System(world, tmp_path)
    system.begin()
    for name in ("detector/f/A", "detector/f/B", "normalizer/f/0"):
        slot = system.slot_of(name)
        slot.mailbox.put_control(InjectHang("test"))
        # It stays in its C call, so to speak, though it was fenced.
        slot.pulse.fenced.set = lambda: None  # type: ignore[method-assign]
    world.run(lambda: system.ended is not None)
    assert system.ended is not None
    assert system.ended.status == 70
    assert system.ended.text.startswith("3 threads hang at once: ")
    assert set(system.ended.hanging) == {"detector/f/A", "detector/f/B", "normalizer/f/0"}
    assert system.ended.ledger is not None
    assert system.ended.ledger.balanced


def test_a_child_that_ends_without_a_word_is_restarted(tmp_path: Path, make_world: MakeWorld) -> None:
    """Whatever ended its thread: the watch finds it."""
    world = make_world(6)
    system = System(world, tmp_path)
    system.begin()
    world.actors["detector/f/A"].actor_stopped.set()
    first = system.slot_of("detector/f/A").incarnation
    world.run(lambda: system.slot_of("detector/f/A").incarnation > first)
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 10)))
    world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["stored"] == 9
    assert any("ended without a word" in text for text in alerts(system, "restart"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bug_in_the_inbox_crashes_the_actor_like_any_other(
    kind: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Taking the next message fails once; Pykka alone would lose the actor without calling a hook."""
    world = make_world(7)
    system = System(world, tmp_path)
    system.begin()
    first, actor = system.slot_of(kind).incarnation, world.actors[kind]

    def broken() -> Any:
        raise ZeroDivisionError("in the inbox")

    actor.port.poll_source = broken  # type: ignore[method-assign]
    world.run(lambda: system.slot_of(kind).incarnation > first)
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 10)))
    world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["stored"] == 9
    assert any("ZeroDivisionError: in the inbox" in text for text in alerts(system, "restart"))


def test_an_actor_that_ends_of_its_own_accord_is_restarted_if_permanent(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """A permanent child has no business to end."""
    world = make_world(8)
    system = System(world, tmp_path)
    system.begin()
    first = system.slot_of("detector/f/B").incarnation
    world.actors["detector/f/B"].stop()
    world.run(lambda: system.slot_of("detector/f/B").incarnation > first)
    assert system.drain().balanced
    assert not any(isinstance(told, SupervisorEnded) and told.status for told in system.told)


def test_a_parked_stand_in_that_crashes_is_put_there_again(tmp_path: Path, make_world: MakeWorld) -> None:
    """Nobody else would take the symbol's ticks."""
    world = make_world(9)
    system = System(world, tmp_path, ["supervision.max_restarts=0"])
    system.begin()
    slot = system.slot_of("detector/f/A")
    world.actors["detector/f/A"].actor_ref.tell(InjectHang("first"))
    world.run(lambda: system.slot.state.children["detector/f/A"].phase == "parked")
    system.assembly.settings = system.settings.model_copy(
        update={"supervision": system.settings.supervision.model_copy(update={"max_restarts": 3})}
    )
    parked = slot.incarnation
    world.actors["detector/f/A"].actor_stopped.set()
    world.run(lambda: slot.incarnation > parked)
    system.line.say(trade("A", 1.0, 1), trade("B", 2.0, 2))
    world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["reasons"] == {"parked": 1}

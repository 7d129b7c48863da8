"""Faults that a run is asked to suffer: they come when they should, and change no tick."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.address import Address
from actors.chaos import ChaosActor, ChaosState, actor_of, targets_of
from actors.mailbox import Mailbox
from actors.slot import Failpoint, Slot
from core.chaos import ACTORS, parse
from core.chaos_plan import Injection, plan, rubbish
from core.errors import UsageError
from core.records import RAW_LIMIT
from messages.chaos import DropLine, GarbleLine, StallStore
from messages.observation import Noticed
from messages.supervision import ChildFailed, Drain, Drained, InjectFault, InjectHang
from tests.actors.test_crashes import PATIENT, Crashes, messages
from tests.support.frames import TEXT, encode_frame
from tests.support.harness import World, telling_seed
from tests.support.one_line import Line, lone_line
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]
TARGETS = ("detector/f/A", "detector/f/B", "line/f/0/A", "store/s", "writer/s")
COMMANDS = {
    "crash": InjectFault,
    "hang": InjectHang,
    "drop": DropLine,
    "garble": GarbleLine,
    "stall": StallStore,
}


class Chaos:
    """A chaos actor, and in the place of everybody else a mailbox."""

    def __init__(self, world: World, text: str, failpoint: Failpoint | None = None) -> None:
        self.world = world
        self.chaos = parse(text)
        self.supervisor, self.monitor = Mailbox(), Mailbox()
        self.gone: set[str] = set()
        self.slot = Slot(
            "chaos", ChaosState(), Mailbox(), world.clock, Address[Any]("supervisor", self.supervisor),
            Address[Any]("monitor", self.monitor), failpoint,
        )  # fmt: skip
        self.told: list[tuple[float, str, object]] = []
        """When, to whom, what."""
        self.notices: list[Noticed] = []
        self._mailboxes = {actor_of(target): Mailbox() for target in TARGETS}
        self._began = world.clock.monotonic()
        self._start()

    def run(self, seconds: float) -> None:
        """Let so much time pass, timer by timer; a crashed actor is replaced."""
        clock = self.world.clock
        end = clock.monotonic() + seconds
        self._settle()
        while (due := self.slot.next_due()) is not None and due <= end:
            clock.advance(max(0.0, due - clock.monotonic()) + 1e-9)
            self._settle()

    def drain(self) -> None:
        """Drain it."""
        self.slot.mailbox.put_control(Drain())
        self._settle()

    def expected(self, seconds: float) -> list[Injection]:
        """Give what the plan has up to a time."""
        found = []
        for injection in plan(self.chaos, TARGETS):
            if injection.seconds > seconds:
                break
            found.append(injection)
        return found

    def _start(self) -> None:
        self.world.start(
            ChaosActor, self.slot, {"chaos": self.chaos, "targets": TARGETS, "address": self._address}
        )

    def _address(self, name: str) -> Address[Any] | None:
        return None if name in self.gone else Address(name, self._mailboxes[name])

    def _settle(self) -> None:
        self.world.settle()
        while self._failed():
            self._start()
            self.world.settle()
        for name, mailbox in self._mailboxes.items():
            while (message := mailbox.take_control()) is not None:
                self.told.append((self.world.clock.monotonic() - self._began, name, message))
        while (notice := self.monitor.take_control()) is not None:
            assert isinstance(notice, Noticed)
            self.notices.append(notice)

    def _failed(self) -> bool:
        current = self.slot.incarnation
        found = False
        while (event := self.supervisor.take_control()) is not None:
            found |= isinstance(event, ChildFailed) and event.incarnation == current
            self.drained = isinstance(event, Drained)
        return found


def check_told(chaos: Chaos, seconds: float) -> None:
    """Check that everybody was told what the plan says, then."""
    expected = chaos.expected(seconds)
    assert [(name, type(message)) for _, name, message in chaos.told] == [
        (actor_of(each.target), COMMANDS[each.fault]) for each in expected
    ]
    assert [when for when, *_ in chaos.told] == pytest.approx([each.seconds for each in expected], abs=1e-6)
    assert [(notice.kind, notice.symbol, notice.text) for notice in chaos.notices] == [
        ("chaos", each.target, f"{each.fault} of {each.target}") for each in expected
    ]
    counts = Counter(each.fault for each in expected)
    assert (chaos.slot.state.done, chaos.slot.state.counts) == (len(expected), counts)


QUICK = (
    *PATIENT, "supervision.handler_seconds=1", "supervision.writer_seconds=1", "breaker.cooldown_seconds=1",
)  # fmt: skip
TEXT_OF_ALL = (
    "crash=writer@1s,hang=detector:B@2s,drop=line@3s,garble=line@4s,stall=store@5s+2s,rate=1/s,seed=9"
)


def test_everybody_is_told_what_is_planned_at_its_time(make_world: MakeWorld) -> None:
    chaos = Chaos(make_world(0), TEXT_OF_ALL)
    chaos.run(20.0)
    check_told(chaos, 20.0)
    assert ("writer/s", StallStore(2.0)) in [(name, message) for _, name, message in chaos.told]
    payloads = [each.payload for each in chaos.expected(20.0) if each.fault == "garble"]
    assert [each.payload for *_, each in chaos.told if isinstance(each, GarbleLine)] == payloads


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("seed", range(5))
def test_a_crash_of_its_own_changes_nothing(stage: str, seed: int, make_world: MakeWorld) -> None:
    """The replacement goes on in the plan where the other was, by the same clock, and counts on."""
    world = make_world(seed)
    crashes = Crashes(world, "chaos", stage, 12)
    with telling_seed(seed):
        chaos = Chaos(world, TEXT_OF_ALL, crashes)
        chaos.run(20.0)
        assert crashes.happened
        check_told(chaos, 20.0)


def test_it_stops_when_it_is_drained(make_world: MakeWorld) -> None:
    chaos = Chaos(make_world(0), "rate=2/s")
    chaos.run(3.0)
    chaos.drain()
    chaos.run(10.0)
    check_told(chaos, 3.0)
    assert chaos.drained


def test_whoever_is_gone_is_left_alone(make_world: MakeWorld) -> None:
    chaos = Chaos(make_world(0), "crash=detector:A@1s,crash=detector:B@2s")
    chaos.gone.add("detector/f/A")
    chaos.run(3.0)
    assert [name for _, name, _ in chaos.told] == ["detector/f/B"]
    assert (chaos.slot.state.done, chaos.slot.state.counts) == (2, {"crash": 1})


# What they do to a line


def test_a_dropped_line_is_dialled_again_after_the_usual_wait(make_world: MakeWorld) -> None:
    line = Line(make_world(1))
    first = line.connect()
    line.tell(DropLine())
    assert first.closed
    assert line.losses() == ["dropped by --chaos"]
    line.connect()
    line.say("one")
    assert line.frames() == [(0, b"one")]


@pytest.mark.parametrize("message", [DropLine(), GarbleLine(b"{")])
def test_a_line_that_is_down_stays_as_it_is(message: object, make_world: MakeWorld) -> None:
    line = Line(make_world(1))
    line.connect()
    line.tell(DropLine())
    line.put()
    state, due = line.slot.state, line.slot.next_due()
    line.tell(message)
    assert (line.slot.state, line.slot.next_due(), line.put()) == (state, due, [])


@pytest.mark.slow
@given(st.data(), st.integers(0, 10**6))
def test_a_garbled_line_has_its_own_frames_unharmed(draw: st.DataObject, seed: int) -> None:
    """Wherever the reads end and the rubbish comes, it is a frame more, and the others are as they were."""
    texts = [f"message {number} {'x' * (number * 50 % 300)}" for number in range(8)]
    wire = b"".join(encode_frame(TEXT, text) for text in texts)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    random, garbage = Random(seed), []
    with lone_line() as line:
        line.connect()
        for piece in pieces:
            line.hear(*([piece] if piece else []))
            if random.random() < 0.5:
                garbage.append(rubbish(random))
                line.tell(GarbleLine(garbage[-1]))
        frames = line.frames()
        counted = line.slot.counts["f", "frames"]
    assert [number for number, _ in frames] == list(range(len(texts) + len(garbage)))
    assert counted == len(frames)
    assert Counter(payload for _, payload in frames) == Counter(
        [*(text.encode() for text in texts), *garbage]
    )
    assert [payload for _, payload in frames if payload not in garbage] == [text.encode() for text in texts]


# What they do to a system


def stored(system: System) -> list[tuple[Any, ...]]:
    """Give what was stored but for the rubbish, in order; without numbers of frames, which rubbish shifts."""
    rows = [row for table in ("ticks", "rejects") for row in system.tables.rows.get(table, [])]
    rows.sort(key=lambda row: (row["frame"], row["item"]))
    names = ("symbol", "price", "item", "verdict", "z", "vwap", "momentum", "volatility")
    kept = [row for row in rows if not ("reason" in row and row["raw"] in rubbish_of(system))]
    return [tuple(row[name] for name in names) for row in kept]


def rubbish_of(system: System) -> set[bytes]:
    """Give what lines were garbled with, as far as rejects show it."""
    spec = system.assembly.specs.get("chaos")
    if spec is None:
        return set()
    some = zip(
        range(spec.slot.state.done), plan(spec.arguments["chaos"], spec.arguments["targets"]), strict=False
    )
    return {each.payload[:RAW_LIMIT] for _, each in some if each.fault == "garble"}


def play(system: System, seconds: float) -> dict[str, Any]:
    """Play the messages, a few at a time, and drain."""
    world, said = system.world, messages()
    with telling_seed(world.seed):
        system.begin()
        for start in range(0, len(said), 4):
            system.line.say(*said[start : start + 4])
            until = world.clock.monotonic() + seconds * 4 / len(said)
            world.run(lambda until=until: world.clock.monotonic() >= until and system.quiet())  # type: ignore[misc]
        # A store that is still stalled, or left alone, would have its rows in the spool.
        until = world.clock.monotonic() + 5.0
        spool = system.assembly.specs["writer/s"].arguments["spool"]
        world.run(lambda: world.clock.monotonic() >= until and system.quiet() and not len(spool))
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
    account: dict[str, Any] = ledger.as_json()
    return account


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What a run without a fault stores."""
    world = World(0)
    system = System(world, tmp_path_factory.mktemp("undisturbed"))
    play(system, 30.0)
    world.close()
    return stored(system)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_whatever_befalls_a_system_it_stores_the_same(
    seed: int, tmp_path: Path, make_world: MakeWorld, undisturbed: list[tuple[Any, ...]]
) -> None:
    """Sixty faults in half a minute. Hangs are apart: many at once are for the supervisor to give up."""
    random = Random(seed)
    actors = ("detector", "normalizer", "writer", "connection", "monitor")
    some = [f"crash={random.choice(actors)}" for _ in range(23)]
    some += [random.choice(("drop=line", "garble=line", "stall=store")) for _ in range(30)]
    faults = [f"{fault}@{random.randint(1, 30_000)}ms" for fault in some]
    faults += [f"hang={random.choice(actors)}@{seconds}s" for seconds in range(1, 29, 4)]
    system = System(make_world(seed), tmp_path, QUICK, chaos=",".join([*faults, f"seed={seed}"]))
    account = play(system, 32.0)
    state = system.slot_of("chaos").state
    assert state.done == sum(state.counts.values()) == 60
    assert account["total"]["dead_letter"] == account["total"]["shed"] == 0
    refused = account["reasons"]["malformed_json"] + account["reasons"].get("bad_type", 0)
    # One is among the messages; a line that is down takes none.
    assert 1 <= refused <= 1 + state.counts.get("garble", 0)
    assert stored(system) == undisturbed


@pytest.mark.slow
def test_a_stalled_store_has_its_breaker_opened_and_its_rows_spooled(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """And everything when it answers again, each row once."""
    system = System(
        make_world(3), tmp_path, ("breaker.failure_threshold=2", "breaker.cooldown_seconds=1"),
        chaos="stall=store:s@1s+20s",
    )  # fmt: skip
    system.begin()
    world, opened = system.world, 0
    for number in range(1, 40):
        system.line.say(trade("A", 100 + number % 5, number))
        until = world.clock.monotonic() + 1.0
        world.run(lambda until=until: world.clock.monotonic() >= until)  # type: ignore[misc]
        opened += system.slot_of("writer/s").state.progress.reported == "open"
    world.run(system.quiet)
    ledger = system.drain().as_json()
    assert opened > 5
    assert (ledger["total"]["stored"], ledger["total"]["spooled"]) == (39, 0)
    assert len(set(system.tables.origins())) == len(system.tables.origins()) == 39


def test_a_fault_becomes_an_alert_that_names_it_and_its_target(tmp_path: Path, make_world: MakeWorld) -> None:
    system = System(make_world(1), tmp_path, chaos="crash=detector:B@1s,drop=line@2s")
    system.begin()
    system.world.run(lambda: system.slot_of("chaos").state.done == 2)
    system.drain()
    alerts = [row for row in system.tables.rows["alerts"] if row["kind"] == "chaos"]
    assert [(row["actor"], row["symbol"], row["text"]) for row in alerts] == [
        ("chaos", "detector/f/B", "crash of detector/f/B"),
        ("chaos", "line/f/0/A", "drop of line/f/0/A"),
    ]


def test_the_targets_are_all_actors_lines_and_stores_but_chaos_itself(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    system = System(make_world(1), tmp_path, chaos="rate=1/h")
    found = set(targets_of(system.assembly))
    actors = {spec.name for spec in system.assembly.of_kind(*ACTORS)}
    assert actors == system.assembly.specs.keys() - {"chaos"}
    assert found == actors | {"line/f/0/A", "store/s"}
    assert {actor_of(target) for target in found} == actors


def test_a_target_that_is_not_there_is_refused_before_anything_begins(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    with pytest.raises(UsageError, match='there is no line "f/1/A"; did you mean "f/0/A"'):
        System(make_world(1), tmp_path, chaos="drop=line:f/1/A@1s")

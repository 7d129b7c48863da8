"""Replaying captures on one thread: pace, gates, order, the end, and crashes."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.address import Address
from actors.base import Injected
from actors.clock import SystemClock
from actors.gate import Gate
from actors.mailbox import Mailbox
from actors.replay_source import CHUNK_FRAMES, ReplaySource, Target
from actors.replayer import ReplayerActor
from actors.slot import Failpoint, Slot
from core.errors import UsageError
from messages.observation import Marker, Noticed, TakeCut
from messages.supervision import ChildFailed, Drain, Drained, InjectFault, LinesDone
from stores.captures import CaptureLine
from tests.support.harness import World, telling_seed
from tests.support.live_line import PATIENCE_SECONDS, wait
from tests.support.one_line import all_data, all_of, numbered

MakeWorld = Callable[[int], World]
BEGAN_NS = 1_600_000_000_000_000_000
SECOND_NS = 1_000_000_000


def lines(*seconds: float, venues: Sequence[str] = ("x",)) -> list[CaptureLine]:
    """Give lines that were received at these seconds, of the venues in turn."""
    return [
        CaptureLine(BEGAN_NS + round(at * SECOND_NS), venues[i % len(venues)], "recv", f"line {i}")
        for i, at in enumerate(seconds)
    ]


class Replay:
    """A replayer, and everybody it speaks with."""

    def __init__(
        self,
        world: World,
        captured: Iterator[CaptureLine] | list[CaptureLine],
        speed: float | None = None,
        venues: Sequence[str] = ("x",),
        failpoint: Failpoint | None = None,
    ) -> None:
        self.world = world
        self.mailboxes = {f"feed-{venue}": Mailbox() for venue in venues}
        self.supervisor, self.monitor = Mailbox(), Mailbox()
        self.gates = tuple(Gate() for _ in venues)
        self.progress: list[int] = []
        targets = {venue: Target(f"feed-{venue}", f"feed-{venue}/0/A") for venue in venues}
        source = ReplaySource(iter(captured), targets, -5, speed)
        self.slot = Slot(
            "replayer", source, Mailbox(), world.clock, Address[Any]("supervisor", self.supervisor),
            Address[Any]("monitor", self.monitor), failpoint,
        )  # fmt: skip
        for gate in self.gates:
            gate.on_open(self.slot.mailbox.notify)
        self.told: list[Any] = []
        self.start()

    def start(self) -> None:
        """Start an incarnation."""
        normalizers = {feed: Address[Any](feed, mailbox) for feed, mailbox in self.mailboxes.items()}
        self.world.start(
            ReplayerActor, self.slot,
            {"normalizers": normalizers, "progress": self.progress.append, "gates": self.gates},
        )  # fmt: skip

    def settle(self) -> None:
        """Let the actor do what it can; a crashed one is replaced."""
        self.world.settle()
        while self.failures() and self.failures()[-1].incarnation == self.slot.incarnation:
            self.start()
            self.world.settle()

    def tell(self, message: Any) -> None:
        """Send a control message, and let the actor work."""
        self.slot.mailbox.put_control(message)
        self.settle()

    def frames(self, venue: str = "x") -> list[tuple[int, bytes]]:
        """Give the frames that came since the last time, numbered."""
        return numbered(all_data(self.mailboxes[f"feed-{venue}"]))

    def heard(self, kind: type[Any]) -> list[Any]:
        """Give all of a kind that the supervisor and the monitor were told."""
        for mailbox in (self.supervisor, self.monitor):
            while (message := mailbox.take_control()) is not None:
                self.told.append(message)
        return [message for message in self.told if isinstance(message, kind)]

    def failures(self) -> list[ChildFailed]:
        """Give the crashes so far."""
        return self.heard(ChildFailed)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(1)


def texts(first: int, behind: int) -> list[tuple[int, bytes]]:
    return [(i, f"line {i}".encode()) for i in range(first, behind)]


# Pace


def test_as_fast_as_it_goes_everything_comes_at_once(world: World) -> None:
    replay = Replay(world, lines(*(i * 1_000.0 for i in range(2_000))))
    replay.settle()
    assert replay.frames() == texts(0, 2_000)
    assert replay.heard(LinesDone) == [LinesDone("replayer")]
    assert replay.slot.counts == {("feed-x", "frames"): 2_000}


@pytest.mark.parametrize("speed", [1.0, 10.0, 0.5])
def test_the_pace_is_that_of_the_recording_times_the_speed(speed: float, world: World) -> None:
    replay = Replay(world, lines(0.0, 2.0, 2.0, 5.0), speed)
    replay.settle()
    assert replay.frames() == texts(0, 1)
    world.clock.advance(1.999 / speed)
    replay.settle()
    assert not replay.frames()
    world.clock.advance(0.002 / speed)
    replay.settle()
    assert replay.frames() == texts(1, 3)
    assert not replay.heard(LinesDone)
    world.clock.advance(3.0 / speed)
    replay.settle()
    assert replay.frames() == texts(3, 4)
    assert len(replay.heard(LinesDone)) == 1


def test_a_time_that_goes_back_waits_for_nothing(world: World) -> None:
    """As where a second file begins before the first one's end."""
    replay = Replay(world, lines(0.0, 10.0, 3.0, 10.5), 1.0)
    replay.settle()
    world.clock.advance(10.0)
    replay.settle()
    assert replay.frames() == texts(0, 3)
    world.clock.advance(0.5)
    replay.settle()
    assert replay.frames() == texts(3, 4)


def test_the_pace_begins_when_the_replayer_does(world: World) -> None:
    replay = Replay(world, lines(0.0, 5.0), 1.0)
    world.clock.advance(100.0)
    replay.settle()
    assert replay.frames() == texts(0, 1)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3_000), min_size=1, max_size=30),
    steps=st.lists(st.integers(1, 4_000), max_size=20),
    speed=st.sampled_from((1.0, 10.0)),
)
def test_nothing_comes_before_its_time_nor_behind_it(gaps: list[int], steps: list[int], speed: float) -> None:
    """At every moment exactly those lines have come whose time it is."""
    world = World(0)
    at, seconds = 0, []
    for gap in gaps:
        at += gap
        seconds.append(at / 1_000)
    replay = Replay(world, lines(*seconds), speed)
    replay.settle()
    now, come = 0.0, len(replay.frames())
    for step in steps:
        # Half a microsecond beside every time of a line, so that rounding decides nothing.
        elapsed = step / 1_000 / speed + 5e-7
        world.clock.advance(elapsed)
        now += elapsed
        replay.settle()
        come += len(replay.frames())
        assert come == sum(second - seconds[0] <= now * speed for second in seconds)
    world.close()


# Venues


def test_each_venue_goes_to_its_feed_with_numbers_of_its_own(world: World) -> None:
    replay = Replay(world, lines(*range(7), venues=("x", "y", "z")), venues=("x", "y", "z"))
    replay.settle()
    assert replay.frames("x") == [(0, b"line 0"), (1, b"line 3"), (2, b"line 6")]
    assert replay.frames("y") == [(0, b"line 1"), (1, b"line 4")]
    assert replay.frames("z") == [(0, b"line 2"), (1, b"line 5")]
    assert replay.slot.counts == {("feed-x", "frames"): 3, ("feed-y", "frames"): 2, ("feed-z", "frames"): 2}


def test_frames_carry_all_that_a_normalizer_needs(world: World) -> None:
    replay = Replay(world, lines(0.0, 1.5))
    replay.settle()
    (message,) = all_data(replay.mailboxes["feed-x"])
    assert all_of(message) == (
        "replayer", "feed-x", "x", -5, "feed-x/0/A", 0, (b"line 0", b"line 1"),
        [BEGAN_NS, BEGAN_NS + 3 * SECOND_NS // 2], 12,
    )  # fmt: skip


def test_progress_is_told_in_lines(world: World) -> None:
    replay = Replay(world, lines(*range(CHUNK_FRAMES * 2 + 10), venues=("x", "y")), venues=("x", "y"))
    replay.settle()
    assert replay.progress == [CHUNK_FRAMES, CHUNK_FRAMES * 2, CHUNK_FRAMES * 2 + 10]


# Gates


@pytest.mark.parametrize("closed", [0, 1])
def test_a_closed_gate_holds_everything_but_commands(closed: int, world: World) -> None:
    replay = Replay(world, lines(*range(10), venues=("x", "y")), venues=("x", "y"))
    replay.gates[closed].close("full")
    replay.tell(TakeCut(1))
    assert not replay.frames("x")
    assert not replay.heard(LinesDone)
    replay.gates[closed].open("full")
    replay.settle()
    assert len(replay.frames("x")) == len(replay.frames("y")) == 5
    assert len(replay.heard(LinesDone)) == 1


def test_what_a_gate_held_back_comes_at_once_when_it_opens(world: World) -> None:
    replay = Replay(world, lines(0.0, 1.0, 2.0, 30.0), 1.0)
    replay.settle()
    replay.gates[0].close("full")
    world.clock.advance(10.0)
    replay.settle()
    assert replay.frames() == texts(0, 1)
    replay.gates[0].open("full")
    replay.settle()
    assert replay.frames() == texts(1, 3)


# The end


def test_captures_without_a_line_end_at_once(world: World) -> None:
    replay = Replay(world, [], 1.0)
    replay.settle()
    assert replay.heard(LinesDone) == [LinesDone("replayer")]
    replay.tell(Drain())
    assert replay.heard(Drained) == [Drained("replayer")]
    assert not replay.frames()


def test_the_end_is_told_once(world: World) -> None:
    replay = Replay(world, lines(0.0))
    replay.settle()
    world.clock.advance(100.0)
    replay.tell(InjectFault())
    replay.tell(TakeCut(1))
    assert len(replay.heard(LinesDone)) == 1
    assert not replay.heard(Noticed)


def test_nothing_comes_behind_a_drain(world: World) -> None:
    """The normalizer is drained next, and would not count it."""
    replay = Replay(world, lines(0.0, 1.0, 2.0), 1.0)
    replay.settle()
    replay.tell(Drain())
    assert replay.heard(Drained) == [Drained("replayer")]
    world.clock.advance(100.0)
    replay.settle()
    replay.tell(InjectFault())
    assert replay.frames() == texts(0, 1)
    assert not replay.heard(LinesDone)


def test_a_drain_goes_before_whatever_is_left(world: World) -> None:
    replay = Replay(world, lines(*range(10 * CHUNK_FRAMES)))
    world.step()
    replay.tell(Drain())
    assert replay.frames() == texts(0, CHUNK_FRAMES)


def test_a_capture_that_changes_meanwhile_ends_the_replay_with_a_word() -> None:
    """What was read before it is not lost, and the run ends."""

    def captured() -> Iterator[CaptureLine]:
        yield from lines(*range(700))
        raise UsageError("capture.jsonl, line 701: not a line of a capture")

    world = World(0)
    replay = Replay(world, captured())
    replay.settle()
    assert replay.frames() == texts(0, 700)
    assert [notice.text for notice in replay.heard(Noticed)] == [
        "capture.jsonl, line 701: not a line of a capture"
    ]
    assert replay.heard(LinesDone) == [LinesDone("replayer")]
    assert replay.slot.incarnation == 1
    world.close()


# Crashes and cuts


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("seed", range(5))
def test_crashes_lose_and_double_nothing(stage: str, seed: int, make_world: MakeWorld) -> None:
    random = Random(seed)
    left = list(range(20))

    def failpoint(name: str, at: str) -> None:
        if at == stage and left and random.random() < 0.4:
            left.pop()
            raise Injected(stage)

    with telling_seed(seed):
        venues = ("x", "y")
        captured = lines(*range(20 * CHUNK_FRAMES), venues=venues)
        replay = Replay(make_world(seed), captured, venues=venues, failpoint=failpoint)
        replay.settle()
        assert len(left) < 18
        assert replay.slot.incarnation == 21 - len(left)
        half = 10 * CHUNK_FRAMES
        assert replay.frames("x") == [(i, f"line {2 * i}".encode()) for i in range(half)]
        assert replay.frames("y") == [(i, f"line {2 * i + 1}".encode()) for i in range(half)]
        assert replay.slot.counts == {("feed-x", "frames"): half, ("feed-y", "frames"): half}
        assert replay.progress == [CHUNK_FRAMES * i for i in range(1, 21)]
        assert len(replay.heard(LinesDone)) == 1


def test_a_crash_keeps_the_pace(world: World) -> None:
    replay = Replay(world, lines(0.0, 10.0), 1.0)
    replay.settle()
    world.clock.advance(6.0)
    replay.tell(InjectFault())
    world.clock.advance(4.0)
    replay.settle()
    assert replay.frames() == texts(0, 2)


def test_a_capture_needs_no_marker_downstream(world: World) -> None:
    """Cuts are taken of live runs; asked for one, the replayer only answers."""
    replay = Replay(world, lines(0.0))
    replay.tell(TakeCut(1))
    assert not [part for part in all_data(replay.mailboxes["feed-x"]) if isinstance(part, Marker)]


# On its thread


def test_a_replayer_that_waits_for_centuries_still_hears_and_goes_on_when_its_gate_opens() -> None:
    normalizer, supervisor, gate = Mailbox(), Mailbox(), Gate()
    captured = [CaptureLine(at, "x", "recv", "line 0") for at in (1 - 2**63, 1 - 2**63, 2**63 - 1)]
    source = ReplaySource(iter(captured), {"x": Target("f", "f/0/A")}, -5, 1.0)
    slot = Slot("replayer", source, Mailbox(), SystemClock(), Address[Any]("supervisor", supervisor))
    gate.on_open(slot.mailbox.notify)
    gate.close("full")
    ref = ReplayerActor.start(
        slot,
        normalizers={"f": Address[Any]("normalizer/f/0", normalizer)},
        progress=lambda lines: None,
        gates=(gate,),
    )
    heard: list[Any] = []

    def drained() -> bool:
        while (message := supervisor.take_control()) is not None:
            heard.append(message)
        return Drained("replayer") in heard

    gate.open("full")
    wait(normalizer, normalizer.has_data, "the first two lines")
    assert numbered(all_data(normalizer)) == [(0, b"line 0"), (1, b"line 0")]
    slot.mailbox.put_control(Drain())
    wait(supervisor, drained, "the answer")
    assert ref.stop(timeout=PATIENCE_SECONDS)

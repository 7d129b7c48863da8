"""Crashes of a connection at every instant: the socket survives, no frame is lost or doubled."""

from collections.abc import Callable
from random import Random

import pytest

from actors.base import Injected
from actors.transport import Ended
from messages.ingestion import MarketDataSeen, RequestAcknowledged, VenueAskedToReconnect, VenueRefused
from messages.observation import CutTaken, TakeCut
from messages.supervision import ChildFailed, Drain, Drained, InjectFault
from tests.support.frames import CLOSE, PING, TEXT, encode_frame
from tests.support.harness import World, telling_seed
from tests.support.one_line import Line, Paced, outline

MakeWorld = Callable[[int], World]
CUT = Ended("cut", clean=False)


class Crashes:
    """A failpoint that raises now and then, at one stage."""

    def __init__(self, stage: str, seed: int, most: int) -> None:
        self._stage = stage
        self._random = Random(seed)
        self._left = most
        self.happened = 0

    def __call__(self, name: str, stage: str) -> None:
        if stage == self._stage and self._left and self._random.random() < 0.2:
            self._left -= 1
            self.happened += 1
            raise Injected(stage)


def converse(line: Line) -> None:
    """Lead a line through all that can happen to it."""
    line.fail()
    line.connect()
    line.wait(2.5)
    for i in range(10):
        raw = encode_frame(TEXT, f"text {i}") + encode_frame(PING, f"ping {i}")
        line.hear(raw[:7], raw[7:])
        line.tell(MarketDataSeen(0))
    line.tell(RequestAcknowledged("A"), VenueRefused("no"), TakeCut(1))
    line.hear(encode_frame(TEXT, "a", fin=False), encode_frame(0, "b"), encode_frame(CLOSE, b"\x03\xe8"))
    line.fail("busy", 5.0)
    line.connect(encode_frame(TEXT, "c"), encode_frame(TEXT, b"\xff"))
    line.connect(encode_frame(TEXT, "d"), CUT)
    line.connect(encode_frame(TEXT, "e"))
    line.tell(VenueAskedToReconnect("maintenance"))
    line.connect(encode_frame(TEXT, "f"))
    line.wait(15.0)
    line.tell(TakeCut(2), Drain())


def played(line: Line) -> tuple[object, ...]:
    """Give all that anybody saw of a line."""
    converse(line)
    return (
        outline(line.put()),
        [transport.sent for transport in line.transports],
        [transport.closed for transport in line.transports],
        line.slot.counts,
        line.losses(),
        line.told(CutTaken),
        line.notices("subscription"),
        len(line.told(Drained)),
        line.tokens,
    )


@pytest.fixture(scope="module")
def undisturbed() -> tuple[object, ...]:
    """What is seen of a line without a crash."""
    world = World(0)
    line = Line(world, Paced, symbols=tuple("ABCDE"))
    seen = played(line)
    world.close()
    assert line.slot.incarnation == 1
    return seen


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("seed", range(8))
def test_crashes_change_nothing_that_anybody_sees(
    stage: str, seed: int, make_world: MakeWorld, undisturbed: tuple[object, ...]
) -> None:
    """Frames, their numbers, resets, answers, subscriptions, counts and alerts are those of a quiet life."""
    with telling_seed(seed):
        crashes = Crashes(stage, seed, 60)
        line = Line(make_world(seed), Paced, failpoint=crashes, symbols=tuple("ABCDE"))
        assert played(line) == undisturbed
        assert crashes.happened > 3
        assert line.slot.incarnation == 1 + crashes.happened


def test_an_injected_fault_leaves_the_socket_to_the_replacement(make_world: MakeWorld) -> None:
    line = Line(make_world(0))
    transport = line.connect()
    raw = encode_frame(TEXT, "across the crash")
    line.hear(encode_frame(TEXT, "before"), raw[:9])
    line.tell(InjectFault("test"))
    assert line.told(ChildFailed)[0].error == "Injected: test"
    assert line.slot.incarnation == 2
    line.hear(raw[9:])
    assert not transport.closed
    assert transport.texts() == ["subscribe A", "subscribe B"]
    assert line.tokens == [1]
    assert outline(line.put()) == [("frame", 0, b"before"), ("frame", 1, b"across the crash")]


@pytest.mark.parametrize("moment", ["dialling", "waiting"])
def test_a_fault_while_there_is_no_socket_starts_no_second_dialling(
    moment: str, make_world: MakeWorld
) -> None:
    line = Line(make_world(0))
    if moment == "waiting":
        line.fail("busy", 30.0)
    line.tell(InjectFault("test"))
    line.wait(20.0)
    assert line.tokens == [1]
    line.connect()
    assert line.state().state == "up"

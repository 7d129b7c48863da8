"""What goes on while a line is up: its watchdogs and pings; and how it ends: draining and stopping."""

from collections.abc import Callable

import pytest

from actors.transport import Ended
from messages.ingestion import Dialed, MarketDataSeen, VenueAskedToReconnect, VenueRefused
from messages.observation import CutTaken, Marker, TakeCut
from messages.supervision import Drain, Drained
from tests.support.frames import CLOSE
from tests.support.harness import World
from tests.support.one_line import FakeTransport, Line, Pinged, outline

MakeWorld = Callable[[int], World]
SEEN = MarketDataSeen(0)
CUT = Ended("cut by the test", clean=False)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(1)


# Staleness


def test_a_line_without_market_data_is_stale_whatever_else_comes(world: World) -> None:
    line = Line(world)
    transport = line.connect()
    for _ in range(59):
        line.wait(1.0)
        line.say('{"type":"heartbeat"}')
    assert line.state().state == "up"
    line.wait(1.5)
    assert line.losses() == ["no market data for 60 s"]
    assert line.notices("stale_line") == ["no market data on f/0/A for 60 s; reconnecting"]
    assert transport.closed
    line.connect()
    line.wait(59.0)
    assert line.state().state == "up"


def test_market_data_keeps_a_line_up(world: World) -> None:
    line = Line(world)
    line.connect()
    for _ in range(5):
        line.wait(50.0)
        line.tell(SEEN)
    assert line.state().state == "up"
    line.wait(59.0)
    assert line.state().state == "up"
    line.wait(2.0)
    assert line.losses() == ["no market data for 60 s"]


def test_a_line_that_may_not_be_read_is_not_stale(world: World) -> None:
    """Nor right after: what waits in the socket must have had its time to come through."""
    line = Line(world)
    line.connect()
    line.gate.close("full")
    line.wait(1_000.0)
    assert line.state().state == "up"
    line.gate.open("full")
    line.wait(50.0)
    assert line.state().state == "up"
    line.wait(20.0)
    assert line.notices("stale_line")


def test_a_gate_that_closed_between_two_looks_at_the_clock_counts_too(world: World) -> None:
    line = Line(world)
    line.connect()
    line.wait(1.0)
    line.gate.close("full")
    line.wait(58.0)
    line.gate.open("full")
    line.wait(40.0)
    assert line.state().state == "up"


# The venue's own ping


def test_a_dialects_ping_is_sent_on_every_connection_while_it_is_up(world: World) -> None:
    line = Line(world, Pinged, stale_seconds=1_000.0)
    for _ in range(2):
        transport = line.connect()
        line.wait(19.9)
        assert transport.texts()[2:] == []
        line.wait(41.0)
        assert transport.texts()[2:] == ['{"op":"ping"}'] * 3
        line.hear(CUT)
        line.fail()
        line.fail("busy", 100.0)


# Draining and cuts


def test_draining_says_goodbye_and_stays_closed(world: World) -> None:
    line = Line(world, Pinged)
    transport = line.connect()
    line.tell(Drain())
    assert transport.sent[-1] == (CLOSE, (1000).to_bytes(2, "big"))
    assert transport.closed
    assert line.state().state == "closed"
    assert line.told(Drained) == [Drained("connection/f/0/A", {})]
    line.tell(VenueAskedToReconnect("late"), SEEN, VenueRefused("late"))
    line.wait(1_000.0)
    assert line.tokens == [1]
    assert line.state().state == "closed"
    assert len(transport.sent) == 3


def test_a_drained_line_raises_no_alert_any_more(world: World) -> None:
    line = Line(world)
    line.connect()
    line.tell(Drain())
    line.wait(1_000.0)
    assert not line.notices("subscription")
    assert not line.notices("stale_line")
    assert not line.notices("line")


def test_draining_while_dialling_closes_the_socket_that_still_comes(world: World) -> None:
    line = Line(world)
    line.tell(Drain())
    assert line.told(Drained)
    late = FakeTransport()
    line.tell(Dialed(1, late))
    assert late.closed
    line.wait(1_000.0)
    assert line.tokens == [1]


def test_draining_while_waiting_ends_the_wait(world: World) -> None:
    line = Line(world)
    line.fail()
    line.tell(Drain())
    line.wait(1_000.0)
    assert line.tokens == [1]
    assert line.told(Drained)


def test_a_replacement_of_a_drained_connection_stays_closed(world: World) -> None:
    line = Line(world)
    line.connect()
    line.tell(Drain())
    line.start()
    line.wait(1_000.0)
    assert line.tokens == [1]


def test_a_cut_is_answered_with_the_counts_and_marked_behind_the_frames(world: World) -> None:
    line = Line(world)
    line.connect()
    line.say("a", "b")
    line.tell(TakeCut(4))
    line.say("c")
    assert line.told(CutTaken) == [CutTaken("connection/f/0/A", 4, {("f", "frames"): 2}, {})]
    *before, marker, after = line.put()
    assert outline(before) == [("frame", 0, b"a"), ("frame", 1, b"b")]
    assert marker == Marker("connection/f/0/A", 4)
    assert outline([after]) == [("frame", 2, b"c")]


# Stopping


def test_stopping_closes_the_socket(world: World) -> None:
    line = Line(world)
    transport = line.connect()
    world.close()
    assert transport.closed


def test_a_replaced_incarnation_leaves_the_socket_alone(world: World) -> None:
    line = Line(world)
    transport = line.connect()
    old = world.actors[line.slot.name]
    line.start()
    assert old.actor_stopped.is_set()
    assert not transport.closed
    line.say("still there")
    assert line.frames() == [(0, b"still there")]

"""The life of a line: dialling, subscribing, losing it and beginning anew."""

from collections.abc import Callable

import pytest

from actors.transport import Ended
from core.backoff import CEILING_SECONDS, FLOOR_SECONDS
from core.line import BUSY_SECONDS
from messages.ingestion import (
    Dialed,
    DialFailed,
    DialOverdue,
    LineReset,
    MarketDataSeen,
    RequestAcknowledged,
    VenueAskedToReconnect,
    VenueRefused,
)
from messages.observation import LineChanged
from messages.supervision import Started
from tests.support.frames import CLOSE, TEXT, encode_frame
from tests.support.harness import World
from tests.support.one_line import FakeTransport, Line, Paced, Slow, outline

MakeWorld = Callable[[int], World]
SEEN = MarketDataSeen(0)
CUT = Ended("cut by the test", clean=False)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(1)


# Dialling


def test_a_line_is_dialled_at_once_and_told_to_be_up(world: World) -> None:
    line = Line(world)
    assert line.tokens == [1]
    assert line.state() == LineChanged("f/0/A", "dialing", "")
    line.connect()
    assert line.state() == LineChanged("f/0/A", "up", "")
    assert line.told(Started) == [Started("connection/f/0/A", 1)]


@pytest.mark.parametrize("seed", range(5))
def test_failed_diallings_back_off_within_bounds_and_never_give_up(seed: int, make_world: MakeWorld) -> None:
    line = Line(make_world(seed))
    waits = []
    for attempt in range(30):
        line.fail(f"no answer {attempt}")
        state = line.state()
        waits.append(state.wait_seconds)
        assert (state.state, state.text) == ("waiting", f"no answer {attempt}")
        assert FLOOR_SECONDS <= state.wait_seconds <= min(CEILING_SECONDS, 2.0**attempt)
    assert len(line.tokens) == 30
    assert max(waits[6:]) > 10.0
    notices = line.notices("line")
    assert len(notices) == 30
    assert notices[3] == f"f/0/A is down: no answer 3; next attempt in {waits[3]:.1f} s"
    line.connect()
    assert line.state().state == "up"


def test_no_dialling_begins_before_the_wait_is_over(world: World) -> None:
    line = Line(world)
    line.fail("no", 30.0)
    assert 30.0 + FLOOR_SECONDS <= line.state().wait_seconds <= 31.0
    line.wait(30.0)
    assert line.tokens == [1]
    line.wait(1.1)
    assert line.tokens == [1, 2]


def test_a_dialling_without_an_answer_is_given_up_and_a_late_socket_is_closed(world: World) -> None:
    line = Line(world)
    line.wait(24.0)
    assert line.state().state == "dialing"
    line.wait(1.1)
    assert line.state().text == "the connection attempt took too long"
    late = FakeTransport()
    line.tell(Dialed(1, late))
    assert late.closed
    line.wait_for_dialling()
    later = FakeTransport()
    line.tell(Dialed(1, later))
    assert later.closed
    line.tell(DialFailed(1, "of the first", 0.0), DialOverdue(1))
    assert line.state().state == "dialing"
    assert not line.connect().closed
    assert line.told(LineChanged)[-1].state == "up"


def test_an_answer_that_came_in_time_is_never_overdue(world: World) -> None:
    line = Line(world, stale_seconds=1_000.0)
    line.connect()
    line.tell(DialOverdue(1))
    line.wait(100.0)
    assert line.state().state == "up"


@pytest.mark.parametrize(("seen", "most"), [(True, 1.0), (False, CEILING_SECONDS)])
def test_the_backoff_begins_anew_only_when_market_data_has_flowed(
    seen: bool, most: float, make_world: MakeWorld
) -> None:
    waits = []
    for seed in range(10):
        line = Line(make_world(seed))
        for _ in range(8):
            line.fail()
        line.connect()
        line.say("a frame")
        if seen:
            line.tell(SEEN)
        line.hear(CUT)
        waits.append(line.state().wait_seconds)
    assert max(waits) <= most
    assert seen or max(waits) > 10.0


# Subscribing


def test_every_connection_is_subscribed(world: World) -> None:
    line = Line(world)
    for _ in range(3):
        assert line.connect().texts() == ["subscribe A", "subscribe B"]
        line.hear(CUT)


def test_requests_keep_the_venues_pace_on_every_connection(world: World) -> None:
    line = Line(world, Paced, symbols=tuple("ABCDE"))
    for _ in range(2):
        transport = line.connect()
        for count in (2, 4, 5, 5):
            assert len(transport.texts()) == count
            line.wait(1.01)
        assert transport.texts() == [f"subscribe {symbol}" for symbol in "ABCDE"]
        line.hear(CUT)


def test_requests_of_a_lost_connection_are_not_sent_on_the_next(world: World) -> None:
    line = Line(world, Paced, symbols=tuple("ABCDE"))
    line.connect()
    line.hear(CUT)
    assert line.connect().texts() == ["subscribe A", "subscribe B"]


def test_a_pace_below_one_a_second_is_kept(world: World) -> None:
    line = Line(world, Slow)
    transport = line.connect()
    line.wait(3.9)
    assert transport.texts() == ["subscribe A"]
    line.wait(0.2)
    assert transport.texts() == ["subscribe A", "subscribe B"]


def test_what_is_acknowledged_raises_no_alert(world: World) -> None:
    line = Line(world)
    line.connect()
    line.tell(RequestAcknowledged("A"), RequestAcknowledged("B"), RequestAcknowledged("unknown"))
    line.wait(20.0)
    assert not line.notices("subscription")


def test_what_is_never_acknowledged_is_an_alert_and_no_more(world: World) -> None:
    line = Line(world)
    transport = line.connect()
    line.tell(RequestAcknowledged("B"))
    line.wait(9.9)
    assert not line.notices("subscription")
    line.wait(20.0)
    text = "1 subscription request(s) were not acknowledged within 10 s; check the feed's symbols"
    assert line.notices("subscription") == [text]
    assert line.state().state == "up"
    assert not transport.closed


def test_acknowledgements_are_waited_for_from_the_last_request_on(world: World) -> None:
    """Pace may hold a request back for longer than an acknowledgement may take."""
    line = Line(world, Slow, symbols=tuple("ABCDE"))
    line.connect()
    for symbol in "ABCD":
        line.wait(3.0)
        line.tell(RequestAcknowledged(symbol))
        line.wait(1.01)
    line.wait(9.0)
    assert not line.notices("subscription")
    line.wait(1.1)
    assert len(line.notices("subscription")) == 1


def test_a_refusal_is_an_alert_in_the_venues_words_on_one_line(world: World) -> None:
    line = Line(world)
    line.connect()
    line.tell(VenueRefused("no such\nsymbol: \x1b[31mXYZ é"))
    assert line.notices("subscription") == ["the venue refused: no such symbol:  [31mXYZ é"]
    assert line.state().state == "up"


# The venue says goodbye


def test_a_venue_that_asks_for_it_is_connected_to_anew(world: World) -> None:
    line = Line(world)
    transport = line.connect()
    line.tell(VenueAskedToReconnect("24 hours\nare over"))
    assert line.state().text == "the venue asked to reconnect: 24 hours are over"
    assert transport.closed
    line.connect()
    assert line.state().state == "up"


def test_a_request_to_reconnect_that_comes_late_shortens_no_wait(world: World) -> None:
    """The venue asked, then closed with "try again later"; the request went through the normalizer."""
    line = Line(world)
    line.connect(encode_frame(CLOSE, (1013).to_bytes(2, "big")))
    before = line.state()
    line.tell(VenueAskedToReconnect("maintenance"))
    assert line.state() == before
    line.wait(BUSY_SECONDS)
    assert line.tokens == [1]
    line.wait_for_dialling()
    line.tell(VenueAskedToReconnect("maintenance"))
    assert line.state().state == "dialing"


def test_try_again_later_is_heeded(world: World) -> None:
    line = Line(world)
    line.connect(encode_frame(CLOSE, (1013).to_bytes(2, "big") + b"overloaded"))
    state = line.state()
    assert state.text == "the venue closed the connection (1013: overloaded)"
    assert BUSY_SECONDS + FLOOR_SECONDS <= state.wait_seconds <= BUSY_SECONDS + 1.0
    line.wait(BUSY_SECONDS)
    assert line.tokens == [1]


# Numbering and resets


def test_frames_are_numbered_on_and_a_reset_comes_once_before_them(world: World) -> None:
    line = Line(world)
    line.connect()
    line.say("a", "b")
    line.hear(CUT)
    line.fail()
    line.connect()
    line.say("c")
    line.hear(CUT)
    line.connect()
    line.hear(CUT)
    line.connect(encode_frame(TEXT, "d"))
    assert outline(line.put()) == [
        ("frame", 0, b"a"), ("frame", 1, b"b"), ("reset", 2), ("frame", 2, b"c"), ("reset", 3), ("reset", 3),
        ("frame", 3, b"d"),
    ]  # fmt: skip


def test_a_reset_says_whose_it_is(world: World) -> None:
    line = Line(world)
    line.connect(CUT)
    line.connect()
    now = world.clock.time_ns()
    assert line.put() == [LineReset("connection/f/0/A", "f", "plain", 7, "f/0/A", 0, now)]

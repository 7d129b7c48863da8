"""The monitor's alerts on one thread: their rate limit, and how they are posted."""

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.address import Address, Question
from actors.base import Injected
from actors.mailbox import Mailbox
from actors.monitor import RECENT_ALERTS, UNPOSTED_ALERTS, MonitorActor, MonitorState, Reach
from actors.slot import Failpoint, Slot
from core.records import Alert
from messages.observation import GetStatus, LineChanged, Noticed, Post, Posted
from messages.persistence import AlertsNoted
from messages.supervision import ChildFailed, Drain, Drained
from tests.support.harness import World
from tests.support.one_line import all_data

MakeWorld = Callable[[int], World]
NOW_NS = 1_700_000_000_000_000_000
EVERY_SECONDS = 30.0


def noticed(
    kind: str = "gap",
    seconds: float = 0.0,
    symbol: str | None = "A",
    *,
    occurrences: int = 1,
    text: str = "x",
) -> Noticed:
    return Noticed(kind, "f", symbol, "normalizer/f/0", text, NOW_NS + round(seconds * 1e9), occurrences)


class Operator:
    """A monitor, with two writers and a webhook that a test plays itself."""

    def __init__(self, world: World, *, webhook: bool = True, failpoint: Failpoint | None = None) -> None:
        self.world = world
        self.writers = {"s": Mailbox(), "t": Mailbox()}
        self.webhook, self.supervisor = Mailbox(), Mailbox()
        reach = Reach(
            sources=list, pipeline=frozenset, detectors=list, depths=dict,
            webhook=Address[Any]("webhook", self.webhook) if webhook else None,
        )  # fmt: skip
        self.slot = Slot(
            "monitor", MonitorState(), Mailbox(), world.clock, Address[Any]("supervisor", self.supervisor),
            failpoint=failpoint,
        )  # fmt: skip
        self._arguments = {
            "reach": reach, "every_seconds": EVERY_SECONDS, "publish_seconds": None, "symbols_shown": 10,
            "writers": {
                store: Address[Any](f"writer/{store}", box) for store, box in self.writers.items()
            },
        }  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start an incarnation."""
        self.world.start(MonitorActor, self.slot, self._arguments)

    def tell(self, *messages: Any) -> None:
        """Send messages, and let the actor work; a crashed one is replaced."""
        for message in messages:
            self.slot.mailbox.put_control(message)
        self.world.settle()
        while any(isinstance(told, ChildFailed) for told in taken(self.supervisor)):
            self.start()
            self.world.settle()

    def stored(self, store: str = "s") -> list[Alert]:
        """Give the alerts that a writer was given since the last time."""
        found = all_data(self.writers[store])
        assert all(isinstance(message, AlertsNoted) for message in found)
        return [alert for message in found for alert in message.rows]

    def posts(self) -> list[tuple[Alert, ...]]:
        """Give the posts that the webhook was asked for since the last time."""
        found = taken(self.webhook)
        assert all(isinstance(message, Post) for message in found)
        return [message.alerts for message in found]


def taken(mailbox: Mailbox) -> list[Any]:
    found = []
    while (message := mailbox.take_control()) is not None:
        found.append(message)
    return found


def held_back(alerts: list[Alert]) -> list[int]:
    return [alert.held_back for alert in alerts]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(1)


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator(world)


# The rate limit


def test_the_first_of_a_place_goes_everywhere_at_once(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tapeline.alerts"):
        operator.tell(noticed(text="ids 3 to 4 never came"))
    alert = Alert(NOW_NS, "gap", "f", "A", "normalizer/f/0", "ids 3 to 4 never came", 0)
    assert operator.stored("s") == operator.stored("t") == [alert]
    assert operator.posts() == [(alert,)]
    assert list(operator.slot.state.alerts) == [alert]
    assert caplog.messages == ["gap: f: A: ids 3 to 4 never came"]


def test_more_of_the_same_place_are_held_back_and_counted(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tapeline.alerts"):
        operator.tell(*(noticed(seconds=i / 10) for i in range(300)), noticed(seconds=30.0, text="last"))
    assert held_back(operator.stored()) == [0, 299]
    assert caplog.messages == ["gap: f: A: x", "gap: f: A: last (after 299 that were kept back)"]


def test_occurrences_count_one_by_one(operator: Operator) -> None:
    operator.tell(
        noticed(occurrences=7), noticed(seconds=1, occurrences=5), noticed(seconds=31, occurrences=3)
    )
    assert held_back(operator.stored()) == [0, 5]


def test_places_do_not_hold_each_other_back(operator: Operator) -> None:
    operator.tell(
        noticed("gap"),
        noticed("gap", symbol="B"),
        noticed("gap", symbol=None),
        noticed("warn"),
        noticed("gap"),
    )
    assert [(alert.kind, alert.symbol) for alert in operator.stored()] == [
        ("gap", "A"), ("gap", "B"), ("gap", None), ("warn", "A"),
    ]  # fmt: skip


def test_a_clock_that_stepped_back_silences_nobody(operator: Operator) -> None:
    operator.tell(noticed(seconds=10_000), noticed(seconds=10_001), noticed(seconds=0), noticed(seconds=31))
    assert held_back(operator.stored()) == [0, 1, 0]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), min_size=1, max_size=30))
def test_every_occurrence_is_told_or_waits_to_be(steps: list[tuple[int, int]]) -> None:
    """No two alerts of a place come within the interval, and none is forgotten."""
    operator = Operator(World(0))
    at = 0
    for step, occurrences in steps:
        at += step
        operator.tell(noticed(seconds=at, occurrences=occurrences, text=str(occurrences)))
    alerts = operator.stored()
    (window,) = operator.slot.state.windows.values()
    told = sum(alert.held_back + int(alert.text) for alert in alerts)
    assert told + window.held_back == sum(occurrences for _, occurrences in steps)
    assert all(b.ts_ns - a.ts_ns >= EVERY_SECONDS * 1e9 for a, b in pairwise(alerts))


def test_only_the_latest_alerts_are_remembered(operator: Operator) -> None:
    operator.tell(*(noticed(symbol=str(i)) for i in range(RECENT_ALERTS + 10)))
    assert len(operator.slot.state.alerts) == RECENT_ALERTS
    assert operator.slot.state.alerts[-1].symbol == str(RECENT_ALERTS + 9)


# Posting


def test_one_post_is_under_way_at_a_time_and_the_next_takes_all_that_waited(operator: Operator) -> None:
    operator.tell(*(noticed(symbol=str(i)) for i in range(5)))
    assert [[alert.symbol for alert in post] for post in operator.posts()] == [["0"]]
    operator.tell(Posted(""))
    assert [[alert.symbol for alert in post] for post in operator.posts()] == [["1", "2", "3", "4"]]
    operator.tell(Posted(""))
    assert not operator.posts()
    operator.tell(noticed(symbol="later"))
    assert len(operator.posts()) == 1


def test_a_receiver_that_is_slow_makes_no_more_wait_than_the_latest(operator: Operator) -> None:
    most = UNPOSTED_ALERTS + 50
    operator.tell(*(noticed(symbol=str(i)) for i in range(most + 1)))
    operator.posts()
    operator.tell(Posted(""))
    (post,) = operator.posts()
    assert [alert.symbol for alert in post] == [str(i) for i in range(most + 1 - UNPOSTED_ALERTS, most + 1)]
    assert len(operator.stored()) == most + 1


def test_a_failed_post_is_logged_and_not_repeated(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tapeline.alerts"):
        operator.tell(noticed(), Posted("the receiver answered with HTTP status 500"))
    assert caplog.messages[-1] == "webhook: the receiver answered with HTTP status 500"
    assert len(operator.posts()) == 1
    operator.tell(noticed(symbol="B"))
    assert len(operator.posts()) == 1


def test_without_a_webhook_nothing_waits_to_be_posted(world: World) -> None:
    operator = Operator(world, webhook=False)
    operator.tell(*(noticed(symbol=str(i)) for i in range(10)))
    assert not operator.posts()
    assert operator.slot.state.unposted == ()
    assert len(operator.stored()) == 10


# Crashes, and what else it hears


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
def test_a_crash_at_any_instant_loses_and_doubles_no_alert(stage: str, world: World) -> None:
    left = list(range(40))

    def failpoint(name: str, at: str) -> None:
        if at == stage and left and world.random.random() < 0.2:
            left.pop()
            raise Injected(stage)

    operator = Operator(world, failpoint=failpoint)
    for i in range(60):
        operator.tell(noticed(symbol=str(i % 30), seconds=i), Posted(""))
    assert len(left) < 35
    assert held_back(operator.stored()) == [0] * 60
    assert sum(map(len, operator.posts())) == 60


def test_the_state_of_each_line_is_the_last_that_was_told(operator: Operator) -> None:
    operator.tell(
        LineChanged("f/0/A", "dialing", ""), LineChanged("f/1/A", "up", ""),
        LineChanged("f/0/A", "waiting", "refused", 1.5), Drain(),
    )  # fmt: skip
    assert [(line.line, line.state, line.text) for line in operator.slot.state.lines.values()] == [
        ("f/0/A", "waiting", "refused"), ("f/1/A", "up", ""),
    ]  # fmt: skip


def test_it_answers_a_drain(operator: Operator) -> None:
    operator.slot.mailbox.put_control(Drain())
    operator.world.settle()
    assert taken(operator.supervisor)[-1] == Drained("monitor")


def test_its_status_shows_lines_and_alerts_as_json_can_hold_them(operator: Operator) -> None:
    operator.tell(noticed(text="x"), LineChanged("f/0/A", "up", ""))
    answer: pykka.ThreadingFuture[Any] = pykka.ThreadingFuture()
    operator.slot.mailbox.put_control(Question(GetStatus(), answer))
    operator.world.settle()
    status = answer.get(timeout=1)
    assert status["lines"] == [{"line": "f/0/A", "state": "up", "text": "", "wait_seconds": 0.0}]
    assert [alert["text"] for alert in status["alerts"]] == ["x"]

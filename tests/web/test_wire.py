"""What pipeline and page say to each other, as lines."""

import pytest
from hypothesis import given

from core.latency import Latencies
from tests.support.snapshots import latencies, snapshot
from tests.support.statuses import HOSTILE, statuses
from web.wire import Answer, Hello, Question, Snapshot, line, question, told


@pytest.mark.parametrize("message", [Hello(5, "127.0.0.1", 8321, 1), snapshot(), Answer(3, None)])
def test_what_is_said_is_heard(message: Hello | Snapshot | Answer) -> None:
    assert line(told(line(message))) == line(message)
    assert line(message).count(b"\n") == 1


def test_a_question_is_heard() -> None:
    asked = Question(7, ("f", HOSTILE.replace("\ud800", ""), 100))
    assert question(line(asked)) == asked


def test_latencies_come_back_as_they_were() -> None:
    took = latencies(1, 1_000, 10**9)
    heard = told(line(Snapshot(1, None, {"signal": took})))
    assert isinstance(heard, Snapshot)
    assert heard.latencies == {"signal": took}
    assert isinstance(heard.latencies["signal"], Latencies)


@given(statuses)
def test_whatever_a_status_holds_it_is_one_line(status: dict[str, object]) -> None:
    text = line(Snapshot(1, status))
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    text.decode()

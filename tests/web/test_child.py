"""The page's process as its parent keeps it: small programs stand in for it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import Queue

import psutil
import pytest

from tests.support.processes import END_SECONDS, TIMEOUT_SECONDS, eventually, is_running
from web import child as module
from web.child import Child

pytestmark = pytest.mark.slow

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
ENDS = "import sys; sys.exit(3)"
TAKES_NOTHING = "import sys, threading; print('here', flush=True); threading.Event().wait()"
Start = Callable[..., tuple[Child, "Queue[bytes]"]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Give what keeps a program running; all are ended."""
    with ExitStack() as stack:

        def started(program: str) -> tuple[Child, "Queue[bytes]"]:
            said: Queue[bytes] = Queue()
            child = Child(b"hello\n", (), said.put, command=[sys.executable, "-c", program])
            stack.callback(child.close)
            child.start()
            return child, said

        yield started


def test_it_is_greeted_first_and_then_told(start: Start) -> None:
    child, said = start(ECHO)
    # What is said before there is anybody is for nobody.
    assert said.get(timeout=TIMEOUT_SECONDS) == b"hello\n"
    child.show(b"snapshot\n")
    child.answer(b"answer\n")
    heard = {said.get(timeout=TIMEOUT_SECONDS) for _ in range(2)}
    assert heard == {b"snapshot\n", b"answer\n"}


def test_each_new_one_is_greeted_anew(start: Start) -> None:
    child, said = start(ECHO)
    for _ in range(2):
        assert said.get(timeout=TIMEOUT_SECONDS) == b"hello\n"
        assert child.pid is not None
        psutil.Process(child.pid).kill()
    assert said.get(timeout=TIMEOUT_SECONDS) == b"hello\n"


def test_one_that_ends_at_once_is_started_again_and_it_is_said(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    start(ENDS)
    eventually(lambda: caplog.text.count("has ended (status 3)") >= 2)


def test_snapshots_that_are_not_taken_are_skipped_and_nobody_waits(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    child, said = start(TAKES_NOTHING)
    assert said.get(timeout=TIMEOUT_SECONDS) == b"here\n"
    first = child.pid
    large = b"x" * 2**20 + b"\n"
    for _ in range(100):
        child.show(large)
    assert child.pid == first
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.0)

    def is_followed() -> bool:
        child.show(large)
        return child.pid not in (None, first)

    eventually(is_followed)
    assert "takes nothing any more" in caplog.text


def test_one_that_takes_nothing_ends_with_us_all_the_same(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.5)
    child, said = start(TAKES_NOTHING)
    assert said.get(timeout=TIMEOUT_SECONDS) == b"here\n"
    assert child.pid is not None
    process = psutil.Process(child.pid)
    child.show(b"x" * 2**20)
    child.close()
    process.wait(END_SECONDS)
    assert not is_running(process)


def test_a_program_that_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    child = Child(b"", (), lambda text: None, command=["no such program"])
    child.start()
    eventually(lambda: "not started: No such file or directory" in caplog.text)
    child.close()

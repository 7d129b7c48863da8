"""What the service manager is told, read from a real datagram socket."""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.notifying import EXTEND_EVERY_SECONDS, Notifier
from tests.support.notified import Listener


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    """Give one on each kind of socket."""
    name = f"@tapeline-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with Listener(name) as listening:
        yield listening


def test_a_start_a_run_and_an_end_are_told_in_order(listener: Listener) -> None:
    clock = Clock()
    notifier = Notifier(listener.name, 10.0, clock)
    notifier.alive()
    notifier.ready("runs")
    clock.now += EXTEND_EVERY_SECONDS
    notifier.alive()
    notifier.reloading()
    notifier.ready("runs on")
    notifier.stopping("SIGTERM")
    notifier.alive()
    told = listener.waiting()
    assert told[0] == {"EXTEND_TIMEOUT_USEC": "30000000"}
    assert told[1] == {"READY": "1", "STATUS": "runs"}
    assert told[2] == {"WATCHDOG": "1"}
    assert told[3].pop("MONOTONIC_USEC").isdigit()
    assert told[3] == {"RELOADING": "1", "STATUS": "reloading"}
    assert told[4] == {"READY": "1", "STATUS": "runs on"}
    assert told[5:] == [{"STOPPING": "1", "STATUS": "SIGTERM"}, {"EXTEND_TIMEOUT_USEC": "30000000"}]


def test_the_watchdog_is_fed_at_half_of_its_time_and_not_more_often(listener: Listener) -> None:
    clock = Clock()
    notifier = Notifier(listener.name, 4.0, clock)
    notifier.ready("")
    for _ in range(100):
        notifier.alive()
        clock.now += 0.2
    assert listener.waiting().count({"WATCHDOG": "1"}) == 10


def test_without_a_watchdog_a_running_process_is_silent(listener: Listener) -> None:
    notifier = Notifier(listener.name, None, Clock())
    notifier.ready("")
    notifier.alive()
    assert len(listener.waiting()) == 1


def test_nothing_but_the_end_is_told_once_the_end_has_begun(listener: Listener) -> None:
    notifier = Notifier(listener.name)
    notifier.stopping("first")
    notifier.stopping("second")
    notifier.reloading()
    notifier.ready("")
    notifier.status("runs")
    assert listener.waiting() == [{"STOPPING": "1", "STATUS": "first"}]


def test_a_reload_that_waits_for_the_start_is_not_told() -> None:
    """To the service manager the process is still starting."""
    with Listener(f"@tapeline-early-{os.getpid()}") as listener:
        Notifier(listener.name).reloading()
        assert listener.waiting() == []


def test_a_status_is_one_line(listener: Listener) -> None:
    Notifier(listener.name).status("one\nREADY=1\ntwo")
    assert listener.waiting() == [{"STATUS": "one READY=1 two"}]


def test_what_could_not_be_sent_is_sent_later_and_in_order(tmp_path: Path) -> None:
    """The service manager is just being replaced."""
    name = str(tmp_path / "notify")
    notifier = Notifier(name, 10.0)
    notifier.ready("runs")
    notifier.stopping("stops")
    with Listener(name) as listener:
        notifier.alive()
        assert [next(iter(one)) for one in listener.waiting()] == ["READY", "STOPPING", "EXTEND_TIMEOUT_USEC"]


def test_a_listener_that_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """Its queue is full after a few datagrams; what must not be lost comes through once there is room."""
    with Listener(str(tmp_path / "notify")) as listener:
        notifier = Notifier(listener.name)
        for _ in range(10_000):
            notifier.status("x" * 100)
        notifier.ready("runs")
        listener.waiting()
        notifier.alive()
        assert listener.waiting()[0] == {"READY": "1", "STATUS": "runs"}


@pytest.mark.parametrize("name", ["", "relative", "vsock:2:1234", "@", "/", "/" + "x" * 200])
def test_a_name_that_leads_nowhere_is_no_failure(name: str) -> None:
    notifier = Notifier(name, 1.0)
    notifier.ready("")
    notifier.alive()
    notifier.stopping("")


ENVIRONMENTS: list[tuple[Mapping[str, str], float | None]] = [
    ({}, None),
    ({"WATCHDOG_USEC": "3000000"}, 3.0),
    ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
    ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
    ({"WATCHDOG_USEC": "0"}, None),
    ({"WATCHDOG_USEC": "-1"}, None),
    ({"WATCHDOG_USEC": "soon"}, None),
]


@pytest.mark.parametrize(("variables", "seconds"), ENVIRONMENTS)
def test_the_watchdog_is_the_one_that_the_environment_tells_of(
    variables: Mapping[str, str], seconds: float | None
) -> None:
    clock = Clock()
    with Listener(f"@tapeline-watchdog-{os.getpid()}") as listener:
        environ = {"NOTIFY_SOCKET": listener.name, "OTHER": "stays", **variables}
        notifier = Notifier.from_environment(environ, pid=7)
        assert environ == {"OTHER": "stays"}
        notifier.ready("")
        notifier.alive()
        clock.now += 1
        assert ({"WATCHDOG": "1"} in listener.waiting()) == (seconds is not None)


@given(name=st.text(), microseconds=st.text())
def test_no_environment_is_a_failure(name: str, microseconds: str) -> None:
    """Nothing is sent: an address drawn at random could be somebody's."""
    Notifier.from_environment({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": microseconds})


def test_the_datagrams_are_those_that_a_plain_socket_gets(tmp_path: Path) -> None:
    """Without our own reader in between."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plain:
        plain.bind(str(tmp_path / "notify"))
        plain.setblocking(False)
        Notifier(str(tmp_path / "notify")).ready("runs")
        assert plain.recv(4096) == b"READY=1\nSTATUS=runs"

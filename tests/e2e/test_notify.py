"""A run as its service manager sees it: real processes that tell a real datagram socket how they are."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.feeds import feed
from tests.e2e.tapeline import PROGRAM, PROJECT, Tapeline, check_end
from tests.support.notified import Listener, Told
from tests.support.processes import Program

pytestmark = pytest.mark.slow

WATCHDOG_MICROSECONDS = 1_000_000


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Listener(str(tmp_path / "notify")) as listening:
        yield listening


def start(tapeline: Tapeline, listener: Listener, *arguments: str | Path) -> Program:
    """Start a run as a service manager would."""
    return Program(
        [*PROGRAM, "run", "--json", *tapeline.settings, *arguments],
        cwd=tapeline.directory,
        env={"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": str(WATCHDOG_MICROSECONDS)},
    )


def is_ready(told: Told) -> bool:
    return told.get("READY") == "1"


def feeds_the_watchdog(told: Told) -> bool:
    return told == {"WATCHDOG": "1"}


def test_a_run_tells_that_it_is_up_alive_and_ending(tapeline: Tapeline, listener: Listener) -> None:
    with start(tapeline, listener) as program:
        ready, before = listener.wait_for(is_ready)
        program.wait_for_line("every actor has started")
        assert {"STATUS": "preparing"} in before
        assert not any(feeds_the_watchdog(told) for told in before)
        for _ in range(3):
            listener.wait_for(feeds_the_watchdog)
        program.send(signal.SIGTERM)
        stopping, _ = listener.wait_for(lambda told: "STOPPING" in told)
        assert stopping == {"STOPPING": "1", "STATUS": "stopped by SIGTERM"}
        check_end(tapeline.ended(program))
    assert ready == {"READY": "1", "STATUS": "running"}
    assert not any(is_ready(told) or feeds_the_watchdog(told) for told in listener.waiting())


def test_a_reload_is_told_from_its_beginning_to_its_end(tapeline: Tapeline, listener: Listener) -> None:
    """A refused one ends as well, and the status says why."""
    config = tapeline.config("")
    with start(tapeline, listener, "--config", config) as program:
        listener.wait_for(is_ready)
        config.write_text("[detector]\nwarn_z = 1.5\n", encoding="utf-8")
        program.send(signal.SIGHUP)
        reloading, _ = listener.wait_for(lambda told: "RELOADING" in told)
        assert int(reloading["MONOTONIC_USEC"]) > 0
        ready, _ = listener.wait_for(is_ready)
        assert ready["STATUS"] == "running; reloaded"
        config.write_text("[detector]\nwarm_z = 1.5\n", encoding="utf-8")
        program.send(signal.SIGHUP)
        refused, _ = listener.wait_for(is_ready)
        assert refused["STATUS"].startswith("running; not reloaded: detector.warm_z: unknown key")
        listener.wait_for(feeds_the_watchdog)


def test_children_are_not_told_of_the_service_manager(tapeline: Tapeline, listener: Listener) -> None:
    """The demo's exchange would speak for us."""
    with start(tapeline, listener) as program:
        listener.wait_for(is_ready)
        children = program.children()
        assert children
        assert not any("NOTIFY_SOCKET" in child.environ() for child in children)


def test_a_run_that_ends_before_its_actors_are_up_is_never_ready(
    tapeline: Tapeline, listener: Listener
) -> None:
    config = tapeline.config(feed("ws://127.0.0.1:1") + '[monitor]\nhost = "0.0.0.0"\n')
    with start(tapeline, listener, "--config", config) as program:
        assert program.wait().status == 2
    assert not any(is_ready(told) for told in listener.waiting())


def test_a_socket_that_is_not_there_changes_nothing(tapeline: Tapeline) -> None:
    missing = str(tapeline.directory / "missing")
    with Program(
        [*PROGRAM, "run", "--json", "--duration", "1s", *tapeline.settings],
        cwd=tapeline.directory,
        env={"NOTIFY_SOCKET": missing},
    ) as program:
        ended = tapeline.ended(program)
        check_end(ended)
    assert ended.stderr.count("the service manager cannot be told") == 1


HANGING = """
import os, sys, tempfile
from pathlib import Path
from actors.assembly import Assembly
from actors.clock import SystemClock
from actors.wiring import add_monitor
from cli import hosting
from cli.notifying import Notifier
from cli.preparing import leave
from core.settings_loading import load
from messages.supervision import InjectHang

hosting.ANSWER_SECONDS = 0.5
hosting.SUPERVISOR_SECONDS = 3.0
directory = Path(tempfile.mkdtemp(dir=sys.argv[1]))
(directory / "config.toml").write_text('data_dir = "."')
assembly = Assembly(load(directory / "config.toml", (), {}), 1, SystemClock(), frozenset(), {})
add_monitor(assembly, publish_seconds=None, symbols_shown=0)
notifier = Notifier.from_environment(os.environ)
notifier.ready("as if every actor had started")
assembly.supervisor.tell(InjectHang("the supervisor itself"))
ended = hosting.Host(assembly, notifier=notifier).run(60.0, lambda: None)
sys.exit(leave(ended.status, ended.hanging))
"""


def test_the_watchdog_starves_while_the_supervisor_hangs(tmp_path: Path, listener: Listener) -> None:
    """The main loop runs on for three seconds, enough for a dozen signs of life."""
    environment = {**os.environ, "NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "500000"}
    done = subprocess.run(
        [sys.executable, "-c", HANGING, tmp_path],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told = listener.waiting()
    assert done.returncode == 70, done.stderr
    assert 1 <= sum(map(feeds_the_watchdog, told)) <= 5
    assert told[-1]["STOPPING"] == "1"

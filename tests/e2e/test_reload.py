"""A pipeline that takes on other settings while it runs, by the command and by the signal alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.feeds import feed, send_all, trade
from tests.e2e.tapeline import PROGRAM, Tapeline, check_end, check_nothing_left
from tests.support.exchange import LoopbackExchange
from tests.support.processes import TIMEOUT_SECONDS, Ended, Program, eventually

pytestmark = pytest.mark.slow

ON_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if {ignored}:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""
STARTED = "every actor has started"


def start(tapeline: Tapeline, text: str) -> tuple[Program, Path]:
    """Start a run on a configuration file, and wait until it runs."""
    config = tapeline.config(text)
    program = tapeline.start("run", "--json", "--config", config)
    program.wait_for_line(STARTED)
    return program, config


def reload(tapeline: Tapeline, config: Path) -> Ended:
    return tapeline.call("reload", "--config", config)


def outcome(tapeline: Tapeline, program: Program) -> dict[str, Any]:
    """Give what `/status` says of the last reload."""
    told: dict[str, Any] = tapeline.status(program).get("reload") or {}
    return told


def stop(tapeline: Tapeline, program: Program) -> dict[str, Any]:
    """End a run, and give its ledger."""
    children = program.children()
    program.send(signal.SIGTERM)
    ledger = check_end(tapeline.ended(program))
    check_nothing_left(tapeline, children)
    return ledger


def test_settings_change_while_it_runs_and_a_broken_file_changes_nothing(tapeline: Tapeline) -> None:
    program, config = start(tapeline, "")
    with program:
        config.write_text("[detector]\nwarn_z = 1.5\n[journal]\nsync_ms = 50\n", encoding="utf-8")
        applied = reload(tapeline, config)
        assert applied.status == 0, applied
        assert applied.stdout.splitlines() == [
            f"process {program.pid} reads {config}",
            "detector.warn_z: 2.5 -> 1.5",
            "journal.sync_ms: 100 -> 50 (takes effect at the next start: the journal is open)",
        ]
        told = outcome(tapeline, program)
        assert (told["number"], told["changed"], told["error"]) == (1, ["detector.warn_z: 2.5 -> 1.5"], "")
        assert " 1 changed, 1 at the next start" in tapeline.call("status").stdout

        config.write_text("[detector]\nwarm_z = 3\n", encoding="utf-8")
        broken = reload(tapeline, config)
        assert broken.status == 2, broken
        assert broken.errors == ['tapeline: detector.warm_z: unknown key; did you mean "warn_z"?']
        assert outcome(tapeline, program)["number"] == 1

        config.unlink()
        program.send(signal.SIGHUP)
        eventually(lambda: outcome(tapeline, program)["number"] == 2)
        told = outcome(tapeline, program)
        gone = f'"{config}": cannot be read: No such file or directory'
        assert (told["changed"], told["error"]) == ([], gone)

        # The last good settings are still those in effect.
        config.write_text("[detector]\nwarn_z = 1.5\n", encoding="utf-8")
        assert reload(tapeline, config).stdout.splitlines()[1:] == ["nothing has changed"]
        stop(tapeline, program)


def test_a_tick_is_judged_by_the_settings_of_its_time(tapeline: Tapeline) -> None:
    rules = "[detector]\nwindow = 100\nmin_history = 20\ncritical_z = {z}\nmin_std_bps = 50\n"
    with LoopbackExchange() as exchange:
        lax, strict = (rules.format(z=z) + feed(exchange.url, "A") for z in (9.5, 3.0))
        program, config = start(tapeline, lax)
        with program:
            client = exchange.wait_for_client()
            client.wait_for_text()
            send_all(client, (trade("A", number) for number in range(1, 51)))
            send_all(client, [trade("A", 51, price=103.0)])
            tapeline.wait_for_count(program, "stored", 51)
            config.write_text(strict, encoding="utf-8")
            applied = reload(tapeline, config)
            assert (applied.status, applied.stdout.splitlines()[1:]) == (
                0,
                ["detector.critical_z: 9.5 -> 3.0"],
            )
            send_all(client, [trade("A", 52, price=103.0), *(trade("A", n) for n in range(53, 60))])
            tapeline.wait_for_count(program, "rejected")
            total = stop(tapeline, program)["total"]
    assert (total["stored"], total["rejected"]) == (58, 1)
    assert [row["venue_id"] for row in tapeline.query("rejects")] == ["52"]


def test_the_process_reads_its_own_file_and_the_command_says_so(tapeline: Tapeline) -> None:
    program, config = start(tapeline, "")
    with program:
        other = tapeline.directory / "other.toml"
        other.write_text("[detector]\nwarn_z = 1.5\n", encoding="utf-8")
        ended = reload(tapeline, other)
        assert (ended.status, ended.stdout.splitlines()) == (
            0, [f"process {program.pid} reads {config}, not {other}", "nothing has changed"],
        )  # fmt: skip
        stop(tapeline, program)


def test_nobody_is_there(tapeline: Tapeline) -> None:
    ended = tapeline.call("reload")
    assert ended.status == 2
    assert ended.errors == [
        f"tapeline: no supervisor uses the data directory {tapeline.data_dir}; is it running?"
    ]


def test_a_hangup_at_any_time_ends_nothing(tapeline: Tapeline) -> None:
    """From the lock on: while it compiles, starts, runs and drains."""
    config = tapeline.config("")
    with tapeline.start("run", "--json", "--config", config) as program:
        wait_for_lock(tapeline, program)
        program.send(signal.SIGHUP)
        program.wait_for_line("reloaded: 0 settings have changed")
        tapeline.wait_for_count(program, "stored")
        program.send(signal.SIGTERM)
        program.send(signal.SIGHUP)
        ended = tapeline.ended(program)
    check_end(ended)


@pytest.mark.parametrize("nohup", [False, True], ids=["foreground", "nohup"])
def test_a_terminal_that_is_closed_ends_a_run_in_order_unless_it_was_to_outlive_it(
    tapeline: Tapeline, *, nohup: bool
) -> None:
    ours, theirs = os.openpty()
    words = ["run", "--json", *tapeline.settings]
    program = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL.format(ignored=nohup), *map(str, PROGRAM), *words],
        cwd=tapeline.directory, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    try:
        os.close(theirs)
        clean = tapeline.data_dir / "journal" / "00000001" / "clean"
        eventually(lambda: (tapeline.data_dir / "monitor.json").exists())
        eventually(lambda: tapeline.call("status").status == 0)
        os.close(ours)
        if nohup:
            assert reload(tapeline, tapeline.config("")).status == 0
            assert program.poll() is None
            program.send_signal(signal.SIGTERM)
        # The ledger has nowhere to go.
        program.wait(TIMEOUT_SECONDS)
        assert clean.exists()
    finally:
        program.kill()
        program.wait(TIMEOUT_SECONDS)


def test_a_replay_goes_on_through_a_hangup(tapeline: Tapeline) -> None:
    """It has no settings to be tuned, and says so."""
    capture = tapeline.directory / "capture.jsonl"
    began_ns, step_ns = 1_768_487_400_000_000_000, 500_000_000
    lines = (
        {"ts_recv_ns": began_ns + n * step_ns, "venue": "generic", "dir": "recv", "data": trade("A", n)}
        for n in range(100)
    )
    capture.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    with tapeline.start("replay", capture, "--speed", "1", "--json") as program:
        wait_for_lock(tapeline, program)
        program.send(signal.SIGHUP)
        program.wait_for_line("the settings of a replay stay as they are")
        program.send(signal.SIGTERM)
        assert tapeline.ended(program).status == 0


def wait_for_lock(tapeline: Tapeline, program: Program) -> None:
    """Wait until a command has said that the data directory is its own."""
    lock = tapeline.data_dir / "lock"
    eventually(lambda: lock.exists() and lock.read_text(encoding="utf-8") == str(program.pid))

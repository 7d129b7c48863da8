"""The systemd unit: systemd's own checks, and what the program relies on."""

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from core.settings import Settings

PROJECT = Path(__file__).parents[2]
UNIT = PROJECT / "ops" / "tapeline.service"
PYTHON = "/opt/tapeline/.venv/bin/python"
ANALYZE = shutil.which("systemd-analyze")
BARELY_EXPOSED = "20"
"""Of 100, in systemd's reckoning; a service without any sandbox has about 96."""


def settings_of(section: str) -> dict[str, list[str]]:
    """Give what a section says, in order; a key may come more than once."""
    found: dict[str, list[str]] = defaultdict(list)
    current = ""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


SERVICE = settings_of("Service")


def analyze(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Have systemd look at the unit, with a Python that there is in the place of the installed one."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PYTHON, sys.executable), encoding="utf-8")
    return subprocess.run(
        [str(ANALYZE), *arguments, str(unit)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.slow
@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze: apt-get install systemd")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """What it does not know it says as a warning, with status 0."""
    done = analyze(tmp_path, "verify", "--man=no")
    ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze: apt-get install systemd")
def test_systemd_reckons_it_hardly_exposed(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=yes", "--no-pager", f"--threshold={BARELY_EXPOSED}")
    if "unrecognized option" in done.stderr:
        pytest.skip("needs systemd 250: an older one looks at running services only")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_started_again_is_what_a_restart_may_mend() -> None:
    """70 and a signal are failures; 2 is for somebody to put right; an early stop is none."""
    assert SERVICE["Restart"] == ["on-failure"]
    assert SERVICE["RestartPreventExitStatus"] == ["2"]
    assert SERVICE["SuccessExitStatus"] == ["130 143"]


def test_it_waits_for_our_word_and_for_the_drain() -> None:
    assert SERVICE["Type"] == ["notify"]
    assert SERVICE["KillMode"] == ["mixed"], "the demo's exchange must not end before the drain"
    assert SERVICE["TimeoutStopSec"] == ["1min"]
    assert Settings().supervision.drain_seconds + 5 < 60
    assert SERVICE["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_watchdog_is_slower_than_the_main_loop_gives_up_on_its_supervisor() -> None:
    """The log then says who hangs, and where, instead of SIGABRT without a word."""
    from cli.hosting import SUPERVISOR_SECONDS

    assert SERVICE["WatchdogSec"] == ["60"]
    assert SUPERVISOR_SECONDS < 60


def test_nothing_forbids_what_the_program_needs() -> None:
    """Compiled kernels are written and then executed; processors are chosen; Arrow reads /proc/cpuinfo."""
    assert "MemoryDenyWriteExecute" not in SERVICE
    assert "ProcSubset" not in SERVICE
    assert SERVICE["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert SERVICE["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]


def test_the_command_is_one_that_there_is() -> None:
    from cli.arguments import parse

    [command] = SERVICE["ExecStart"]
    python, program, *arguments = command.split()
    assert (python, program) == (PYTHON, "/opt/tapeline/supervisor.py")
    parsed = parse(arguments)
    assert (parsed.command, str(parsed.config)) == ("run", "/etc/tapeline/config.toml")

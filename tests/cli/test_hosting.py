"""On which processors a run stays, as seen from a process of its own."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from cli.hosting import stay_on
stay_on(int(sys.argv[1]))
print(len(os.sched_getaffinity(0)))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="only Linux lets a process choose its processors"
)
@pytest.mark.parametrize("count", [0, 1, 2, 1_000])
def test_a_run_stays_on_as_many_processors_as_it_is_told(count: int) -> None:
    allowed = len(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(count)], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) == (min(count, allowed) or allowed)


HANGING = """
import sys, tempfile
from pathlib import Path
from actors.assembly import Assembly
from actors.clock import SystemClock
from actors.wiring import add_monitor
from cli import hosting
from cli.preparing import leave
from core.settings_loading import load
from messages.supervision import InjectHang

hosting.SUPERVISOR_SECONDS = 0.5
directory = Path(tempfile.mkdtemp())
(directory / "config.toml").write_text('data_dir = "."')
settings = load(directory / "config.toml", (), {})
assembly = Assembly(settings, 1, SystemClock(), frozenset(), {})
add_monitor(assembly, publish_seconds=None, symbols_shown=0)
assembly.supervisor.tell(InjectHang("the supervisor itself"))
ended = hosting.Host(assembly).run(60.0, lambda: None)
print(ended.text)
sys.exit(leave(ended.status, ended.hanging))
"""


@pytest.mark.slow
def test_a_supervisor_that_hangs_ends_the_process_which_waits_for_no_thread() -> None:
    """Nobody else could; the report says where it hangs."""
    done = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 70, done.stderr
    assert done.stdout.startswith("the supervisor hangs: it was at InjectHang for more than 0.5 s")
    assert "supervisor: in InjectHang" in done.stderr
    assert "still hanging; the process ends without waiting" in done.stderr

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

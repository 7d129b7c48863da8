"""What an operator asks of the supervision of a running pipeline."""

import signal

import pytest

from tests.e2e.tapeline import Tapeline

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the system has no SIGUSR1")
def test_a_report_of_every_actor_is_there_for_the_asking(tapeline: Tapeline) -> None:
    """SIGUSR1: each with what it is at and what waits for it; the run goes on."""
    program = tapeline.start("run", "--json")
    program.wait_for_line("every actor has started")
    program.send(signal.SIGUSR1)
    program.wait_for_line("asked by SIGUSR1 for a report")
    for actor in ("supervisor", "monitor", "writer/lake", "detector/demo/BTC-USD", "connection/demo/0/A"):
        program.wait_for_line(f"{actor}: ")
    program.send(signal.SIGTERM)
    assert tapeline.ended(program).status == 0

"""A wall clock that is set back an hour under a running system."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.harness import World, telling_seed
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]
HOUR_NS = 3_600 * 10**9


class SetClock:
    """The world's clock, whose wall time can be set."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.offset_ns = 0

    def monotonic(self) -> float:
        """See actors.clock.Clock."""
        return self._clock.monotonic()

    def time_ns(self) -> int:
        """See actors.clock.Clock."""
        return self._clock.time_ns() + self.offset_ns


@pytest.mark.parametrize("seed", range(10))
def test_a_clock_that_steps_back_costs_nothing(seed: int, tmp_path: Path, make_world: MakeWorld) -> None:
    """No actor fails, the ledger balances, rows keep the order they came in, and alerts still flow."""
    with telling_seed(seed):
        world = make_world(seed)
        clock = SetClock(world.clock)
        system = System(world, tmp_path, clock=clock, journalled=True)
        system.begin()
        say(system, 1, 60)
        clock.offset_ns -= HOUR_NS
        say(system, 60, 119)
        ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert account["total"]["stored"] == 118
    assert account["reasons"] == {"malformed_json": 2}
    ticks = sorted(system.tables.rows["ticks"], key=lambda row: row["frame"])
    assert [int(row["venue_id"]) for row in ticks] == list(range(1, 119))
    stamps = [row["ts_recv_ns"] for row in ticks]
    assert stamps[58] - HOUR_NS <= stamps[59] < stamps[58], "the step back fell between the halves"
    alerts = [row for row in system.tables.rows["alerts"] if row["kind"] == "reject"]
    assert len(alerts) == 2, "the same place tells again at once, its interval begins anew"
    assert alerts[1]["ts_ns"] < alerts[0]["ts_ns"]
    assert all(slot.incarnation <= 1 for slot in map(system.slot_of, system.assembly.specs))


def say(system: System, first: int, last: int) -> None:
    """Send trades and a broken frame behind them, and have all of it worked off."""
    system.line.say(*(trade("A", 100.0 + i % 3, i) for i in range(first, last)), b"{cut")
    system.world.run(system.quiet)

"""The whole system on one thread, in orders drawn from seeds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.harness import World, telling_seed
from tests.support.system import System, trade

MakeWorld = Callable[[int], World]


def prices(seed: int, count: int) -> list[dict[str, object]]:
    """Give trades of two symbols with a duplicate, a gap, a spike and a crossed quote among them."""
    ticks = [trade("A" if i % 2 else "B", 100 + (i * 7 % 13) / 10, i // 2) for i in range(1, count)]
    ticks.append(ticks[-1])
    ticks.append({"symbol": "A", "bid": 10, "ask": 9})
    ticks.append(trade("A", 500.0, count))
    return ticks


@pytest.mark.parametrize("seed", range(10))
def test_every_tick_is_accounted_for_in_any_order(seed: int, tmp_path: Path, make_world: MakeWorld) -> None:
    """A drained system balances, and holds exactly what was sent."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path)
        system.begin()
        system.line.say(*prices(seed, 100), b"{not json")
        system.world.run(system.quiet)
        ledger = system.drain()
        assert ledger.balanced
        account = ledger.as_json()
        assert account["total"]["received"] == 103
        assert account["total"]["duplicate"] == 1
        assert account["total"]["in_flight"] == 0
        assert account["reasons"] == {
            "critical_z": 1,
            "crossed_market": 1,
            "malformed_json": 1,
            "repeated": 1,
        }
        assert account["total"]["stored"] == 99
        assert len(system.tables.origins()) == 102 == len(set(system.tables.origins()))

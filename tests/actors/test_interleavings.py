"""Thousands of interleavings of the whole system, each with faults drawn from its seed, each checked exactly.

A seed decides everything: the settings, who runs next, which instants crash, who hangs and when its thread
comes back, when the line is cut, when the store fails. Whatever it draws, the tables equal those of a run in
which nothing happened, every live cut of the ledger balances, and so does the last.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors.base import Injected
from core.errors import RetryableStoreError
from messages.ingestion import BytesReceived
from messages.lane import Batch
from messages.persistence import WriteNext
from messages.supervision import InjectFault, InjectHang
from tests.actors.test_crashes import messages, stored
from tests.support.harness import World, telling_seed
from tests.support.system import System

SHORT = 160
LONG = 2_000
A_TEST = 40
STAGES = ("before", "effect", "after")


class Drawn:
    """What a seed draws: overrides, crashes at instants, and what happens between steps."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(f"faults {seed}")
        self.armed = False
        self.crashes = 0
        self._crash_rate = random.choice([0.0, 0.001, 0.004])
        self._fault_rate = random.choice([0.0, 0.01, 0.05])
        self._store_fails = random.choice([0.0, 0.0, 0.1, 0.4])
        self.hangs = 0
        self._hung = ("", 0)

    def overrides(self) -> list[str]:
        """Draw settings that change how the work is cut up, and nothing of what comes out."""
        draw = self.random.choice
        detectors, overload = draw([1, 2, 3, "per-symbol"]), draw(["shed_oldest", "block"])
        return [
            "supervision.max_restarts=100000",
            f"actors.detectors={detectors}",
            f"stores.0.batch_rows={draw([1, 5, 40, 1000])}",
            f"stores.0.flush_ms={draw([1, 100, 5000])}",
            f"breaker.failure_threshold={draw([1, 3, 100])}",
            f"breaker.cooldown_seconds={draw([0.1, 5, 30])}",
            f"supervision.handler_seconds={draw([0.5, 5])}",
            f"feeds.0.overload={overload}",
        ]

    def reach(self, name: str, stage: str) -> None:
        """Crash here, sometimes; a failpoint."""
        if self.armed and name != "supervisor" and self.random.random() < self._crash_rate:
            self.crashes += 1
            raise Injected(f"{stage} in {name}")

    def fail_store(self, *_: object) -> None:
        """Fail a commit, sometimes: before it, or with its outcome unknown."""
        if self.armed and self.random.random() < self._store_fails:
            raise RetryableStoreError("drawn")

    def disturb(self, system: System) -> None:
        """Do something to somebody, sometimes."""
        if self.random.random() >= self._fault_rate:
            return
        name = self.random.choice(sorted(system.assembly.specs))
        mailbox = system.slot_of(name).mailbox
        match self.random.choice(["crash", "hang", "hang in data", "cut"]):
            case "crash":
                mailbox.put_control(InjectFault("drawn"))
            case "cut":
                system.line.cut()
            case _ if system.world.hanging or system.world.hang or self._hangs_soon(system):
                # One after another: three that hang at once end the process, as they should.
                pass
            case "hang":
                self._hung = (name, system.slot_of(name).incarnation)
                mailbox.put_control(InjectHang("drawn"))
                self.hangs += 1
            case _:
                system.world.hang[name] = self._hang

    def _hangs_soon(self, system: System) -> bool:
        name, incarnation = self._hung
        return bool(name) and system.slot_of(name).incarnation == incarnation

    def _hang(self, message: Any) -> bool:
        if not isinstance(message, Batch | BytesReceived | WriteNext):
            return False
        self.hangs += 1
        return True


def said(random: Random) -> Iterator[list[Any]]:
    """Give the messages in pieces of drawn length."""
    left = messages()
    while left:
        count = random.randrange(1, 12)
        yield left[:count]
        left = left[count:]


def play(seed: int, directory: Path) -> tuple[list[tuple[Any, ...]], Drawn]:
    """Play the messages under what the seed draws; give what was stored."""
    drawn, world = Drawn(seed), World(seed)
    system = System(world, directory, drawn.overrides(), failpoint=drawn.reach, publish_seconds=0.05)
    system.tables.before_commit = system.tables.after_commit = drawn.fail_store
    try:
        system.begin()
        drawn.armed = True
        for piece in said(drawn.random):
            system.line.say(*piece)
            for _ in range(drawn.random.randrange(60)):
                drawn.disturb(system)
                world.step()
                ledger = system.slot_of("monitor").state.ledger
                assert ledger is None or ledger["balanced"], ledger
        drawn.armed = False
        world.hang.clear()
        spool = system.assembly.specs["writer/s"].arguments["spool"]
        world.run(lambda: system.quiet() and not len(spool))
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        account = ledger.as_json()["total"]
        assert (account["in_flight"], account["spooled"], account["shed"]) == (0, 0, 0), account
        assert account["dead_letter"] == 0, account
        assert system.ended is not None
        assert system.ended.status == 0, system.ended.text
        return stored(system), drawn
    finally:
        world.close()


def check(seeds: range, directory: Path, undisturbed: list[tuple[Any, ...]]) -> None:
    """Play each seed and compare."""
    crashes = hangs = 0
    for seed in seeds:
        with telling_seed(seed):
            here = directory / str(seed)
            here.mkdir()
            rows, drawn = play(seed, here)
            assert rows == undisturbed
            crashes, hangs = crashes + drawn.crashes, hangs + drawn.hangs
    assert crashes, "seeds that crash nobody prove nothing"
    assert hangs, "nor do seeds in which nobody hangs"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What is stored when nothing happens."""
    world = World(0)
    system = System(world, tmp_path_factory.mktemp("undisturbed"))
    system.begin()
    system.line.say(*messages())
    world.run(system.quiet)
    system.drain()
    world.close()
    return stored(system)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SHORT, A_TEST))
def test_whatever_a_seed_draws_changes_nothing(
    first: int, tmp_path: Path, undisturbed: list[tuple[Any, ...]]
) -> None:
    """The short form: some hundred seeds."""
    check(range(first, first + A_TEST), tmp_path, undisturbed)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(SHORT, LONG, 20 * A_TEST))
def test_whatever_thousands_of_seeds_draw_changes_nothing(
    first: int, tmp_path: Path, undisturbed: list[tuple[Any, ...]]
) -> None:
    """The long form."""
    check(range(first, min(LONG, first + 20 * A_TEST)), tmp_path, undisturbed)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_seed_plays_the_same_run(
    seed: int, tmp_path: Path, make_world: Callable[[int], World]
) -> None:
    """So that what one of them finds can be looked at again."""

    def trace(name: str) -> list[str]:
        directory = tmp_path / name
        directory.mkdir()
        drawn, world, steps = Drawn(seed), make_world(seed), list[str]()

        def noted(actor: str, stage: str) -> None:
            steps.append(f"{actor} {stage}")
            drawn.reach(actor, stage)

        system = System(world, directory, drawn.overrides(), failpoint=noted)
        system.begin()
        drawn.armed = True
        system.line.say(*messages())
        for _ in range(300):
            drawn.disturb(system)
            world.step()
        return steps

    assert trace("first") == trace("second")

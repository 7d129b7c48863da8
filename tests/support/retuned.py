"""Changing a whole system in a World while it runs, and what has to be the same afterwards."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from actors.base import Injected
from messages.retuning import Retune, Retuned
from tests.support.harness import World
from tests.support.memory_store import MemoryTables
from tests.support.system import System, settings_for, trade

SYMBOLS = tuple(f"S{i}" for i in range(9))
FEED = (
    f"feeds.0.symbols={list(SYMBOLS)}", "feeds.0.connections=3", "actors.normalizers=2",
    "supervision.max_restarts=1000", "detector.window=8", "detector.min_history=4", "detector.warn_z=1.2",
    "detector.critical_z=2.2",
)  # fmt: skip
"""Nine symbols on three lines, which two normalizers share."""
COLUMNS = (
    "symbol", "line", "price", "frame", "item", "verdict", "z", "vwap", "momentum", "imbalance", "volatility",
    "spread_mean",
)  # fmt: skip


def said(line: int, first: int, last: int, lines: int = 3) -> list[Any]:
    """Give what a line says: trades and quotes of its symbols, a repetition, a hole and nonsense."""
    symbols = SYMBOLS[line::lines]
    told: list[Any] = []
    for i in range(first, last):
        symbol = symbols[(i * 7) % len(symbols)]
        number = i // len(symbols) + i // 34
        told.append(trade(symbol, 100 + (i * 7 % 13) / 10, number, side="buy" if i % 4 else "sell"))
        if i % 5 == 0:
            told.append({"symbol": symbol, "bid": 99.0 + i % 3 / 10, "ask": 101.0})
        if i % 20 == 0:
            told += [told[-2], b"{cut"]
    return told


def retune(system: System, directory: Path, *overrides: str, feed: Sequence[str] = FEED) -> None:
    """Have the settings changed; the answer comes with time."""
    system.assembly.supervisor.tell(Retune(settings_for(directory, (*feed, *overrides))))


def answers(system: System) -> list[Retuned]:
    """Give what the host was told of changes."""
    return [told for told in system.told if isinstance(told, Retuned)]


def rows(tables: MemoryTables) -> list[tuple[Any, ...]]:
    """Give what was stored, by origin."""
    found = [row for table in ("ticks", "rejects") for row in tables.rows.get(table, [])]
    found.sort(key=lambda row: (row["session"], row["line"], row["frame"], row["item"]))
    return [tuple(row[name] for name in COLUMNS) for row in found]


def check_order(tables: MemoryTables) -> None:
    """Hold that no origin is there twice, and that each symbol's ticks were stored in order."""
    origins = [(row[1], row[3], row[4]) for row in rows(tables)]
    assert len(set(origins)) == len(origins)
    last: dict[tuple[str, str], int] = {}
    for row in tables.rows["ticks"]:
        stream = (row["symbol"], row["line"])
        assert row["frame"] >= last.get(stream, -1), row
        last[stream] = row["frame"]


def play(system: System, upto: int, changes: Iterable[Any] = (), part: int = 10) -> dict[str, Any]:
    """Have the lines speak bit by bit, with a change now and then, then drain; give the ledger."""
    world = system.world
    waiting = list(changes)
    for first in range(1, upto, part):
        for number, line in enumerate(system.lines):
            line.say(*said(number, first, min(upto, first + part), len(system.lines)))
        if waiting and world.random.random() < 0.5:
            waiting.pop(0)()
        for _ in range(world.random.randrange(120)):
            world.step()
    for change in waiting:
        change()
    world.run(lambda: system.quiet() and settled(system))
    ledger = system.drain()
    assert ledger.balanced, ledger.as_json()
    account: dict[str, Any] = ledger.as_json()
    assert account["total"]["in_flight"] == 0
    return account


def settled(system: System) -> bool:
    """Whether no change is under way."""
    actor: Any = system.world.actors["supervisor"]
    return not actor._retuning._under_way


def cuts_balance(system: System, times: int = 3) -> None:
    """Hold that cuts are taken, and balance."""
    monitor = system.slot_of("monitor")
    for _ in range(times):
        monitor.state.ledger = None
        system.world.run(lambda: monitor.state.ledger is not None)
        assert monitor.state.ledger["balanced"], monitor.state.ledger


def undisturbed(directory: Path, upto: int, seed: int = 0) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Give the rows and the ledger of a run in which nothing is changed."""
    world = World(seed)
    system = System(world, directory, FEED)
    system.begin()
    account = play(system, upto)
    world.close()
    return rows(system.tables), account


class Crashes:
    """A failpoint that raises now and then, of all actors but a few, once a change is under way."""

    def __init__(self, world: World, prefix: str, stage: str, most: int) -> None:
        self._world = world
        self._prefix = prefix
        self._stage = stage
        self._left = most
        self.system: System | None = None
        self.happened = 0

    def __call__(self, name: str, stage: str) -> None:
        """Raise at the stage of the actors meant, in one of three cases."""
        if not name.startswith(self._prefix) or stage != self._stage or not self._left:
            return
        if self.system is None or settled(self.system):
            return
        if self._world.random.random() < 0.3:
            self._left -= 1
            self.happened += 1
            raise Injected(stage)

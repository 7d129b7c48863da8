"""Rules and the number of detectors change while data flows: no tick is lost, doubled or scored otherwise."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.scoring import ScoringRules
from core.topology import detector_name
from messages.supervision import InjectFault
from stores.journal import Journal
from tests.support.harness import World, telling_seed
from tests.support.rescored import rescored, scored_rows
from tests.support.retuned import (
    FEED,
    SYMBOLS,
    Crashes,
    answers,
    check_order,
    cuts_balance,
    play,
    retune,
    rows,
    said,
    settled,
    undisturbed,
)
from tests.support.system import SESSION, System, trade

pytestmark = pytest.mark.slow
MakeWorld = Callable[[int], World]
UPTO = 80


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """What a run that is never changed stores and counts."""
    return undisturbed(tmp_path_factory.mktemp("undisturbed"), UPTO)


def sharing(detectors: int | str) -> str:
    return f"actors.detectors={detectors!r}".replace("'", '"')


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("first", "then"),
    [("per-symbol", [2]), (4, ["per-symbol"]), (2, [5]), (5, [2]), (3, ["per-symbol", 2, "per-symbol", 3])],
)
def test_symbols_move_among_detectors_and_nothing_else_changes(
    first: Any, then: list[Any], seed: int, tmp_path: Path, make_world: MakeWorld,
    expected: tuple[list[tuple[Any, ...]], dict[str, Any]],
) -> None:  # fmt: skip
    """Rows are those of a run that was never changed, windows and features included; so are all counts."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path, (*FEED, sharing(first)))
        system.begin()
        changes = [partial(retune, system, tmp_path, sharing(count)) for count in then]
        account = play(system, UPTO, changes)
        check_order(system.tables)
        assert rows(system.tables) == expected[0]
        assert account["total"] == expected[1]["total"]
        assert account["reasons"] == expected[1]["reasons"]
        assert [answer.refused for answer in answers(system)] == [""] * len(then)
        names = {spec.name for spec in system.assembly.of_kind("detector")}
        shards = None if then[-1] == "per-symbol" else then[-1]
        assert names == {detector_name("f", symbol, shards) for symbol in SYMBOLS}


def test_cuts_balance_before_and_after_and_those_taken_out_still_count(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Symbols move to and fro; detectors that come back count on."""
    system = System(make_world(1), tmp_path, FEED, publish_seconds=0.01)
    system.begin()
    given = 0
    for change in (3, "per-symbol", 3):
        for number, line in enumerate(system.lines):
            line.say(*said(number, given + 1, given + 21))
        given += 20
        system.world.run(system.quiet)
        cuts_balance(system)
        warnings = counted(system, "event.warn")
        retune(system, tmp_path, sharing(change))
        for number, line in enumerate(system.lines):
            line.say(*said(number, given + 1, given + 21))
        given += 20
        system.world.run(lambda: system.quiet() and settled(system))
        cuts_balance(system)
        assert counted(system, "event.warn") >= warnings > 0
    total = counted(system, "event.warn")
    ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["events"]["warn"] == total


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("prefix", ["normalizer", "detector", ""])
@pytest.mark.parametrize("seed", range(4))
def test_a_crash_at_any_instant_of_a_move_changes_nothing(
    prefix: str, stage: str, seed: int, tmp_path: Path, make_world: MakeWorld,
    expected: tuple[list[tuple[Any, ...]], dict[str, Any]],
) -> None:  # fmt: skip
    """Whoever of those who hand over, take over and reroute dies, and whenever."""
    with telling_seed(seed):
        world = make_world(seed)
        crashes = Crashes(world, prefix, stage, 30)
        system = System(world, tmp_path, (*FEED, sharing(2)), failpoint=crashes)
        system.begin()
        crashes.system = system
        changes = [partial(retune, system, tmp_path, sharing(count)) for count in ("per-symbol", 3)]
        account = play(system, UPTO, changes)
        assert crashes.happened
        check_order(system.tables)
        assert rows(system.tables) == expected[0]
        assert account["total"] == expected[1]["total"]


def test_nothing_is_shed_because_symbols_move(tmp_path: Path, make_world: MakeWorld) -> None:
    """While a detector that hands over hangs, the lines are not read, though the feed sheds otherwise."""
    overrides = (*FEED, sharing(2), "actors.frames_mb=1", "actors.mailbox_ticks=10")
    system = System(make_world(3), tmp_path, overrides)
    system.begin()
    system.world.frozen.add("detector/0")
    retune(system, tmp_path, sharing("per-symbol"), *overrides[len(FEED) + 1 :])
    system.world.settle()
    padding = "x" * 50_000
    for line, symbol in zip(system.lines, SYMBOLS, strict=False):
        line.say(*(trade(symbol, 100.0 + i % 3, i, padding=padding) for i in range(1, 101)))
    system.world.settle()
    assert all(line.waiting for line in system.lines[::2])
    taken = counted(system, "frames")
    assert taken > 30
    normalizer = system.slot_of("normalizer/f/0").state
    system.world.frozen.clear()
    system.world.run(lambda: not normalizer.moving)
    system.world.frozen.add("detector/f/S0")
    system.world.settle()
    assert answers(system) == [], "what has waited could be shed yet"
    system.world.frozen.clear()
    system.world.run(lambda: len(answers(system)) == 1)
    assert counted(system, "decoded") >= taken, "what had waited is worked off before any may be shed"
    assert counted(system, "shed_frames") == 0 == counted(system, "shed.overload")
    system.world.run(system.quiet)
    assert system.drain().balanced


def counted(system: System, name: str) -> int:
    """Count of all actors that there are and were."""
    specs = [*system.assembly.specs.values(), *system.assembly.retired.values()]
    return sum(spec.slot.counts.get(("f", name), 0) for spec in specs)


def test_a_parked_symbol_begins_anew_in_another_detector(tmp_path: Path, make_world: MakeWorld) -> None:
    """With an empty window, since what the first one failed of may have been in it."""
    overrides = (*FEED, "supervision.max_restarts=2")
    system = System(make_world(4), tmp_path, overrides)
    system.begin()
    line = system.lines[0]
    line.say(*(trade("S0", 100.0 + i % 3, i) for i in range(1, 11)))
    system.world.run(system.quiet)
    parked = system.slot_of("detector/f/S0")
    for _ in range(3):
        parked.mailbox.put_control(InjectFault("again"))
        system.world.run(lambda: not len(parked.mailbox))
        system.world.settle()
    retune(system, tmp_path, *overrides[len(FEED) :], sharing(2))
    line.say(*(trade("S0", 101.0, i) for i in range(11, 31)))
    system.world.run(lambda: system.quiet() and settled(system))
    line.say(*(trade("S0", 101.0 + i % 3, i) for i in range(31, 41)))
    system.world.run(system.quiet)
    ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert sum(account["total"][name] for name in ("stored", "rejected", "dead_letter")) == 40
    assert account["reasons"].get("parked", 0) == account["total"]["dead_letter"] <= 20
    first = next(
        row for row in system.tables.rows["ticks"] if row["frame"] == 10 + account["total"]["dead_letter"]
    )
    assert first["z"] is None


@pytest.mark.parametrize("seed", range(8))
def test_a_stop_amid_a_move_loses_nothing(
    seed: int, tmp_path: Path, make_world: MakeWorld,
    expected: tuple[list[tuple[Any, ...]], dict[str, Any]],
) -> None:  # fmt: skip
    """However far it is; the host is told that it was changed in part, or that it is done."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path, (*FEED, sharing(2)))
        system.begin()
        for number, line in enumerate(system.lines):
            line.say(*said(number, 1, UPTO))
        system.world.run(lambda: not any(line.waiting for line in system.lines))
        retune(system, tmp_path, sharing("per-symbol"))
        retune(system, tmp_path, sharing(3))
        for _ in range(system.world.random.randrange(300)):
            system.world.step()
        ledger = system.drain()
        assert ledger.balanced
        assert rows(system.tables) == expected[0]
        told = [answer.refused for answer in answers(system)]
        assert told == sorted(told)
        assert all("is being stopped" in refused for refused in told if refused)


def test_a_change_waits_until_everything_has_started(tmp_path: Path, make_world: MakeWorld) -> None:
    """And one while another is under way waits for that."""
    system = System(make_world(5), tmp_path, FEED)
    retune(system, tmp_path, sharing(4))
    retune(system, tmp_path, sharing(2))
    system.world.run(lambda: len(answers(system)) == 2)
    assert [type(told).__name__ for told in system.told] == ["SupervisorStarted", "Retuned", "Retuned"]
    assert system.assembly.settings.actors.detectors == 2
    assert system.drain().balanced


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("seed", range(6))
def test_rules_change_at_one_place_in_each_symbols_ticks(
    seed: int, stage: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Scores are those of the old rules before it, of the new from it on; windows keep their newest."""
    old = ScoringRules(8, 4, 1.2, 2.2)
    news = [
        ScoringRules(5, 2, 1.0, 1.9),
        ScoringRules(20, 6, 1.5, 3.0),
        ScoringRules(8, 5, 1.1, 2.0, 1e-3, 5.0),
    ]
    with telling_seed(seed):
        world = make_world(seed)
        crashes = Crashes(world, "detector", stage, 20)
        system = System(world, tmp_path, (*FEED, sharing(3)), failpoint=crashes)
        system.begin()
        crashes.system = system
        new = news[seed % len(news)]
        written = [f"detector.{name}={value}" for name, value in asdict(new).items()]
        play(system, UPTO, [partial(retune, system, tmp_path, *written, sharing(3))])
        check_order(system.tables)
        changed = 0
        for symbol in SYMBOLS:
            told = scored_rows(system, symbol)
            at = [k for k in range(len(told) + 1) if rescored(told, old, new, k) == [row[1:] for row in told]]
            assert at, f"no place fits {symbol}"
            changed += 0 < at[-1] < len(told)
        assert changed


@pytest.mark.parametrize("seed", range(3))
def test_the_checkpoint_moves_on_while_symbols_move_and_a_killed_run_is_recovered(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Marks in the journal become complete whoever has a symbol; scores are as if nothing had happened."""
    bound = ("journal.retention_mb=1", *FEED, "feeds.0.connections=1")
    with telling_seed(seed):
        whole = System(make_world(seed), tmp_path, bound, journalled=True)
        whole.begin()
        speak(whole, 1, 201)
        whole.drain()
        directory = tmp_path / "killed"
        directory.mkdir()
        killed = System(make_world(seed), directory, (*bound, sharing(2)), journalled=True)
        killed.begin()
        speak(killed, 1, 61)
        places = []
        counts: tuple[int | str, ...] = (3, "per-symbol", 2)
        for step, count in enumerate(counts):
            killed.line.say(*long(61 + 40 * step, 81 + 40 * step))
            retune(killed, directory, *bound, sharing(count))
            speak(killed, 81 + 40 * step, 101 + 40 * step)
            assert settled(killed)
            places.append(max(segment(path) for path in Journal(directory).segments(SESSION)))
            assert (
                segment(next(iter(Journal(directory).segments(SESSION)))) > (places[-2] if step else 1) - 20
            )
        assert segment(next(iter(Journal(directory).segments(SESSION)))) > 10
        killed.line.say(*long(181, 201))
        for _ in range(killed.world.random.randrange(200)):
            killed.world.step()
        killed.world.run(lambda: not killed.line.waiting)
        after = System(
            make_world(seed + 1), directory, (*bound, sharing(3)), tables=killed.tables, journalled=True,
            session=SESSION + 1,
        )  # fmt: skip
        after.begin()
        after.world.run(after.quiet)
        ledger = after.drain()
        assert ledger.balanced
        assert rows(killed.tables) == rows(whole.tables)
        assert ledger.as_json()["frames"]["decoded"] < 120


def long(first: int, last: int) -> list[Any]:
    """Give trades that fill a segment every few."""
    return [
        {**message, "padding": "x" * 20_000}
        for message in said(0, first, last, 1)
        if isinstance(message, dict)
    ]


def segment(path: Path) -> int:
    return int(path.name.split(".")[1])


def speak(system: System, first: int, last: int) -> None:
    """Have the line speak, and the journal make room, until there is no change under way."""
    for start in range(first, last, 20):
        system.line.say(*long(start, min(last, start + 20)))
        system.world.run(lambda: system.quiet() and settled(system))
        until = system.world.clock.monotonic() + 11
        system.world.run(lambda until=until: system.world.clock.monotonic() > until)  # type: ignore[misc]


def test_bounds_of_mailboxes_change_for_all_and_for_those_that_come_back(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """As the settings say, also of a detector that was away meanwhile."""
    system = System(make_world(6), tmp_path, (*FEED, sharing(3)))
    system.begin()
    bounds = ("actors.mailbox_ticks=77", "actors.frames_mb=3", "actors.mailbox_total_mb=100")
    for change in ((sharing("per-symbol"),), (sharing("per-symbol"), *bounds), (sharing(3), *bounds)):
        retune(system, tmp_path, *change)
    system.world.run(lambda: len(answers(system)) == 3)
    limits = {spec.name.split("/")[0]: spec.slot.mailbox._limit for spec in system.assembly.specs.values()}
    assert (limits["normalizer"], limits["detector"], limits["writer"]) == (3 * 2**20, 77, 77)
    assert system.assembly._budget._limit == 100 * 2**20
    assert system.drain().balanced


def test_a_run_starts_warm_with_another_window(tmp_path: Path, make_world: MakeWorld) -> None:
    """The checkpoint's windows are resized: the newest of them are what the next run begins with."""
    first = System(make_world(7), tmp_path, (*FEED, "detector.window=8"), journalled=True)
    first.begin()
    first.line.say(*(trade("S0", 100.0 + i % 3, i) for i in range(1, 10)))
    first.world.run(first.quiet)
    first.drain()
    for session, window in ((SESSION + 1, 5), (SESSION + 2, 20)):
        again = System(
            make_world(8), tmp_path, (*FEED, f"detector.window={window}", "detector.critical_z=2.0"),
            tables=first.tables, journalled=True, session=session,
        )  # fmt: skip
        again.begin()
        again.line.say(trade("S0", 101.0, 10 + session))
        again.world.run(again.quiet)
        again.drain()
        (row,) = [row for row in first.tables.rows["ticks"] if row["session"] == session]
        assert row["z"] is not None

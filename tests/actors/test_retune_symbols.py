"""Symbols come and go while data flows: all that the venue sends of them is taken, once and in order."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from core.scoring import ScoringRules
from tests.support.harness import World, telling_seed
from tests.support.rescored import rescored, scored_rows
from tests.support.retuned import FEED, SYMBOLS, Crashes, answers, check_order, cuts_balance, retune, settled
from tests.support.scripted_venue import ScriptedVenue
from tests.support.system import SESSION, System
from venues.generic import Generic

pytestmark = pytest.mark.slow
MakeWorld = Callable[[int], World]
RULES = ScoringRules(8, 4, 1.2, 2.2)
ADDED = (*SYMBOLS, "N0", "N1")
SWAPPED = ("S0", "S1", "S3", "S4", "S6", "N0", "N1", "N2")
"""On the third line nothing is left."""
FEW = ("S1", "N0")


def following(symbols: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return (f"feeds.0.symbols={list(symbols)}", "feeds.0.connections=2", *more)


def play(
    system: System, venue: ScriptedVenue, changes: list[Callable[[], None]], changed: int | None = None
) -> None:
    """Have the venue speak on and on, with a change now and then, until all are done."""
    world = system.world
    waiting = list(changes)
    for _ in range(16):
        venue.speak(2)
        if waiting and world.random.random() < 0.4:
            waiting.pop(0)()
        for _ in range(world.random.randrange(150)):
            world.step()
    for change in waiting:
        change()
        venue.speak(2)
    answered = len(changes) if changed is None else changed
    world.run(lambda: system.quiet() and settled(system) and len(answers(system)) == answered)
    venue.speak(3)
    world.run(system.quiet)


def check(system: System, venue: ScriptedVenue) -> None:
    """Hold that all that was said is stored, once and in order, and scored as if nothing had changed.

    What was away begins anew.
    """
    check_order(system.tables)
    for symbol, count in venue.said.items():
        told = scored_rows(system, symbol)
        assert [int(row[0]["venue_id"]) for row in told] == list(range(1, count + 1)), symbol
        for begin, end in pairwise([0, *venue.left.get(symbol, ()), count]):
            piece = told[begin:end]
            assert rescored(piece, RULES, RULES, 0) == [row[1:] for row in piece], symbol
    assert not [row for row in system.tables.rows.get("rejects", []) if row["reason"] == "unknown_symbol"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sharing", ['"per-symbol"', "3"])
@pytest.mark.parametrize("wanted", [(ADDED,), (SWAPPED,), (FEW,), (FEW, SWAPPED), (SWAPPED, FEW)])
def test_symbols_come_and_go(
    wanted: tuple[tuple[str, ...], ...], sharing: str, seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Lines that are up subscribe and leave; all others notice nothing."""
    with telling_seed(seed):
        detectors = f"actors.detectors={sharing}"
        system = System(make_world(seed), tmp_path, (*FEED, detectors))
        system.begin()
        venue = ScriptedVenue(system)
        play(
            system, venue, [partial(retune, system, tmp_path, *following(some, detectors)) for some in wanted]
        )
        assert [answer.refused for answer in answers(system)] == [""] * len(wanted)
        assert set().union(*map(venue.subscribed, system.lines)) == set(wanted[-1])
        cuts_balance(system)
        ledger = system.drain()
        assert ledger.balanced
        assert all(line.diallings == 1 for line in system.lines)
        check(system, venue)


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("prefix", ["connection", "normalizer", "detector", ""])
@pytest.mark.parametrize("seed", range(3))
def test_a_crash_at_any_instant_changes_nothing(
    prefix: str, stage: str, seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Whoever dies while symbols come and go, and whenever."""
    with telling_seed(seed):
        world = make_world(seed)
        # A connection that is away for longer than `acknowledge_seconds` reads too late what was sent before.
        crashes = Crashes(world, prefix, stage, 5 if prefix in ("", "connection") else 25)
        system = System(world, tmp_path, FEED, failpoint=crashes)
        system.begin()
        crashes.system = system
        venue = ScriptedVenue(system)
        play(system, venue, [partial(retune, system, tmp_path, *following(some)) for some in (FEW, SWAPPED)])
        assert crashes.happened
        assert set().union(*map(venue.subscribed, system.lines)) == set(SWAPPED)
        ledger = system.drain()
        assert ledger.balanced
        assert ledger.as_json()["total"]["dead_letter"] == 0
        check(system, venue)


@pytest.mark.parametrize("seed", range(6))
def test_a_line_that_is_lost_meanwhile_asks_for_what_it_should(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Before, amid or after the change; nothing is waited for that a line which is down cannot bring."""
    with telling_seed(seed):
        world = make_world(seed)
        system = System(world, tmp_path, FEED)
        system.begin()
        venue = ScriptedVenue(system)

        def cut() -> None:
            world.random.choice(system.lines).cut()

        def change() -> None:
            retune(system, tmp_path, *following(SWAPPED))

        play(system, venue, [cut, change, cut, cut], changed=1)
        world.run(lambda: all(line.transport is not None for line in system.lines))
        venue.speak(3)
        world.run(system.quiet)
        assert set().union(*map(venue.subscribed, system.lines)) == set(SWAPPED)
        assert system.drain().balanced
        check_order(system.tables)
        assert not [row for row in system.tables.rows.get("rejects", []) if row["reason"] == "unknown_symbol"]


def test_what_comes_until_the_time_is_over_is_taken_and_then_is_unknown(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """A venue that goes on sending a symbol which was left, and confirms nothing."""
    system = System(make_world(1), tmp_path, FEED)
    system.begin()
    venue = ScriptedVenue(system)
    venue.stubborn = {"S0"}
    venue.speak(5)
    system.world.run(system.quiet)
    retune(system, tmp_path, *following(tuple(set(SYMBOLS) - {"S0"})))
    system.world.settle()
    venue.speak(5)
    assert venue.left == {"S0": [5]}
    system.world.settle()
    assert answers(system) == []
    before = system.world.clock.monotonic()
    system.world.run(lambda: len(answers(system)) == 1)
    assert 9 <= system.world.clock.monotonic() - before <= 11
    assert "detector/f/S0" not in system.assembly.specs
    venue.speak(5)
    system.world.run(system.quiet)
    account = system.drain().as_json()
    assert account["reasons"]["unknown_symbol"] == 5
    assert [row[0]["frame"] for row in scored_rows(system, "S0")][:10] == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]


def test_a_normalizer_that_is_late_takes_what_came_before(tmp_path: Path, make_world: MakeWorld) -> None:
    """It hears that a symbol is gone behind the last of it, though the line is done long since."""
    system = System(make_world(6), tmp_path, FEED)
    system.begin()
    venue = ScriptedVenue(system)
    system.world.frozen.add("normalizer/f/0")
    venue.speak(5)
    system.world.settle()
    retune(system, tmp_path, *following(SWAPPED))
    terms = system.assembly.specs["normalizer/f/0"].arguments
    system.world.run(lambda: "S8" not in terms["terms"].known)
    system.world.settle()
    system.world.frozen.clear()
    system.world.run(lambda: len(answers(system)) == 1 and system.quiet())
    assert system.drain().balanced
    assert venue.said["S8"] == 5
    check(system, venue)


def test_where_no_line_has_room_there_is_a_line_more_and_its_name_comes_once(
    tmp_path: Path, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue takes three symbols a line; a line without symbols goes."""
    monkeypatch.setattr(Generic, "max_symbols_per_connection", 3)
    system = System(make_world(2), tmp_path, FEED)
    system.begin()
    venue = ScriptedVenue(system)
    more = ("N0", "N1", "N2", "N3")
    changes = ((*SYMBOLS, *more), SYMBOLS, (*SYMBOLS, *more))
    play(system, venue, [partial(retune, system, tmp_path, *following(some)) for some in changes])
    lines = [spec.arguments["terms"].line for spec in system.assembly.of_kind("connection")]
    assert lines == ["f/0/A", "f/1/A", "f/2/A", "f/5/A", "f/6/A"]
    assert sorted(len(venue.subscribed(line)) for line in system.lines) == [0, 0, 1, 3, 3, 3, 3]
    cuts_balance(system)
    assert system.drain().balanced
    check(system, venue)


def test_a_feeds_times_change_on_lines_that_are_up(tmp_path: Path, make_world: MakeWorld) -> None:
    """A line that is silent for the new time is dialled anew; the old one was an hour."""
    feed = ("feeds.0.symbols=['A']", "feeds.0.stale_seconds=3600")
    system = System(make_world(3), tmp_path, feed)
    system.begin()
    began = system.world.clock.monotonic()
    retune(
        system, tmp_path, feed[0], "feeds.0.stale_seconds=20", "feeds.0.connect_timeout_seconds=3", feed=()
    )
    system.world.run(lambda: len(answers(system)) == 1)
    arguments = system.assembly.specs["connection/f/0/A"].arguments
    assert (arguments["terms"].stale_seconds, arguments["terms"].connect_timeout_seconds) == (20, 3)
    system.world.run(lambda: system.lines[-1].diallings == 1)
    assert 20 <= system.world.clock.monotonic() - began <= 30
    assert system.line.diallings == 1, "what dials now is of the new time"
    assert system.drain().balanced


def test_requests_keep_the_venues_pace(
    tmp_path: Path, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One a second; the change is done when the last is confirmed or overdue."""
    monkeypatch.setattr(Generic, "requests_per_second", 1.0)
    system = System(make_world(4), tmp_path, following(SYMBOLS, "feeds.0.connections=1"))
    system.begin()
    sent = len(system.line.sent)
    retune(system, tmp_path, *following(("S0", "N0", "N1"), "feeds.0.connections=1"), feed=())
    system.world.settle()
    assert len(system.line.sent) == sent
    system.world.run(lambda: len(system.line.sent) == sent + 1)
    system.world.run(lambda: len(answers(system)) == 1)
    system.world.run(lambda: len(system.line.sent) == sent + 2)
    assert ScriptedVenue(system).subscribed(system.line) == {"S0", "N0", "N1"}
    assert system.drain().balanced


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_is_killed_after_a_change_is_recovered(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Lines that came while it ran are journalled as all others; each row is there once, and scored."""
    one = (*FEED, "actors.normalizers=1")
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path, one, journalled=True)
        system.begin()
        venue = ScriptedVenue(system)
        venue.speak(5)
        system.world.run(system.quiet)
        retune(system, tmp_path, *following(ADDED), feed=one)
        for _ in range(8):
            venue.speak(2)
            for _ in range(system.world.random.randrange(100)):
                system.world.step()
        system.world.run(lambda: not any(line.waiting for line in system.lines))
        after = System(
            make_world(seed + 1), tmp_path, (*one, *following(ADDED)), tables=system.tables,
            journalled=True, session=SESSION + 1,
        )  # fmt: skip
        after.begin()
        after.world.run(after.quiet)
        assert after.drain().balanced
        check(system, venue)


def test_the_ledger_is_told_while_a_venue_takes_its_time(tmp_path: Path, make_world: MakeWorld) -> None:
    """Nobody comes or goes until it has confirmed that a symbol is left, or the time is over."""
    system = System(make_world(7), tmp_path, FEED, publish_seconds=0.1)
    system.begin()
    venue = ScriptedVenue(system)
    retune(system, tmp_path, *following(SWAPPED))
    system.world.settle()
    for _ in range(3):
        venue.speak(2)
        cuts_balance(system, times=1)
        assert answers(system) == []
    system.world.run(lambda: len(answers(system)) == 1)
    cuts_balance(system)
    assert system.drain().balanced

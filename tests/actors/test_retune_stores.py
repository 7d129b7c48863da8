"""Stores that come and go, and writers' terms that change, while data flows. On one thread."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import RetryableStoreError
from core.settings import Settings, Store
from messages.observation import GetStatus
from messages.supervision import InjectFault
from stores.journal import Journal
from tests.actors.test_crashes import PATIENT, Crashes
from tests.support.harness import World, telling_seed
from tests.support.memory_store import MemoryTables
from tests.support.system import SESSION, System, trade

MakeWorld = Callable[[int], World]
COLUMNS = ("symbol", "price", "frame", "item", "verdict", "z", "vwap", "momentum", "volatility")
Row = tuple[Any, ...]


def said(first: int, last: int) -> list[Any]:
    """Give trades of two symbols, with a duplicate, a quote and a malformed frame every now and then."""
    messages: list[Any] = []
    for i in range(first, last):
        messages.append(trade("A" if i % 3 else "B", 100 + (i * 7 % 13) / 10, i))
        if i % 5 == 0:
            messages += [messages[-1], b"{cut", {"symbol": "A", "bid": 99.0, "ask": 101.0}]
    return messages


def rows(tables: MemoryTables) -> list[Row]:
    """Give all records, by origin."""
    found = [row for table in ("ticks", "rejects") for row in tables.rows.get(table, [])]
    found.sort(key=lambda row: (row["session"], row["frame"], row["item"]))
    return [tuple(row[name] for name in COLUMNS) for row in found]


def with_stores(system: System, *names: str, **more: Any) -> Settings:
    """Give the settings in effect, with the first store and these."""
    settings = system.assembly.settings
    first = next(store for store in system.settings.stores if store.name == "s")
    there = {"s": first, **{name: Store(name=name, path=name, batch_rows=5, flush_ms=100) for name in names}}
    wanted = tuple(there[name] for name in (names if "s" in names else ("s", *names)))
    return settings.model_copy(update={"stores": wanted, **more})


class Watch:
    """Steps a system, and holds every live cut to its balance."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.cuts = 0
        self._last: Any = None

    def steps(self, count: int) -> None:
        """Take so many steps."""
        for _ in range(count):
            self.system.world.step()
            self.system.world.clock.advance(0.0005)
            self.look()

    def look(self) -> None:
        """Look at the last cut."""
        ledger = self.system.slot_of("monitor").state.ledger
        if ledger is not None and ledger is not self._last:
            assert ledger["balanced"], ledger
            self._last = ledger
            self.cuts += 1

    def until(self, holds: Callable[[], bool]) -> None:
        """Step until something holds."""
        for _ in range(20_000):
            if holds():
                return
            self.steps(1)
        raise AssertionError("it never comes")

    def retuned(self, count: int) -> None:
        """Wait for so many changes."""
        self.until(lambda: len(self.system.retuned) >= count)
        assert not any(told.refused for told in self.system.retuned)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What a run stores that is never changed."""
    world = World(0)
    system = System(world, tmp_path_factory.mktemp("undisturbed"))
    system.begin()
    system.line.say(*said(1, 121))
    world.run(system.quiet)
    system.drain()
    world.close()
    return rows(system.tables)


def senders(found: list[Row]) -> dict[Any, list[Row]]:
    """Give the rows by who sent them: the detector of a symbol, or the normalizer."""
    parts: dict[Any, list[Row]] = {}
    for row in found:
        parts.setdefault(None if row[0] is None else row[0], []).append(row)
    return parts


@pytest.mark.parametrize("seed", range(12))
def test_an_added_store_gets_all_rows_from_then_on(
    seed: int, tmp_path: Path, make_world: MakeWorld, undisturbed: list[Row]
) -> None:
    """The first store has what it would have had; the late one has the end of each sender's rows."""
    with telling_seed(seed):
        world = make_world(seed)
        system = System(world, tmp_path, publish_seconds=0.005)
        watch = Watch(system)
        system.begin()
        system.line.say(*said(1, 61))
        watch.steps(world.random.randrange(300))
        system.retune(with_stores(system, "t"))
        watch.steps(world.random.randrange(100))
        system.line.say(*said(61, 121))
        watch.retuned(1)
        world.run(system.quiet)
        watch.steps(60)
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        first, late = rows(system.tables), rows(system.tables_of("t"))
        assert first == undisturbed
        assert late
        for sender, part in senders(late).items():
            assert part == senders(first)[sender][-len(part) :]
        stores = ledger.as_json()["stores"]
        assert list(stores) == ["s", "t"]
        assert stores["s"]["shed"] == 0
        assert stores["t"]["shed"] == len(first) - len(late)
        assert stores["t"]["stored"] + stores["t"]["rejected"] == len(late)
        assert watch.cuts


@pytest.mark.parametrize("seed", range(12))
def test_a_removed_store_keeps_all_rows_until_then(
    seed: int, tmp_path: Path, make_world: MakeWorld, undisturbed: list[Row]
) -> None:
    """It has the beginning of each sender's rows, its account stays, and nobody shows it as a store."""
    with telling_seed(seed):
        world = make_world(seed)
        system = System(
            world, tmp_path, publish_seconds=0.005,
        )  # fmt: skip
        watch = Watch(system)
        system.begin()
        system.retune(with_stores(system, "t"))
        watch.retuned(1)
        system.line.say(*said(1, 61))
        watch.steps(world.random.randrange(400))
        system.retune(with_stores(system))
        watch.steps(world.random.randrange(100))
        system.line.say(*said(61, 121))
        watch.retuned(2)
        world.run(system.quiet)
        watch.steps(60)
        assert set(system.assembly.writers) == {"s"}
        status = world.actors["monitor"].receive(GetStatus(), None)  # type: ignore[arg-type]
        assert [store["store"] for store in status["stores"]] == ["s"]
        assert {actor["child"] for actor in status["actors"]} == set(system.assembly.specs)
        assert list(status["ledger"]["stores"]) == ["s", "t"]
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        first, gone = rows(system.tables), rows(system.tables_of("t"))
        assert first == undisturbed
        assert len(gone) < len(first)
        for sender, part in senders(gone).items():
            assert part == senders(first)[sender][: len(part)]
        stores = ledger.as_json()["stores"]
        assert list(stores) == ["s", "t"]
        assert stores["t"]["shed"] == len(first) - len(gone)
        assert ledger.as_json()["total"] == stores["s"]


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
@pytest.mark.parametrize("seed", range(6))
def test_stores_that_come_go_and_come_back_amid_crashes_cost_nobody_a_row(
    seed: int, stage: str, tmp_path: Path, make_world: MakeWorld, undisturbed: list[Row]
) -> None:
    """Whoever crashes while it is told: rows are where they belong, once, and every account balances."""
    with telling_seed(seed):
        world = make_world(seed)
        system = System(
            world, tmp_path, PATIENT, publish_seconds=0.005, failpoint=Crashes(world, "", stage, 40)
        )
        watch = Watch(system)
        system.begin()
        changes = [("t",), ("t", "u"), ("u",), (), ("t",)]
        for i, names in enumerate(changes):
            system.line.say(*said(1 + 20 * i, 21 + 20 * i))
            watch.steps(world.random.randrange(120))
            system.retune(with_stores(system, *names))
            watch.steps(world.random.randrange(120))
        system.line.say(*said(101, 121))
        watch.retuned(len(changes))
        world.run(system.quiet)
        watch.steps(60)
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        assert rows(system.tables) == undisturbed
        stores = ledger.as_json()["stores"]
        assert list(stores) == ["s", "t", "u"]
        for name in ("t", "u"):
            found = rows(system.tables_of(name))
            assert len(set(found)) == len(found)
            assert set(map(repr, found)) <= set(map(repr, undisturbed))
            assert stores[name]["stored"] + stores[name]["rejected"] == len(found)
            assert stores[name]["shed"] == len(undisturbed) - len(found)


# Stores that fail


class Outage:
    """A store that is down until it is mended."""

    def __init__(self, tables: MemoryTables) -> None:
        self.down = True
        tables.before_commit = self

    def __call__(self, table: str, found: Any) -> None:
        """Fail while down."""
        if self.down:
            raise RetryableStoreError("the store is down")


def pass_time(system: System, seconds: float) -> None:
    """Let the clock go on."""
    until = system.world.clock.monotonic() + seconds
    system.world.run(lambda: system.world.clock.monotonic() > until)


def change(system: System, settings: Settings) -> None:
    """Bring settings into effect, and wait until they are."""
    count = len(system.retuned) + 1
    system.retune(settings)
    system.world.run(lambda: len(system.retuned) == count)
    assert not system.retuned[-1].refused


def alerts(system: System) -> list[str]:
    """Give the texts of the alerts that the first store has."""
    return [row["text"] for row in system.tables.rows.get("alerts", [])]


def test_an_added_store_that_is_down_has_its_rows_in_its_spool(tmp_path: Path, make_world: MakeWorld) -> None:
    """As one that was there from the start: it gets them once it answers."""
    system = System(make_world(1), tmp_path)
    system.begin()
    outage = Outage(system.tables_of("t"))
    change(system, with_stores(system, "t"))
    for first in range(1, 121, 20):
        system.line.say(*said(first, first + 20))
        system.world.run(system.quiet)
        pass_time(system, 8.0)
    assert system.slot_of("writer/t").counts["f", "spooled"] > 0
    assert not rows(system.tables_of("t"))
    outage.down = False
    pass_time(system, 60.0)
    ledger = system.drain()
    assert ledger.balanced
    assert rows(system.tables_of("t")) == rows(system.tables)


@pytest.mark.parametrize("again", [True, False])
def test_what_a_removed_store_did_not_take_waits_for_it_to_come_back(
    again: bool, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Its spool stays, an alert says so, and added again it has the rows of before, each once."""
    system = System(make_world(2), tmp_path)
    system.begin()
    change(system, with_stores(system, "t"))
    system.line.say(*said(1, 31))
    system.world.run(system.quiet)
    pass_time(system, 2.0)
    outage = Outage(system.tables_of("t"))
    system.line.say(*said(31, 61))
    system.world.run(system.quiet)
    change(system, with_stores(system))
    spooled = system.assembly.retired["writer/t"].slot.counts["f", "spooled"]
    assert spooled > 30
    system.line.say(*said(61, 91))
    system.world.run(system.quiet)
    pass_time(system, 2.0)
    assert any(f"{spooled} rows that the store t did not take" in text for text in alerts(system))
    outage.down = False
    if again:
        change(system, with_stores(system, "t"))
        system.line.say(*said(91, 121))
        system.world.run(system.quiet)
        pass_time(system, 2.0)
    ledger = system.drain()
    assert ledger.balanced, ledger.as_json()
    account = ledger.as_json()["stores"]["t"]
    everything, found = rows(system.tables), rows(system.tables_of("t"))
    assert account["carried_in"] == 0
    assert account["spooled"] == (0 if again else spooled)
    assert account["stored"] + account["rejected"] == len(found)
    # Three in five were sent while it was there, of which those of the outage are on disk or written since.
    there = len(said(1, 61)) + (len(said(91, 121)) if again else 0)
    repeated = there // len(said(1, 31)) * 6
    assert len(found) + account["spooled"] == there - repeated
    assert account["shed"] == len(everything) - len(found) - account["spooled"]
    assert len(set(map(repr, found))) == len(found)


def test_a_store_whose_spool_cannot_be_made_stays_out(tmp_path: Path, make_world: MakeWorld) -> None:
    """What is there goes on, an alert says so, and the host is told the settings in effect."""
    system = System(make_world(3), tmp_path)
    system.begin()
    (tmp_path / "spool" / "t").write_text("in the way")
    change(system, with_stores(system, "t", "u"))
    assert [store.name for store in system.retuned[-1].settings.stores] == ["s", "u"]
    system.line.say(*said(1, 31))
    system.world.run(system.quiet)
    pass_time(system, 2.0)
    assert any("the store t is not added" in text for text in alerts(system))
    assert system.drain().balanced
    assert rows(system.tables_of("u")) == rows(system.tables)


# Changes that meet others


@pytest.mark.parametrize("seed", range(10))
def test_a_stop_amid_a_change_leaves_every_account_balanced(
    seed: int, tmp_path: Path, make_world: MakeWorld, undisturbed: list[Row]
) -> None:
    """Some have been told of the stores by then, others have not."""
    with telling_seed(seed):
        world = make_world(seed)
        system = System(world, tmp_path)
        watch = Watch(system)
        system.begin()
        change(system, with_stores(system, "t"))
        system.line.say(*said(1, 121))
        watch.steps(world.random.randrange(200))
        system.retune(with_stores(system, "u"))
        watch.steps(world.random.randrange(60))
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        stores = ledger.as_json()["stores"]
        for name in ("s", "t", "u"):
            account = stores.get(name, {"stored": 0, "rejected": 0})
            assert account["stored"] + account["rejected"] == len(rows(system.tables_of(name)))


@pytest.mark.parametrize(
    "hung", ["normalizer/f/0", "detector/f/A", "writer/t", "monitor", "connection/f/0/A"]
)
def test_somebody_who_hangs_amid_a_change_cannot_unbalance_it(
    hung: str, tmp_path: Path, make_world: MakeWorld
) -> None:
    """The drain deadline gives up what it has; nobody is counted who was never told."""
    overrides = ["supervision.drain_seconds=2", "supervision.handler_seconds=1000"]
    system = System(make_world(4), tmp_path, overrides)
    system.begin()
    change(system, with_stores(system, "t"))
    system.line.say(*said(1, 61))
    system.world.run(system.quiet)
    system.world.frozen.add(hung)
    system.line.say(*said(61, 121))
    system.retune(with_stores(system, "u"))
    system.world.settle()
    ledger = system.drain()
    assert ledger.balanced, ledger.as_json()
    assert system.retuned[-1].refused


@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_comes_after_detectors_have_gone_is_spared_their_rows_too(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """What they sent before is not forgotten with them."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path, publish_seconds=0.005)
        watch = Watch(system)
        system.begin()
        system.line.say(*said(1, 31))
        watch.steps(60)
        actors = system.settings.actors.model_copy(update={"detectors": 1})
        system.retune(with_stores(system, actors=actors))
        watch.retuned(1)
        assert "detector/f/A" in system.assembly.retired
        system.line.say(*said(31, 61))
        watch.steps(60)
        system.retune(with_stores(system, "t"))
        watch.retuned(2)
        system.line.say(*said(61, 91))
        system.world.run(system.quiet)
        watch.steps(60)
        ledger = system.drain()
        assert ledger.balanced, ledger.as_json()
        absent = len(rows(system.tables)) - len(rows(system.tables_of("t")))
        assert ledger.as_json()["stores"]["t"]["shed"] == absent > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_crashed_writer_that_is_being_taken_out_still_ends(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """Its replacement goes on with the drain."""
    with telling_seed(seed):
        system = System(make_world(seed), tmp_path, PATIENT)
        system.begin()
        change(system, with_stores(system, "t"))
        system.line.say(*said(1, 61))
        system.retune(with_stores(system))
        for _ in range(5):
            for _ in range(system.world.random.randrange(20)):
                system.world.step()
            if "writer/t" in system.assembly.specs:
                system.slot_of("writer/t").mailbox.put_control(InjectFault("test"))
        system.world.run(lambda: len(system.retuned) == 2)
        system.world.run(system.quiet)
        assert system.drain().balanced


# Terms


def test_a_writer_takes_on_its_new_terms_at_once(tmp_path: Path, make_world: MakeWorld) -> None:
    """A batch that is full by them is written, and one that waits too long by them is, too."""
    overrides = ["stores.0.batch_rows=1000", "stores.0.flush_ms=3600000"]
    system = System(make_world(5), tmp_path, overrides)
    system.begin()
    system.line.say(*(trade("A", 100.0, i) for i in range(1, 11)))
    system.world.run(system.quiet)
    assert not rows(system.tables)
    (store,) = system.settings.stores
    few = store.model_copy(update={"batch_rows": 10})
    change(system, system.settings.model_copy(update={"stores": (few,)}))
    system.world.settle()
    assert len(rows(system.tables)) == 10
    system.line.say(*(trade("A", 100.0, i) for i in range(11, 14)))
    system.world.run(system.quiet)
    assert len(rows(system.tables)) == 10
    soon = few.model_copy(update={"flush_ms": 50})
    change(system, system.settings.model_copy(update={"stores": (soon,)}))
    pass_time(system, 0.1)
    system.world.settle()
    assert len(rows(system.tables)) == 13
    system.slot_of("writer/s").mailbox.put_control(InjectFault("test"))
    pass_time(system, 10.0)
    system.line.say(trade("A", 100.0, 14))
    system.world.run(system.quiet)
    pass_time(system, 0.1)
    assert len(rows(system.tables)) == 14, "the replacement has them too"


def test_an_open_breaker_stays_open_for_as_long_as_it_is_told_now(
    tmp_path: Path, make_world: MakeWorld
) -> None:
    """Its state is kept, its terms are not."""
    system = System(make_world(6), tmp_path, ["breaker.failure_threshold=1", "breaker.cooldown_seconds=3600"])
    system.begin()
    outage = Outage(system.tables)
    system.line.say(*said(1, 31))
    system.world.run(system.quiet)
    pass_time(system, 20.0)
    assert system.slot_of("writer/s").state.progress.breaker.state.value == "open"
    outage.down = False
    terms = system.settings.breaker.model_copy(update={"cooldown_seconds": 30, "failure_threshold": 2})
    change(system, system.settings.model_copy(update={"breaker": terms}))
    assert system.slot_of("writer/s").state.progress.breaker.state.value == "open"
    pass_time(system, 15.0)
    assert system.slot_of("writer/s").state.progress.breaker.state.value == "closed"
    assert system.slot_of("writer/s").state.progress.breaker.failure_threshold == 2
    assert system.drain().balanced


def test_alerts_come_as_often_as_they_are_told_to(tmp_path: Path, make_world: MakeWorld) -> None:
    """From the next one on."""
    system = System(make_world(7), tmp_path)
    system.begin()
    terms = system.settings.alerts.model_copy(update={"every_seconds": 1.0})
    change(system, system.settings.model_copy(update={"alerts": terms}))
    for i in range(3):
        system.line.say(b"{cut")
        system.world.run(system.quiet)
        pass_time(system, 1.5)
        assert sum("malformed_json" in text for text in alerts(system)) <= i + 1
    pass_time(system, 1.5)
    assert sum("malformed_json" in text for text in alerts(system)) == 3


# Killed runs

BOTH = 'stores=[{name="s",batch_rows=5,flush_ms=100},{name="t",path="t",batch_rows=5,flush_ms=100}]'


@pytest.mark.parametrize("seed", range(20))
def test_a_run_killed_amid_changes_is_recovered(
    seed: int, tmp_path: Path, make_world: MakeWorld, undisturbed: list[Row]
) -> None:
    """The store that was there throughout has what it would have had; no store has a row twice."""
    with telling_seed(seed):
        world = make_world(seed)
        killed = System(world, tmp_path, journalled=True)
        killed.begin()
        for i, names in enumerate([("t",), (), ("t",)]):
            killed.line.say(*said(1 + 40 * i, 41 + 40 * i))
            for _ in range(world.random.randrange(150)):
                world.step()
            killed.retune(with_stores(killed, *names))
            for _ in range(world.random.randrange(150)):
                world.step()
        world.run(lambda: not killed.line.waiting)
        late = rows(killed.tables_of("t"))
        after = System(
            make_world(seed + 1), tmp_path, [BOTH], tables=killed.tables, journalled=True, session=SESSION + 1
        )
        after.others = killed.others
        after.begin()
        after.world.run(after.quiet)
        ledger = after.drain()
        assert ledger.balanced, ledger.as_json()
        assert rows(killed.tables) == undisturbed
        found = rows(killed.tables_of("t"))
        assert len(set(map(repr, found))) == len(found)
        assert set(map(repr, late)) <= set(map(repr, found)) <= set(map(repr, undisturbed))


@pytest.mark.parametrize("seed", range(6))
def test_the_journal_makes_room_whatever_stores_come_and_go(
    seed: int, tmp_path: Path, make_world: MakeWorld
) -> None:
    """No mark waits for a store that was not there, or is not there any more.

    The supervisor is held up amid each change, so that marks pass some who were told and some who were not.
    """
    with telling_seed(seed):
        world = make_world(seed)
        system = System(world, tmp_path, ["journal.retention_mb=1"], journalled=True)
        system.begin()
        padding = "x" * 20_000
        changes = iter([("t",), ("t", "u"), ("u",), (), ("t",), (), ("u",), ("t",), ()])
        for first in range(1, 181, 20):
            system.line.say(*(trade("A", 100.0, i, padding=padding) for i in range(first, first + 20)))
            system.retune(with_stores(system, *next(changes)))
            for _ in range(world.random.randrange(30)):
                world.step()
            world.frozen.add("supervisor")
            for _ in range(world.random.randrange(200)):
                world.step()
            world.frozen.clear()
            world.run(system.quiet)
            pass_time(system, 11)
            for writer in system.assembly.writers.values():
                assert not system.slot_of(writer.name).state.marks, "it waits for marks that nobody sends"
        assert len(system.retuned) == 9
        assert Journal(tmp_path).nbytes <= 2**20
        *_, last_closed, _ = (int(path.name.split(".")[1]) for path in Journal(tmp_path).segments(SESSION))
        assert system.slot_of("journal").state.covered[SESSION, "f/0/A"].number == last_closed
        assert system.drain().balanced

"""Kills at any instant, a full disk, a power cut: what was taken is stored or told, and nothing doubled."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stores.journal import Journal, Segment, examine, read_segment
from stores.journal_format import Entry
from tests.e2e.lasting_exchange import Exchange
from tests.e2e.tapeline import Row, Tapeline, check_ledger, origin
from tests.e2e.test_recovery import check
from tests.support.processes import Ended, Program, eventually

KILLS = 20
KILLS_SEED = 7
LAST_PART_BYTES = 65_536
DISK = "16m"
CHUNK_BYTES = 4_096
SPOOL_RUNS = 3


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Tapeline]:
    """Give what runs commands on a data directory that is a small disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", disk],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        with ExitStack() as stack:
            tapeline = Tapeline(tmp_path, stack)
            tapeline.data_dir = disk / "data"
            yield tapeline
    finally:
        subprocess.run(["umount", disk], check=True)


def configure(tapeline: Tapeline, exchange: Exchange, lake: str = "lake", more: str = "") -> Path:
    """Write the configuration of a feed from the exchange into a lake."""
    return tapeline.config(
        f'[[feeds]]\nname = "demo"\nvenue = "demo"\nurl = "ws://127.0.0.1:{exchange.port}"\n'
        'symbols = ["A", "B"]\n[breaker]\nfailure_threshold = 2\ncooldown_seconds = 1\n'
        f'[[stores]]\nname = "lake"\npath = "{lake}"\nbatch_rows = 500\nflush_ms = 200\n{more}'
    )


def kill(program: Program) -> None:
    """End it as no handler can help."""
    program.send(signal.SIGKILL)
    program.wait()


def let_pass(seconds: float) -> None:
    """Let so much time pass: an instant is chosen, nothing is waited for."""
    over = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= over)


# Kills


@pytest.mark.soak
def test_twenty_kills_lose_and_double_nothing_wherever_they_fall(
    tapeline: Tapeline, exchange: Exchange
) -> None:
    """`kill -9` while data flows, while a run starts, and while one recovers those before it."""
    random = Random(KILLS_SEED)
    config = configure(tapeline, exchange)
    instants = (amid_data, amid_start, amid_recovery, amid_data)
    for turn in range(KILLS):
        program = tapeline.start("run", "--json", "--config", config)
        instants[turn % len(instants)](tapeline, exchange, program, random)
        kill(program)
    ended = tapeline.call("run", "--json", "--duration", "2s", "--config", config)
    exchange.close()
    ledger = check_balanced(ended)
    assert ledger["total"]["recovered"] > 0
    check(tapeline, exchange.sent())


def amid_data(tapeline: Tapeline, exchange: Exchange, program: Program, random: Random) -> None:
    """Come back once the exchange has sent some more to a run."""
    program.wait_for_line("every actor has started")
    eventually(partial(exchange.has_told, exchange.told_bytes() + random.randrange(150_000)))


def amid_start(tapeline: Tapeline, exchange: Exchange, program: Program, random: Random) -> None:
    """Come back soon after the run has taken the data directory."""
    lock = tapeline.data_dir / "lock"
    eventually(lambda: lock.read_text() == str(program.pid))
    let_pass(random.uniform(0.0, 0.8))


def amid_recovery(tapeline: Tapeline, exchange: Exchange, program: Program, random: Random) -> None:
    """Come back soon after the run has said that it recovers."""
    program.wait_for_line("recovering what session")
    let_pass(random.uniform(0.0, 0.8))


def check_balanced(ended: Ended) -> dict[str, Any]:
    """Check that a run ended in order, with nothing in flight, and give its ledger."""
    assert ended.status == 0, ended
    ledger = ended.ledger
    assert ledger["balanced"], ledger
    assert ledger["total"]["in_flight"] == 0
    return ledger


# A full disk


def fill(ballast: Path) -> None:
    """Write until nothing more goes onto the disk."""
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(bytes(CHUNK_BYTES)):
            pass


def event_count(tapeline: Tapeline, program: Program, name: str) -> int:
    """Ask a run how often something has happened."""
    ledger = tapeline.status(program).get("ledger") or {}
    return int(ledger.get("events", {}).get(name, 0))


def total(tapeline: Tapeline, program: Program, name: str) -> int:
    """Ask a run for a number of its ledger's total."""
    return int((tapeline.status(program).get("ledger") or {}).get("total", {}).get(name, 0))


def above(count: Callable[[], int], bound: int) -> bool:
    """Tell whether a count has passed a bound."""
    return count() > bound


def stop(tapeline: Tapeline, program: Program) -> Ended:
    """End a run in order."""
    program.send(signal.SIGINT)
    return tapeline.ended(program)


@pytest.mark.soak
def test_a_full_disk_costs_the_journal_and_not_one_tick(cramped: Tapeline, exchange: Exchange) -> None:
    """The lake is elsewhere: all goes on into it; once there is room again, the journal grows again."""
    config = configure(cramped, exchange, str(cramped.directory / "lake"))
    journal, ballast = Journal(cramped.data_dir), cramped.data_dir.parent / "ballast"
    program = cramped.start("run", "--json", "--config", config)
    cramped.wait_for_count(program, "stored")
    fill(ballast)
    unsynced = partial(event_count, cramped, program, "journal_unsynced")
    eventually(partial(above, unsynced, 500))
    stored = partial(total, cramped, program, "stored")
    eventually(partial(above, stored, stored() + 1_000))
    ballast.unlink()
    eventually(partial(above, lambda: journal.nbytes, journal.nbytes + 200_000))
    ended = stop(cramped, program)
    exchange.close()
    ledger = check_balanced(ended)
    assert ledger["events"]["journal_unsynced"] > 500
    assert ledger["total"]["shed"] == ledger["total"]["spooled"] == 0
    assert "cannot be journalled: No space left on device; free the disk" in ended.stderr
    assert any("cannot be journalled" in row["text"] for row in cramped.query("alerts"))
    assert cramped.call("journal", "verify").status == 0
    check(cramped, exchange.sent())


@pytest.mark.soak
def test_a_disk_that_is_full_for_all_costs_what_the_ledger_says(
    cramped: Tapeline, exchange: Exchange
) -> None:
    """Journal, spool and lake have no room: the run goes on, tells it, and stores again once there is."""
    config = configure(cramped, exchange)
    journal, ballast = Journal(cramped.data_dir), cramped.data_dir.parent / "ballast"
    program = cramped.start("run", "--json", "--config", config)
    cramped.wait_for_count(program, "stored")
    fill(ballast)
    eventually(partial(above, partial(event_count, cramped, program, "journal_unsynced"), 500))
    eventually(partial(above, partial(total, cramped, program, "shed"), 500))
    ballast.unlink()
    stored = partial(total, cramped, program, "stored")
    eventually(partial(above, stored, stored() + 1_000))
    eventually(partial(above, lambda: journal.nbytes, journal.nbytes + 100_000))
    ended = stop(cramped, program)
    ledger = check_balanced(ended)
    check_told(cramped, ledger)
    assert ledger["total"]["spooled"] == 0, ended
    for told in ("cannot be journalled", "breaker open", "were lost to the store lake"):
        assert told in ended.stderr, told


@pytest.mark.soak
def test_a_run_that_ends_on_a_full_disk_says_what_it_did(cramped: Tapeline, exchange: Exchange) -> None:
    """No room for the checkpoint either: the ledger is printed, and the next run goes on from there."""
    config = configure(cramped, exchange, str(cramped.directory / "lake"))
    ballast = cramped.data_dir.parent / "ballast"
    program = cramped.start("run", "--json", "--config", config)
    cramped.wait_for_count(program, "stored")
    fill(ballast)
    eventually(partial(above, partial(event_count, cramped, program, "journal_unsynced"), 500))
    ended = stop(cramped, program)
    assert ended.ledger["balanced"], ended
    ballast.unlink()
    after = cramped.call("run", "--json", "--duration", "2s", "--config", config)
    exchange.close()
    check_balanced(after)
    check(cramped, exchange.sent())


def check_told(tapeline: Tapeline, ledger: dict[str, Any]) -> list[Row]:
    """Check that the tables hold what the ledger says, and no origin twice."""
    check_ledger({**ledger, "events": dict.fromkeys(("gap", "reconnect", "stale_time", "warn"), 0)})
    rows = tapeline.records()
    assert len({origin(row) for row in rows}) == len(rows)
    assert len(rows) == ledger["total"]["stored"] + ledger["total"]["rejected"]
    return rows


# A power cut


@pytest.mark.soak
@pytest.mark.parametrize("store", ["up", "down"])
def test_a_power_cut_costs_what_lay_behind_the_cut(
    tapeline: Tapeline, exchange: Exchange, store: str
) -> None:
    """What was not synced is gone: the journal's tail, and the file that the spool was writing."""
    random = Random(store)
    place = tapeline.directory / "place"
    if store == "up":
        place.mkdir()
    else:
        place.write_text("a store cannot be here")
    config = configure(tapeline, exchange, str(place / "lake"))
    program = tapeline.start("run", "--json", "--config", config)
    tapeline.wait_for_count(program, "stored" if store == "up" else "spooled", 2_000)
    kill(program)
    segment = Journal(tapeline.data_dir).segments(1)[-1]
    before = texts(segment)
    cut_tail(segment, random)
    survived = texts(segment)
    assert 0 < len(survived) < len(before)
    if store == "down":
        tear_spool(tapeline.data_dir, random)
        place.unlink()
        place.mkdir()
    ended = last = tapeline.call("run", "--json", "--duration", "2s", "--config", config)
    # A run may end while its spool still holds something; that is the next one's.
    for _ in range(SPOOL_RUNS):
        if not check_balanced(last)["total"]["spooled"]:
            break
        last = tapeline.call("run", "--json", "--duration", "2s", "--config", config)
    exchange.close()
    sent = exchange.sent()
    assert "recovering what session 1 had taken" in ended.stderr
    assert check_balanced(last)["total"]["spooled"] == 0, last
    assert "cut off at byte" in ended.stderr
    check(tapeline, sent)
    kept = {row["venue_id"] for row in tapeline.records()}
    whole = [event for event in sent if event["fault"] is None and event["text"] in survived]
    assert len(whole) > 500
    assert [event for event in whole if str(event["id"]) not in kept] == []


def texts(segment: Path) -> set[str]:
    """Give the messages that a segment holds, as far as it is whole."""
    found = read_segment(segment)
    assert isinstance(found, tuple)
    entries = [item for item in found[1] if isinstance(item, Entry)]
    return {payload.decode(errors="replace") for entry in entries for payload in entry.payloads}


def cut_tail(segment: Path, random: Random) -> None:
    """Cut a segment inside an entry of its last part."""
    size = segment.stat().st_size
    while True:
        content = segment.read_bytes()
        os.truncate(segment, random.randrange(max(1, size - LAST_PART_BYTES), size))
        found = examine(segment)
        if isinstance(found, Segment) and found.torn is not None:
            return
        segment.write_bytes(content)


def tear_spool(data_dir: Path, random: Random) -> None:
    """Leave half a file behind as one that was being written, and cut the newest that was written."""
    newest = sorted(data_dir.glob("spool/**/*.arrow"))[-1]
    content = newest.read_bytes()
    newest.with_name(f"{int(newest.stem) + 1:020d}.tmp").write_bytes(content[: len(content) // 2])
    os.truncate(newest, random.randrange(len(content)))

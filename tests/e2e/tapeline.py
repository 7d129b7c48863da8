"""Tapeline as its users have it: commands in processes of their own, a data directory, what they print."""

import csv
import fcntl
import http.client
import io
import json
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tests.support.processes import TIMEOUT_SECONDS, Ended, Program, eventually, is_running, wait_for_end

PROJECT = Path(__file__).parents[2]
PROGRAM = (sys.executable, PROJECT / "supervisor.py")
PLACES = ("stored", "rejected", "duplicate", "shed", "dead_letter", "spooled", "in_flight")
SOURCES = ("received", "recovered", "carried_in")
FRAME_PLACES = ("decoded", "control", "ignored", "shed_frames", "in_flight_frames")

Row = dict[str, str]
Origin = tuple[int, str, int, int]


class Tapeline:
    """Commands that share a data directory, and an end to all of them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self._stack = stack

    @property
    def settings(self) -> list[str]:
        """The options that keep a command off what belongs to others."""
        light = ("monitor.port=0", "monitor.page=false")
        return ["--set", f"data_dir={self.data_dir}", *(word for value in light for word in ("--set", value))]

    def beside(self, name: str) -> "Tapeline":
        """Give another one, with a data directory of its own."""
        directory = self.directory / name
        directory.mkdir()
        return Tapeline(directory, self._stack)

    def start(self, *arguments: str | Path, bare: bool = False) -> Program:
        """Start a command; with `bare` it gets only these arguments."""
        words = [*PROGRAM, *arguments, *([] if bare else self.settings)]
        return self._stack.enter_context(Program(words, cwd=self.directory))

    def call(self, *arguments: str | Path, bare: bool = False, timeout: float | None = None) -> Ended:
        """Run a command to its end; it may fail, but must say so in words."""
        return self.ended(self.start(*arguments, bare=bare), timeout)

    def ended(self, program: Program, timeout: float | None = None) -> Ended:
        """Wait for a command's end."""
        ended = program.wait(timeout)
        assert "Traceback" not in ended.stderr + ended.stdout, ended
        return ended

    def query(self, table: str, *arguments: str) -> list[Row]:
        """Give the rows of a table as csv has them."""
        ended = self.call("query", table, "--format", "csv", *arguments)
        assert ended.status == 0, ended
        return rows_of(ended.stdout)

    def config(self, text: str) -> Path:
        """Write a configuration file."""
        path = self.directory / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def status(self, program: Program) -> dict[str, Any]:
        """Ask a running pipeline for its status, without a process in between."""
        port = int(program.wait_for_line("status on 127.0.0.1, port ").rsplit(" ", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        with closing(connection):
            connection.request("GET", "/status")
            answer = connection.getresponse()
            document: dict[str, Any] = json.loads(answer.read())
        return document if answer.status == 200 else {}

    def wait_for_count(self, program: Program, name: str, at_least: int = 1) -> None:
        """Wait until the ledger of a running pipeline has so many records in a place."""

        def reached() -> bool:
            total = (self.status(program).get("ledger") or {}).get("total", {})
            return int(total.get(name, 0)) >= at_least

        eventually(reached)

    def records(self, *columns: str) -> list[Row]:
        """Give the rows of ticks and rejects together, these columns of them, ordered by origin."""
        rows = sorted([*self.query("ticks"), *self.query("rejects")], key=origin)
        return [{name: row[name] for name in columns} for row in rows] if columns else rows


def rows_of(text: str) -> list[Row]:
    """Read csv; every row has to have all columns."""
    rows = list(csv.DictReader(io.StringIO(text, newline=""), restkey="", restval=None, strict=True))
    assert all(None not in row.values() and "" not in row for row in rows)
    return rows


def origin(row: Row) -> Origin:
    """Give what names a row for ever."""
    return int(row["session"]), row["line"], int(row["frame"]), int(row["item"])


def check_ledger(ledger: dict[str, Any]) -> None:
    """Check the object that `--json` prints: its shape, and that everything adds up."""
    always = ["balanced", "total", "reasons", "frames", "feeds", "stores", "events"]
    assert list(ledger) in (always, [*always, "latency"])
    assert ledger["balanced"] is True
    assert tuple(ledger["frames"]) == ("frames", *FRAME_PLACES)
    _check_frames(ledger["frames"])
    _check_account(ledger["total"])
    for store in ledger["stores"].values():
        _check_account(store)
    for feed in ledger["feeds"].values():
        _check_account({name: n for name, n in feed.items() if name != "frames"})
        _check_frames(feed["frames"])
    assert ledger["total"] == next(iter(ledger["stores"].values()))
    assert ledger["total"] == _sum({**feed, "frames": 0} for feed in ledger["feeds"].values())
    assert all(isinstance(n, int) and n > 0 for n in ledger["reasons"].values())
    assert list(ledger["events"]) == ["gap", "reconnect", "stale_time", "warn"]


def check_end(ended: Ended) -> dict[str, Any]:
    """Check that a command ended well, with nothing in flight, and give its ledger."""
    assert ended.status == 0, ended
    ledger = ended.ledger
    check_ledger(ledger)
    assert ledger["total"]["in_flight"] == 0
    assert ledger["frames"]["in_flight_frames"] == 0
    return ledger


def check_nothing_left(tapeline: Tapeline, children: Iterable[Any]) -> None:
    """Check that no child is left behind and that nobody holds the data directory."""
    wait_for_end([child for child in children if is_running(child)])
    lock = tapeline.data_dir / "lock"
    if lock.exists():
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _check_account(account: dict[str, int]) -> None:
    assert tuple(account) == (*SOURCES, *PLACES)
    assert sum(account[name] for name in SOURCES) == sum(account[name] for name in PLACES)


def _check_frames(frames: dict[str, int]) -> None:
    assert frames["frames"] == sum(frames[name] for name in FRAME_PLACES)


def _sum(accounts: Iterable[dict[str, int]]) -> dict[str, int]:
    total = dict.fromkeys((*SOURCES, *PLACES), 0)
    for account in accounts:
        for name in total:
            total[name] += account[name]
    return total

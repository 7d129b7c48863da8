"""Runs that are killed: nothing that was taken is lost, and nothing is doubled."""

import json
import signal
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.e2e.lasting_exchange import Exchange
from tests.e2e.tapeline import Tapeline
from tests.support.processes import eventually

KILLS = 4
SEED = 20


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_loses_and_doubles_nothing(
    tapeline: Tapeline, exchange: Exchange
) -> None:
    """`kill -9` at random instants; the last run recovers, and ends in order."""
    random = Random(SEED)
    config = tapeline.config(
        f'[[feeds]]\nname = "demo"\nvenue = "demo"\nurl = "ws://127.0.0.1:{exchange.port}"\n'
        'symbols = ["A", "B"]\n[[stores]]\nbatch_rows = 500\nflush_ms = 200\n'
    )
    for _ in range(KILLS):
        program = tapeline.start("run", "--json", "--config", config)
        program.wait_for_line("every actor has started")
        enough = exchange.told_bytes() + random.randrange(20_000, 1_000_000)
        eventually(partial(exchange.has_told, enough))
        program.send(signal.SIGKILL)
        program.wait()
    ended = tapeline.call("run", "--json", "--duration", "2s", "--config", config)
    exchange.close()
    sent = exchange.sent()
    assert ended.status == 0, ended
    ledger = json.loads(ended.stdout.splitlines()[-1])
    assert ledger["balanced"]
    assert ledger["total"]["recovered"] > 0
    check(tapeline, sent)


def check(tapeline: Tapeline, sent: list[dict[str, Any]]) -> None:
    """Every tick that was sent is stored, refused, or in a gap that is told; no origin stands twice."""
    rows = [*tapeline.query("ticks"), *tapeline.query("rejects")]
    origins = [(row["session"], row["line"], row["frame"], row["item"]) for row in rows]
    assert len(origins) == len(set(origins)), "an origin stands twice"
    kept = {row["venue_id"] for row in rows if row["venue_id"]}
    missing = [event for event in sent if str(event["id"]) not in kept and event["seq"] is not None]
    gaps: dict[str, list[tuple[int, int]]] = {}
    for row in tapeline.query("gaps"):
        if row["cause"] == "sequence":
            gaps.setdefault(row["symbol"], []).append((int(row["first_missing"]), int(row["last_missing"])))
    untold = [
        event
        for event in missing
        if not any(first <= event["seq"] <= last for first, last in gaps.get(event["symbol"], []))
    ]
    # What was on its way when the last run ended is behind every number that was taken.
    taken = [event for event in sent if str(event["id"]) in kept and event["seq"] is not None]
    ends = {symbol: max(event["seq"] for event in taken if event["symbol"] == symbol) for symbol in "AB"}
    assert [event for event in untold if event["seq"] <= ends[event["symbol"]]] == []


@pytest.mark.slow
def test_a_clean_restart_starts_warm(tapeline: Tapeline, exchange: Exchange) -> None:
    """No symbol waits for its z-score again."""
    config = tapeline.config(
        f'[[feeds]]\nname = "demo"\nvenue = "demo"\nurl = "ws://127.0.0.1:{exchange.port}"\n'
        'symbols = ["A", "B"]\n'
    )
    for _ in range(2):
        ended = tapeline.call("run", "--json", "--duration", "2s", "--config", config)
        assert ended.status == 0, ended
    rows = [row for row in tapeline.query("ticks") if row["session"] == "2" and row["kind"] == "trade"]
    first = min(rows, key=lambda row: int(row["frame"]))
    assert first["z"], "the first trade of the second run is judged"
    assert first["vwap"]


def test_the_journal_is_listed_verified_and_exported(tapeline: Tapeline) -> None:
    """An export replays to the same ticks."""
    ended = tapeline.call("run", "--json", "--duration", "3s")
    assert ended.status == 0, ended
    listed = tapeline.call("journal", "list")
    assert "session 1: " in listed.stdout
    assert "clean: demo/0/A" in listed.stdout
    verified = tapeline.call("journal", "verify")
    assert verified.status == 0
    assert verified.stdout.strip().endswith(": whole")
    capture = tapeline.directory / "all.jsonl.gz"
    assert tapeline.call("journal", "export", capture).status == 0
    other = tapeline.beside("other")
    assert other.call("replay", capture, "--json").status == 0
    names = ("symbol", "kind", "ts_event_ns", "ts_recv_ns", "price", "bid", "ask", "venue_id", "z", "frame")
    assert [[row[name] for name in names] for row in tapeline.query("ticks")] == [
        [row[name] for name in names] for row in other.query("ticks")
    ]

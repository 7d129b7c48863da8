"""Runs that are asked to suffer: whatever befalls them, the tables are what the frames say, each row once."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lasting_exchange import Exchange
from tests.e2e.tapeline import Row, Tapeline, check_end, origin
from tests.support.processes import Ended

KINDS = ("crash", "drop", "garble", "hang", "stall")
ONE_OF_EACH = (
    "crash=detector:A@1s,garble=line@1500ms,hang=detector:B@2s,drop=line@3s,stall=store:lake@4500ms+2s,"
    "crash=writer:lake@5s,hang=connection@6s,garble=line@8s,crash=normalizer@8500ms"
)
OWN = ("session", "line", "frame")
"""What names a row, and is another in a replay."""


def configure(tapeline: Tapeline, exchange: Exchange) -> Path:
    """Write the configuration of a feed that loses nothing, with deadlines that are soon over."""
    return tapeline.config(
        f'[[feeds]]\nname = "demo"\nvenue = "demo"\nurl = "ws://127.0.0.1:{exchange.port}"\n'
        'symbols = ["A", "B"]\noverload = "block"\n'
        "[supervision]\nhandler_seconds = 1\nwriter_seconds = 2\nmax_restarts = 10000\ndrain_seconds = 60\n"
        "[breaker]\nfailure_threshold = 2\ncooldown_seconds = 1\n"
        '[[stores]]\nname = "lake"\nbatch_rows = 500\nflush_ms = 200\n'
    )


def suffer(tapeline: Tapeline, exchange: Exchange, chaos: str, seconds: int) -> Counter[str]:
    """Run with faults, check everything, and give how many faults of a kind there were."""
    config = configure(tapeline, exchange)
    ended = tapeline.call(
        "run",
        "--json",
        "--duration",
        f"{seconds}s",
        "--config",
        config,
        "--chaos",
        chaos,
        timeout=seconds + 90,
    )
    ledger = check_end(ended)
    assert ledger["total"]["dead_letter"] == ledger["total"]["shed"] == 0, ledger
    if ledger["total"]["spooled"]:
        # The store did not answer at the end; the next run brings it what waits.
        check_end(tapeline.call("run", "--json", "--duration", "1s", "--config", config))
    exchange.close()
    suffered = injected(ended)
    rows = tapeline.records()
    assert len({origin(row) for row in rows}) == len(rows) > 0
    check_replay(tapeline, rows)
    check_truth(tapeline, exchange, suffered["garble"])
    return suffered


def injected(ended: Ended) -> Counter[str]:
    """Give how many faults of a kind the log tells of, which has to agree with itself."""
    told = Counter(re.findall(r"tapeline\.chaos: \d+\.\d{3} s: (\w+) of \S+$", ended.stderr, re.MULTILINE))
    (summary,) = re.findall(r"tapeline\.chaos: injected: (.*) \(seed \d+\)$", ended.stderr, re.MULTILINE)
    assert summary == ", ".join(f"{kind} {n}" for kind, n in sorted(told.items()))
    return told


def check_replay(tapeline: Tapeline, rows: list[Row]) -> None:
    """Check that the tables are what an undisturbed pipeline makes of the same frames."""
    other = tapeline.beside("replayed")
    assert tapeline.call("journal", "export", capture(tapeline)).status == 0
    check_end(other.call("replay", capture(tapeline), "--json"))
    again = other.records()
    assert len(again) == len(rows)
    for row, replayed in zip(rows, again, strict=True):
        assert without_origin(row) == without_origin(replayed), (row, replayed)


def without_origin(row: Row) -> Row:
    """Give a row without what another run calls it."""
    return {name: value for name, value in row.items() if name not in OWN}


def check_truth(tapeline: Tapeline, exchange: Exchange, garbled: int) -> None:
    """Check that every frame is, to the letter, one that the exchange sent, but for the rubbish."""
    with gzip.open(capture(tapeline), "rt", encoding="utf-8") as lines:
        frames = [json.loads(line)["data"] for line in lines]
    truth = {json.loads(line)["text"] for line in exchange.truth.read_text().splitlines()}
    foreign = [text for text in frames if text not in truth]
    rubbish = [text for text in foreign if not is_control(text)]
    # A line that is down takes none.
    assert 0 < len(rubbish) <= garbled
    assert len(foreign) < len(frames) / 10


def is_control(text: str) -> bool:
    """Tell whether a frame is what the exchange says beside the ticks."""
    try:
        message: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") in ("subscribed", "heartbeat")


def capture(tapeline: Tapeline) -> Path:
    """Where the journal is exported to."""
    return tapeline.directory / "all.jsonl.gz"


@pytest.mark.slow
def test_a_run_that_suffers_every_fault_has_every_tick(tapeline: Tapeline, exchange: Exchange) -> None:
    suffered = suffer(tapeline, exchange, ONE_OF_EACH, 11)
    assert suffered == Counter(part.partition("=")[0] for part in ONE_OF_EACH.split(","))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [7])
def test_a_run_that_suffers_for_minutes_has_every_tick(
    seed: int, tapeline: Tapeline, exchange: Exchange
) -> None:
    """Random faults all the time, of every kind, to everybody."""
    suffered = suffer(tapeline, exchange, f"{ONE_OF_EACH},rate=0.5/s,seed={seed}", 120)
    assert suffered.keys() == set(KINDS)
    assert suffered.total() > 40


@pytest.mark.parametrize(
    ("chaos", "words"),
    [
        ("crsh=detector@5s", '--chaos: "crsh" is no fault; did you mean "crash"?'),
        ("rate=lots", '--chaos: rate="lots" must be a number of faults a second'),
        ("crash=detector:BTC-UDS@5s", '--chaos: "crash=detector:BTC-UDS@5s": there is no detector "BTC-UDS"'),
    ],
)
@pytest.mark.slow
def test_faults_that_cannot_be_are_refused_in_one_line(tapeline: Tapeline, chaos: str, words: str) -> None:
    ended = tapeline.call("run", "--chaos", chaos)
    assert ended.status == 2
    (line,) = ended.errors
    assert words in line
    assert "every actor has started" not in ended.stderr

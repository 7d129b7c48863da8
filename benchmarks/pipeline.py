"""Drives the real thing: `supervisor.py run --json` in a process of its own, watched until all is stored."""

import contextlib
import http.client
import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import instruments
from benchmarks.processes import ROOT, TIMEOUT_SECONDS, Load, cpu_seconds, peak_mb
from tests.support.processes import Program

POLL_SECONDS: Final = 0.1
STALL_SECONDS: Final = 60.0
_KEPT: Final = ("stored", "rejected")
_LOST: Final = ("duplicate", "shed", "dead_letter", "spooled")


@dataclass(frozen=True)
class Setup:
    """What of the configuration a benchmark chooses; everything else is as it comes, and so all on."""

    store: Mapping[str, Any] = field(default_factory=lambda: {"kind": "lake"})
    symbols: int = 5
    connections: int = 1
    detectors: str | int = "per-symbol"
    more: str = ""
    """Further tables, as TOML."""

    def text(self, url: str, data_dir: Path) -> str:
        """Give the configuration."""
        store = "\n".join(f"{name} = {json.dumps(value)}" for name, value in self.store.items())
        return f"""
data_dir = {json.dumps(str(data_dir))}
[[feeds]]
venue = "binance"
url = {json.dumps(url)}
symbols = {json.dumps(instruments.symbols(self.symbols))}
channels = ["trades"]
connections = {self.connections}
overload = "block"
[actors]
detectors = {json.dumps(self.detectors)}
[[stores]]
{store}
[monitor]
page = false
port = 0
{self.more}
"""


@dataclass
class Outcome:
    """What a run came to."""

    seconds: float
    """From the first byte sent until the last row was stored."""
    cpu_seconds: float
    """Of all threads, once it had started."""
    peak_mb: float
    faults: list[str]
    """Why the run does not count; empty where it does."""
    ledger: dict[str, Any]
    """As `run --json` prints it."""
    sent: dict[str, Any]
    first_stored_seconds: float
    """From the program's start to the first commit of rows, else to the first cut that showed some."""
    ended_by: str
    """How the end was found: `commit` (the time of the last commit) or `cuts` (exact to some 0.1 s)."""


@dataclass
class Cut:
    """A ledger of the running pipeline, and when it was seen first."""

    seen_ns: int
    total: dict[str, int]

    @property
    def kept(self) -> int:
        """Records that are stored or rejected."""
        return sum(self.total[name] for name in _KEPT)


def run(load: Load, setup: Setup, frames: int, directory: Path, rate: float = 0.0) -> Outcome:
    """Run the pipeline on a load, in an empty directory, until it has stored everything; then end it."""
    frames -= frames % setup.symbols  # so that each connection's share is a whole number
    config = directory / "config.toml"
    config.write_text(setup.text(load.url(frames, rate), directory / "data"))
    words: list[str | Path] = [sys.executable, ROOT / "supervisor.py", "run", "--json", "--config", config]
    started, started_epoch = time.monotonic_ns(), time.time_ns()
    with Program(words, cwd=directory, timeout=TIMEOUT_SECONDS) as program:
        port = int(program.wait_for_line("status on 127.0.0.1, port ").rsplit(" ", 1)[1])
        used = cpu_seconds(program.pid)
        cuts = _watch(program, port, frames)
        used, peak = cpu_seconds(program.pid) - used, peak_mb(program.pid)
        program.send(signal.SIGINT)
        ended = program.wait()
    sent = load.sent(setup.connections)
    ledger = ended.ledger
    if commits := _commits(directory / "data" / "lake"):
        first, seconds = commits[0] - started_epoch, (commits[-1] - sent["began_epoch_ns"]) / 1e9
    else:
        first = next((cut.seen_ns for cut in cuts if cut.kept), time.monotonic_ns()) - started
        seconds = extrapolated_seconds(cuts, frames, sent["began_ns"])
    wrong = faults(ledger, frames, ended.status)
    return Outcome(seconds, used, peak, wrong, ledger, sent, first / 1e9, "commit" if commits else "cuts")


def faults(ledger: dict[str, Any], frames: int, status: int) -> list[str]:
    """Say why a run does not count."""
    total = ledger["total"]
    found = [f"{name} {total[name]:,}" for name in _LOST if total[name]]
    kept = sum(total[name] for name in _KEPT)
    if kept != frames:
        found.append(f"stored and rejected {kept:,} of {frames:,} sent")
    if not ledger["balanced"] or status:
        found.append(f"exit status {status}, balanced {ledger['balanced']}")
    return found


def _watch(program: Program, port: int, frames: int) -> list[Cut]:
    """Look at the ledger until all is stored, or nothing has come about for a while."""
    cuts: list[Cut] = []
    changed = time.monotonic()
    while program.running and time.monotonic() - changed < STALL_SECONDS:
        asked = time.monotonic()
        total = _total(port)
        if total and (not cuts or cuts[-1].total != total):
            cuts.append(Cut(time.monotonic_ns(), total))
            changed = time.monotonic()
            if cuts[-1].kept + sum(total[name] for name in _LOST) >= frames:
                break
        # With thousands of actors an answer takes a while to make, which is not to be what is measured.
        time.sleep(max(POLL_SECONDS, 20 * (time.monotonic() - asked)))
    return cuts


def _total(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STALL_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/status")
        document = json.loads(connection.getresponse().read())
        total: dict[str, int] = (document.get("ledger") or {}).get("total", {})
        return total
    return {}


def _commits(lake: Path) -> list[int]:
    """Give when a lake's commits were made that added records, in epoch ns; none where there is no lake."""
    logs = [*lake.glob("ticks/_delta_log/*.json"), *lake.glob("rejects/_delta_log/*.json")]
    return sorted(log.stat().st_mtime_ns for log in logs if '"add"' in log.read_text())


def extrapolated_seconds(cuts: list[Cut], frames: int, began_ns: int) -> float:
    """Give the seconds until all was stored, by the pace between the cuts.

    Cuts are a second apart, so the last one is seen late; the pace before it says when the end was.
    """
    if not cuts:
        return float("nan")
    before = [Cut(began_ns, dict.fromkeys(_KEPT, 0)), *(cut for cut in cuts if 0 < cut.kept < frames)]
    # What is between the beginning and the first cut tells of the start, too: taken only if there is no more.
    first, last = before[1 if len(before) > 2 else 0], before[-1]
    latest = (cuts[-1].seen_ns - began_ns) / 1e9
    if first is last:
        return latest
    pace = (last.kept - first.kept) / (last.seen_ns - first.seen_ns)
    return min(latest, (last.seen_ns + (frames - last.kept) / pace - began_ns) / 1e9)

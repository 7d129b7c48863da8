"""Three times of what the pipeline sustains: nothing grows, nothing is lost untold, and it recovers.

How much is sustained is measured first, on the machine and at the time of the test: under `block` the
exchange is held back to it. No assertion here is about absolute times; those are reported, as properties of
the tests and in the log (`pytest -o log_cli=true --log-cli-level=INFO`).
"""

import json
import logging
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from deltalake import DeltaTable

from actors.draining import WRITERS_GRACE_SECONDS
from messages.observation import Marker
from messages.signals import RecentTicks
from tests.e2e.feeds import feed
from tests.e2e.tapeline import Tapeline, check_end
from tests.support.flood import Flood, Phase, Sent
from tests.support.processes import Program, eventually
from tests.support.threaded import Threaded, threaded

SYMBOLS = 4
FACTOR = 3
QUIET_SHARE = 0.1
"""Of the sustained rate: what the market sends before and after the load."""
SAMPLE_SECONDS = 0.05
MODEST = 1.3
MB = 2**20
MANY = 1_000
ENDLESS_SECONDS = 600.0
"""Longer than any run: it ends with its client."""
END_SECONDS = 10.0 + WRITERS_GRACE_SECONDS + 20.0
"""The deadline of a drain, what writers get beyond it, and twice as much for a machine that is busy."""
NEXT = 10
"""So many lags tell whether it is normal again."""
AGE_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
LARGER = ("actors.mailbox_ticks=20000", "actors.frames_mb=8")
Record = Callable[[str, object], None]

log = logging.getLogger("measured")


def configured(tapeline: Tapeline, flood: Flood, overload: str) -> Path:
    """Write a configuration with small mailboxes; files stay as they were committed, with their times."""
    return tapeline.config(
        feed(flood.url, *flood.symbols, more=f'overload = "{overload}"')
        + "[actors]\nmailbox_ticks = 2000\nframes_mb = 1\nmailbox_total_mb = 16\nrecent_ticks = 1000\n"
        + '[[stores]]\nname = "lake"\nflush_ms = 100\n'
    )


def start(tapeline: Tapeline, flood: Flood, overload: str) -> Program:
    """Start a run, and give it once it has."""
    program = tapeline.start("run", "--json", "--config", configured(tapeline, flood, overload))
    program.wait_for_line("every actor has started")
    return program


def stop(tapeline: Tapeline, program: Program) -> tuple[dict[str, Any], float]:
    """Have a run drain, and give its ledger, and how long it took to end, in s."""
    began = time.monotonic()
    program.send(signal.SIGTERM)
    ended = tapeline.ended(program, END_SECONDS)
    return check_end(ended), time.monotonic() - began


def let_pass(seconds: float) -> None:
    """Let so much time pass: an instant is chosen, nothing is waited for."""
    over = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= over)


def sustained(tapeline: Tapeline, flood: Flood, seconds: float) -> tuple[Sent, float]:
    """Run under `block` for a while, as fast as it goes, and end it amid that; check that nothing was lost.

    Gives what was sent, and how long the end took.
    """
    place = tapeline.beside("block")
    with start(place, flood, "block") as program:
        flood.start(Phase(ENDLESS_SECONDS))
        place.wait_for_count(program, "stored")
        let_pass(seconds)
        ledger, end_seconds = stop(place, program)
        sent = flood.report()
    assert sent.gone
    total, frames = ledger["total"], ledger["frames"]
    assert total["shed"] == 0 == frames["shed_frames"]
    # What the sockets held at the end was not read any more.
    assert 0 < total["stored"] == total["received"] == frames["frames"] <= sent.frames
    assert sorted_frames(place).tolist() == list(range(total["stored"]))
    # Held back: the socket took nothing for most of the time.
    assert sent.blocked_seconds > seconds / 2, sent
    return sent, end_seconds


def sorted_frames(tapeline: Tapeline) -> npt.NDArray[np.int64]:
    """Give the numbers of the frames that are stored."""
    stored = DeltaTable(tapeline.data_dir / "lake" / "ticks").to_pyarrow_table(columns=["frame"])
    return np.sort(stored["frame"].to_numpy())


def check_told(
    tapeline: Tapeline, flood: Flood, ledger: dict[str, Any], *, amid_load: bool = False
) -> Counter[str]:
    """Check that each frame is stored or in one gap, and that ledger, gaps and alerts say the same.

    Gives how much was shed by symbol. The exchange's frames are of its symbols in turn, so that the frames
    between two numbers say how many ticks of a symbol they were. Amid a load a writer may hear of what was
    shed when the monitor has said its last words, so that alerts tell of less.
    """
    frames = ledger["frames"]["frames"]
    kept = sorted_frames(tapeline)
    assert len(kept) == ledger["total"]["stored"]
    gaps = tapeline.query("gaps")
    assert {gap["cause"] for gap in gaps} == {"shed"}
    # A gap of a symbol may reach over frames that were shed before anybody knew whose they were.
    undecoded = np.zeros(frames, np.int8)
    told = np.zeros(frames, np.int8)
    for gap in gaps:
        first, last = int(gap["first_missing"]), int(gap["last_missing"])
        if not gap["symbol"]:
            undecoded[first : last + 1] += 1
        else:
            assert flood.symbols[first % SYMBOLS] == flood.symbols[last % SYMBOLS] == gap["symbol"], gap
            told[first : last + 1 : SYMBOLS] += 1
    told[undecoded == 1] = 0
    stored = np.zeros(frames, np.int8)
    stored[kept] = 1
    assert (stored + undecoded + told == 1).all(), (
        "a frame is neither stored nor told to be missing, or is both"
    )
    assert undecoded.sum() == ledger["frames"]["shed_frames"]
    shed = Counter({symbol: int(told[number::SYMBOLS].sum()) for number, symbol in enumerate(flood.symbols)})
    assert shed.total() == ledger["total"]["shed"] == ledger["reasons"]["overload"]
    told_by_alerts, gone = alerted(tapeline), shed + Counter({"": ledger["frames"]["shed_frames"]})
    assert told_by_alerts <= gone if amid_load else told_by_alerts == gone
    assert told_by_alerts.keys() == gone.keys()
    return shed


def alerted(tapeline: Tapeline) -> Counter[str]:
    """Give how much the alerts say was shed, by symbol: what they tell, and what was kept back meanwhile."""
    told: Counter[str] = Counter()
    for alert in tapeline.query("alerts"):
        if alert["kind"] == "shed":
            told[alert["symbol"]] += int(alert["held_back"])
            if alert["actor"] != "monitor":
                number = re.match(r"\d+", alert["text"])
                assert number is not None, alert
                told[alert["symbol"]] += int(number[0])
    return +told


class Watch:
    """Samples of a process's memory, with the phase that they fell into."""

    def __init__(self, program: Program, flood: Flood) -> None:
        self._process = psutil.Process(program.pid)
        self._flood = flood
        self.mb: list[list[float]] = []

    def phase(self) -> Sent:
        """Sample until the phase is over."""
        self.mb.append([])
        while not self._flood.reported(SAMPLE_SECONDS):
            self.mb[-1].append(self._process.memory_info().rss / MB)
        return self._flood.report()


def check_flat(samples: list[float]) -> None:
    """Check that memory does not grow with what has come.

    The first quarter is left out: libraries and the allocator take what they need once work has begun. Then
    the last quarter's median may not lie above the most there was before by more than a modest margin. A
    median, since a single sample may meet the midst of a commit.
    """
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    assert median(after) < MODEST * max(before), (max(before), median(after))


def commit_lags(tapeline: Tapeline) -> list[tuple[int, float]]:
    """Give when each commit was made, in epoch ns, and how long before its oldest tick was due, in s."""
    lags = []
    for path in (tapeline.data_dir / "lake" / "ticks" / "_delta_log").glob("*.json"):
        for line in path.read_text().splitlines():
            added = json.loads(line).get("add")
            if added:
                made = path.stat().st_mtime_ns
                oldest = json.loads(added["stats"])["minValues"]["ts_event_ns"]
                lags.append((made, (made - oldest) / 1e9))
    return sorted(lags)


def recovery_seconds(lags: list[tuple[int, float]], began_ns: int, ended_ns: int) -> tuple[float, float]:
    """Give what is normal of lags before a load, and how long after it they were again, in s.

    Normal is what there was, and three times the usual: some ten commits say little of the next one. That a
    busy machine holds up one or the other later is no matter, as long as most are normal.
    """
    quiet = [lag for made, lag in lags if made < began_ns]
    normal = max(max(quiet), 3 * median(quiet))
    after = [(made, lag) for made, lag in lags if made > ended_ns]
    again = [
        made
        for place, (made, lag) in enumerate(after)
        if max(lag, median(lag for _, lag in after[place : place + NEXT])) <= normal
    ]
    assert again, (normal, after)
    return normal, (again[0] - ended_ns) / 1e9


def overload(tapeline: Tapeline, record: Record, measured_seconds: float, *phase_seconds: float) -> None:
    """See the module; `phase_seconds` are those before, of, and after the load."""
    with Flood(SYMBOLS) as flood:
        held, end_seconds = sustained(tapeline, flood, measured_seconds)
        rate = held.settled_rate
        shares = (QUIET_SHARE, FACTOR, QUIET_SHARE)
        phases = [Phase(seconds, share * rate) for seconds, share in zip(phase_seconds, shares, strict=True)]
        with start(tapeline, flood, "shed_oldest") as program:
            watch = Watch(program, flood)
            flood.start(*phases)
            sent = [watch.phase() for _ in phases]
            ledger, _ = stop(tapeline, program)
        shed = check_told(tapeline, flood, ledger)
    assert min(shed[symbol] for symbol in flood.symbols) > 0, shed
    check_flat(watch.mb[1])
    normal, seconds = recovery_seconds(commit_lags(tapeline), sent[0].ended_epoch_ns, sent[1].ended_epoch_ns)
    told = {
        "sustained_per_second": round(rate),
        "blocked_seconds": round(held.blocked_seconds, 2),
        "end_under_load_seconds": round(end_seconds, 3),
        "sent_per_second": round(sent[1].frames / (sent[1].ended_ns - sent[1].began_ns) * 1e9),
        "shed_ticks": ledger["total"]["shed"],
        "shed_frames": ledger["frames"]["shed_frames"],
        "stored": ledger["total"]["stored"],
        "rss_mb_before": round(max(watch.mb[0])),
        "rss_mb_by_quarter": [round(max(part)) for part in np.array_split(watch.mb[1], 4)],
        "normal_lag_to_commit_seconds": round(normal, 3),
        "recovery_seconds": round(seconds, 3),
        "signal_p99_us": ledger["latency"]["signal"]["p99_us"],
        "stored_p99_us": ledger["latency"]["stored"]["lake"]["p99_us"],
    }
    for name, value in told.items():
        record(name, str(value))
    log.info("overload: %s", json.dumps(told))


class Asker:
    """Asks actors while data waits for them.

    In front of each question, in the data lane, goes a marker of a cut that is long over. If the answer comes
    while the marker still waits, the question has overtaken all data that waited.
    """

    def __init__(self, system: Threaded) -> None:
        self._system = system
        self.seconds: dict[str, list[float]] = {name: [] for name in system.slots}
        self.overtook: Counter[str] = Counter()
        """By actor, how many questions overtook at least MANY records."""

    def ask(self, name: str) -> None:
        """Ask an actor something that costs it nothing."""
        mailbox = self._system.slots[name].mailbox
        marker = Marker("nobody", 0)
        mailbox.put_data(marker)
        waiting = sum(n for (_, what), n in mailbox.in_flight().items() if what == "in_flight")
        began = time.monotonic()
        self._system.slots[name].address.ask(Marker("nobody", 0), PATIENCE_SECONDS)
        self.seconds[name].append(time.monotonic() - began)
        with mailbox._condition:
            overtaken = any(entry.message is marker for entry in mailbox._data)
        self.overtook[name] += overtaken and waiting >= MANY

    def told(self) -> dict[str, dict[str, float]]:
        """Give percentiles by actor, in ms."""
        found = {}
        for name, seconds in self.seconds.items():
            p50, p99, most = np.percentile(seconds, (50, 99, 100)) * 1e3
            found[name] = {
                "asked": len(seconds),
                "p50_ms": p50.round(2),
                "p99_ms": p99.round(2),
                "max_ms": most.round(2),
            }
        return found


def age_seconds(system: Threaded, symbol: str) -> float:
    """Give how long ago the newest judged tick of a symbol was due."""
    (block,) = system.slots[f"detector/f/{symbol}"].address.ask(RecentTicks(symbol, 1), PATIENCE_SECONDS)
    return (time.time_ns() - int(block.ticks.ts_event_ns[-1])) / 1e9


def ages_until(flood: Flood, system: Threaded) -> tuple[Sent, list[tuple[int, float]]]:
    """Watch the age of what is newest until a phase is over; each with the time, in epoch ns."""
    ages = []
    while not flood.reported(AGE_SECONDS):
        ages.append((time.time_ns(), max(age_seconds(system, symbol) for symbol in flood.symbols)))
    return flood.report(), ages


def questions(directory: Path, record: Record, measured_seconds: float, *phase_seconds: float) -> None:
    """Ask every actor again and again under load, and watch how soon what is newest is new again."""
    with Flood(SYMBOLS) as flood:
        place = directory / "block"
        place.mkdir()
        with threaded(place, flood.url, flood.symbols, 'feeds.0.overload="block"', *LARGER) as system:
            (held,) = flood.send(Phase(measured_seconds))
            system.drain()
        shares = (QUIET_SHARE, FACTOR, QUIET_SHARE)
        with threaded(directory, flood.url, flood.symbols, *LARGER) as system:
            flood.start(*map(Phase, phase_seconds, (share * held.settled_rate for share in shares)))
            eventually(
                lambda: all(system.slots[f"detector/f/{symbol}"].state.symbols for symbol in flood.symbols)
            )
            before, quiet = ages_until(flood, system)
            asker = Asker(system)
            while not flood.reported():
                for name in system.slots:
                    asker.ask(name)
            load = flood.report()
            _, later = ages_until(flood, system)
            ledger = system.drain()
    assert ledger.balanced
    account = ledger.as_json()
    assert account["total"]["shed"] > 0
    _, seconds = recovery_seconds(quiet + later, before.ended_epoch_ns, load.ended_epoch_ns)
    told = {"control": asker.told(), "overtook": dict(+asker.overtook), "recovery_seconds": round(seconds, 3)}
    record("questions", str(told))
    log.info("questions: %s", json.dumps(told))
    assert asker.overtook.total() > 0


@pytest.mark.slow
def test_every_actor_answers_while_data_waits(tmp_path: Path, record_property: Record) -> None:
    questions(tmp_path, record_property, 0.6, 0.5, 1.5, 0.7)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_every_actor_answers_for_a_minute_while_data_waits(tmp_path: Path, record_property: Record) -> None:
    questions(tmp_path, record_property, 5.0, 5.0, 60.0, 10.0)


@pytest.mark.slow
def test_three_times_what_is_sustained_is_shed_and_told_and_passes(
    tapeline: Tapeline, record_property: Record
) -> None:
    overload(tapeline, record_property, 0.8, 0.7, 2.0, 1.2)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_minute_at_three_times_what_is_sustained(tapeline: Tapeline, record_property: Record) -> None:
    overload(tapeline, record_property, 10.0, 5.0, 60.0, 10.0)


@pytest.mark.soak
def test_a_signal_amid_the_load_ends_it_and_all_that_came_is_accounted_for(
    tapeline: Tapeline, record_property: Record
) -> None:
    """More than can be read is sent, to the end; `block` is ended amid its load above."""
    with Flood(SYMBOLS) as flood, start(tapeline, flood, "shed_oldest") as program:
        flood.start(Phase(ENDLESS_SECONDS))
        tapeline.wait_for_count(program, "shed")
        let_pass(5.0)
        ledger, seconds = stop(tapeline, program)
        assert flood.report().gone
        check_told(tapeline, flood, ledger, amid_load=True)
    record_property("end_under_load_seconds", seconds)
    log.info("end under load: %.3f s", seconds)

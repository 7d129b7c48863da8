"""SIGTERM at instants all over a start, a recovery included: an end in order, nothing left, nothing lost.

Until there is anything to drain SIGTERM ends a run at once; from then on it drains, with status 0. Instants
are shares of what a start took on this machine just before, so that they cover all of it wherever it is run.
"""

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from uuid import uuid4

import numpy as np
import psutil
import pytest
from deltalake import DeltaTable

from stores.journal import Journal
from tests.e2e.feeds import feed
from tests.e2e.tapeline import PROGRAM, Tapeline, check_end, check_nothing_left
from tests.support.flood import Flood, Phase
from tests.support.processes import Ended, Program, eventually, wait_for_end

SEED = 29
BEYOND = 1.3
"""The last instants lie behind the start, as long as it took before."""
SYMBOLS = 4
TAKEN = Phase(0.5, 100_000)
MOST_RUNS = 5
ANY_SESSION = 1_000_000
EARLY = (-signal.SIGTERM, 128 + signal.SIGTERM)
"""Before the program has taken the signal over, and between that and the first actor."""
MARK = "TAPELINE_TEST"
RECOVERS = "recovering what session"
LISTENS = "status on 127.0.0.1, port "
STARTED = "every actor has started"
Record = Callable[[str, object], None]

log = logging.getLogger("measured")


class Marked:
    """A run whose processes can be found, whoever their parent is by then."""

    def __init__(self, tapeline: Tapeline, *arguments: str | Path) -> None:
        self._tapeline = tapeline
        self._mark = uuid4().hex
        words = [*PROGRAM, "run", "--json", *arguments, *tapeline.settings]
        self.began = time.monotonic()
        self.program = Program(words, cwd=tapeline.directory, env={MARK: self._mark})

    def end(self) -> Ended:
        """Send SIGTERM, and give an end as it has to be; nothing is left of it."""
        with self.program as program:
            program.send(signal.SIGTERM)
            ended = program.wait()
            assert "Traceback" not in ended.stderr + ended.stdout, ended
            assert ended.status in (0, *EARLY), ended
            if ended.status == 0:
                check_end(ended)
            else:
                assert STARTED not in ended.stderr, ended
                assert not ended.stdout, ended
            wait_for_end(list(self._left()))
        check_nothing_left(self._tapeline, [])
        return ended

    def _left(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark:
                    yield process


def let_pass(seconds: float) -> None:
    """Let so much time pass: an instant is chosen, nothing is waited for."""
    over = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= over)


def instants(count: int, seconds: float) -> Iterator[float]:
    """Give so many instants, one anywhere in each of as many equal parts of the time."""
    random = Random(SEED)
    order = list(range(count))
    random.shuffle(order)
    return ((part + random.random()) / count * seconds for part in order)


def checked(
    count: int, seconds: float, start: Callable[[], Marked], record: Record, what: str, line: str = ""
) -> None:
    """Start as often, and end each at another instant of so much time, from its beginning or a line on."""
    ends: list[Ended] = []
    longest = 0.0
    for instant in instants(count, seconds):
        run = start()
        begun = run.began
        if line:
            run.program.wait_for_line(line)
            begun = time.monotonic()
        let_pass(max(0.0, begun + instant - time.monotonic()))
        told = time.monotonic()
        ends.append(run.end())
        longest = max(longest, time.monotonic() - told)
    recovered = [ended.ledger["total"]["recovered"] for ended in ends if ended.status == 0]
    found = {
        "recovered": recovered,
        "instants": count,
        "within_seconds": round(seconds, 3),
        "statuses": dict(Counter(ended.status for ended in ends)),
        "longest_end_seconds": round(longest, 3),
    }
    record(what, str(found))
    log.info("%s: %s", what, found)


def times(few: int, many: int) -> pytest.MarkDecorator:
    """Try few instants, and many in the long form."""
    long = pytest.param(many, marks=[pytest.mark.soak, pytest.mark.timeout(600)])
    return pytest.mark.parametrize("count", [few, long])


@pytest.mark.slow
@times(2, 40)
def test_a_start_ends_in_order_at_any_instant_and_the_next_one_goes_on(
    count: int, tapeline: Tapeline, record_property: Record
) -> None:
    """On the demo exchange, which is a child of the run."""

    def start() -> Marked:
        return Marked(tapeline)

    run = start()
    run.program.wait_for_line(LISTENS)
    listens = time.monotonic()
    run.program.wait_for_line(STARTED)
    started = time.monotonic()
    assert run.end().status == 0
    checked(count, BEYOND * (started - run.began), start, record_property, "starts")
    # From here on it handles signals, and a part of its actors runs.
    checked((count + 1) // 2, BEYOND * (started - listens), start, record_property, "actors' starts", LISTENS)
    check_end(tapeline.call("run", "--json", "--duration", "300ms"))


@pytest.mark.slow
@times(2, 20)
def test_a_recovery_ends_in_order_at_any_instant_and_the_next_one_goes_on(
    count: int, tapeline: Tapeline, record_property: Record
) -> None:
    """A killed run has left frames; in the end each of them is stored, and once."""
    with Flood(SYMBOLS) as flood:
        config = tapeline.config(
            feed(flood.url, *flood.symbols, more='overload = "block"')
            + '[[stores]]\nname = "lake"\nbatch_rows = 100000\nflush_ms = 5000\n'
        )
        kill(flood, tapeline, config)
        killed = tapeline.directory / "killed"
        copytree(tapeline.data_dir, killed)

        def start() -> Marked:
            """Recover what is left to be; once nothing is, all of it again."""
            if not Journal(tapeline.data_dir).unclean(ANY_SESSION):
                rmtree(tapeline.data_dir)
                copytree(killed, tapeline.data_dir)
            return Marked(tapeline, "--config", config)

        run = start()
        run.program.wait_for_line(RECOVERS)
        recovers = time.monotonic()
        run.program.wait_for_line(STARTED)
        seconds = time.monotonic() - recovers
        assert run.end().status == 0
        whole = stored_frames(tapeline)
        checked(count, BEYOND * seconds, start, record_property, "recoveries", RECOVERS)
        for _ in range(MOST_RUNS):
            # On a busy machine a drain may come to its deadline, which leaves the rest to the next run.
            last = Marked(tapeline, "--config", config)
            last.program.wait_for_line(STARTED)
            assert last.end().status == 0
            if not Journal(tapeline.data_dir).unclean(ANY_SESSION):
                break
    assert stored_frames(tapeline) == whole > 0


def kill(flood: Flood, tapeline: Tapeline, config: Path) -> None:
    """Have a run take what it can, and kill it amid that."""
    with tapeline.start("run", "--json", "--config", config) as program:
        program.wait_for_line(STARTED)
        flood.send(TAKEN)
        program.send(signal.SIGKILL)
        program.wait()


def stored_frames(tapeline: Tapeline) -> int:
    """Give how many frames of the first session are stored: all from the first on, each once."""
    stored = DeltaTable(tapeline.data_dir / "lake" / "ticks").to_pyarrow_table(columns=["session", "frame"])
    frames = stored["frame"].to_numpy()[stored["session"].to_numpy() == 1]
    assert (np.sort(frames) == np.arange(len(frames))).all(), "a frame is missing, or there twice"
    return len(frames)

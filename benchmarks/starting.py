"""How long commands take to start: `check` beside an empty Python, and `run` to the first stored tick."""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import pipeline, processes
from benchmarks.measuring import Result, Row, Table, spread
from benchmarks.processes import ROOT

SYMBOLS = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--frames", type=int, default=3_000, help="of the run")


def measure(options: argparse.Namespace) -> Result:
    """Start each in turn."""
    result = Result("start", {"runs": options.runs})
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "supervisor.py check": [sys.executable, "supervisor.py", "check"],
        "supervisor.py status --help": [sys.executable, "supervisor.py", "status", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*commands, "run to the first row in the lake")}
    with processes.load(SYMBOLS) as load:
        for _ in range(options.runs):
            for name, words in commands.items():
                seconds[name].append(_timed(words))
            with tempfile.TemporaryDirectory() as directory:
                outcome = pipeline.run(load, pipeline.Setup(), options.frames, Path(directory))
            if outcome.faults:
                result.note(f"a run does not count: {'; '.join(outcome.faults)}")
            else:
                seconds["run to the first row in the lake"].append(outcome.first_stored_seconds)
    rows: list[Row] = [{"command": name, "seconds": spread(found)} for name, found in seconds.items()]
    result.tables.append(Table("Start", rows))
    result.note("the run's first row includes the lake's flush interval of a second")
    return result


def _timed(words: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.monotonic() - began

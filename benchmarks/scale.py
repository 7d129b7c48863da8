"""Throughput by the number of symbols, with an actor each and with shards; the time to the first row."""

import argparse
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import pipeline, processes
from benchmarks.measuring import Result, Row, Table, spread
from benchmarks.throughput import simple
from venues.binance import Binance

COUNTS: Final = "1,5,10,100,1000,5000"
MOST_ACTORS: Final = 1_000
SHARDS: Final = 4


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--frames", type=int, default=500_000)
    parser.add_argument("--symbols", default=COUNTS, help="how many; separated by commas")
    parser.add_argument("--store", default="lake")
    parser.add_argument("--shards-only", action="store_true", help="no actors of one symbol each")


def measure(options: argparse.Namespace) -> Result:
    """Run each number of symbols, as often as asked for."""
    counts = [int(count) for count in options.symbols.split(",")]
    result = Result("scale", {"frames": options.frames, "runs": options.runs, "store": options.store})
    plans = [(count, how) for count in counts for how in _detectors(count, options)]
    found: dict[tuple[int, str | int], list[tuple[pipeline.Outcome, float]]] = {plan: [] for plan in plans}
    for count in counts:
        with processes.load(count) as load:
            for _ in range(options.runs):
                limit = simple("limit")(load, options.frames).rate
                for how in _detectors(count, options):
                    outcome = _run(load, how, options, result)
                    if outcome is not None:
                        found[count, how].append((outcome, limit))
    rows = [_row(count, how, found[count, how], options.frames) for count, how in plans]
    result.tables.append(Table("Scale", rows))
    return result


def _detectors(count: int, options: argparse.Namespace) -> tuple[str | int, ...]:
    return (SHARDS,) if options.shards_only or count > MOST_ACTORS else ("per-symbol", SHARDS)


def _run(
    load: processes.Load, how: str | int, options: argparse.Namespace, result: Result
) -> pipeline.Outcome | None:
    connections = -(-load.symbols // Binance.max_symbols_per_connection)
    setup = pipeline.Setup({"kind": options.store}, load.symbols, connections, how)
    with tempfile.TemporaryDirectory() as directory:
        outcome = pipeline.run(load, setup, options.frames, Path(directory))
    if outcome.faults:
        result.note(f"a run of {load.symbols} symbols ({how}) does not count: {'; '.join(outcome.faults)}")
        return None
    return outcome


def _row(count: int, how: str | int, found: list[tuple[pipeline.Outcome, float]], frames: int) -> Row:
    frames -= frames % count
    return {
        "symbols": count,
        "detectors": how if isinstance(how, str) else f"{how} shards",
        "ticks/s": spread(frames / one.seconds for one, _ in found),
        "of the limit": spread(frames / one.seconds / limit for one, limit in found),
        "CPU, µs a tick": spread(one.cpu_seconds / frames * 1e6 for one, _ in found),
        "peak MB": spread(one.peak_mb for one, _ in found),
        "first row after, s": spread(one.first_stored_seconds for one, _ in found),
    }

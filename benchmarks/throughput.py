"""Messages a second from the socket: the limit, the naive baseline, and the pipeline into each store."""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import pipeline, processes, servers
from benchmarks.measuring import Result, Row, Table, spread
from benchmarks.processes import Load
from stores.registry import KINDS
from tests.support.postgres import Server

SYMBOLS: Final = 5
POSTGRES_ROWS: Final = 500
"""Rows a commit at most: as many as cryptofeed's."""
SHARES: Final = {"naive": 50, "postgres": 5, "influx": 5}
"""Slow subjects get so many times fewer frames."""


@dataclass
class Measured:
    """One run of one subject."""

    rate: float
    cpu_us: float
    """CPU time a message."""
    peak_mb: float | None = None
    faults: tuple[str, ...] = ()


Subject = Callable[[Load, int], Measured]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--stores", default="null,lake,postgres,influx", help="separated by commas")


def measure(options: argparse.Namespace) -> Result:
    """Run all subjects."""
    result = Result("throughput", {"frames": options.frames, "runs": options.runs, "symbols": SYMBOLS})
    with subjects(result, options.stores.split(",")) as found, processes.load(SYMBOLS) as load:
        runs = interleaved(found, load, options.frames, options.runs, result)
    result.tables.append(Table("Throughput", rows(runs)))
    return result


def interleaved(
    found: dict[str, Subject], load: Load, frames: int, count: int, result: Result
) -> dict[str, list[tuple[Measured, float]]]:
    """Run the subjects in turn, the limit before and after each; give each run with the mean of those two."""
    limited = simple("limit")
    runs: dict[str, list[tuple[Measured, float]]] = {name: [] for name in ("limit", "discard", *found)}
    for _ in range(count):
        runs["discard"].append((simple("limit", "--discard")(load, frames), 0.0))
        before = limited(load, frames)
        runs["limit"].append((before, before.rate))
        for name, subject in found.items():
            one = subject(load, max(frames // SHARES.get(name.split()[-1], 1), SYMBOLS))
            after = limited(load, frames)
            runs["limit"].append((after, after.rate))
            if one.faults:
                result.note(f"a run of {name} does not count: {'; '.join(one.faults)}")
            else:
                runs[name].append((one, (before.rate + after.rate) / 2))
            before = after
    return runs


def rows(runs: dict[str, list[tuple[Measured, float]]]) -> list[Row]:
    """Give a row a subject."""
    return [
        {
            "subject": _TITLES.get(name, name),
            "messages/s": spread(one.rate for one, _ in found),
            "of the limit": spread(one.rate / limit for one, limit in found if limit),
            "CPU, µs a message": spread(one.cpu_us for one, _ in found),
            "peak MB": spread(one.peak_mb for one, _ in found if one.peak_mb is not None),
        }
        for name, found in runs.items()
    ]


_TITLES: Final = {"limit": "the limit: split and decode", "discard": "the load generator, into nothing"}


@contextmanager
def subjects(result: Result, stores: list[str]) -> Iterator[dict[str, Subject]]:
    """Give the naive baseline and the pipeline into the stores that there are, with their servers running."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(servers.postgres(result)) if "postgres" in stores else None
        front = stack.enter_context(servers.influx(result, directory)) if "influx" in stores else None
        found: dict[str, Subject] = {"naive": _naive(server)}
        for kind in stores:
            if kind not in KINDS:
                result.note(f"the store {kind} left out: the registry does not know it")
            elif kind == "postgres" and server is not None:
                found["pipeline to postgres"] = to_postgres(server)
            elif kind == "influx" and front is not None:
                found["pipeline to influx"] = piped(lambda: servers.influx_store(front, f"b{next(_numbers)}"))
            elif kind not in ("postgres", "influx"):
                found[f"pipeline to {kind}"] = piped(partial(dict, kind=kind))
        yield found


_COMMITS: Final = f"[writer]\nbatch_rows = {POSTGRES_ROWS}\nmax_batch_rows = {POSTGRES_ROWS}"
_numbers = iter(range(1_000_000))


def simple(name: str, *words: str) -> Subject:
    """Give a subject that is one of the benchmarks' own modules."""

    def run(load: Load, frames: int) -> Measured:
        url = load.url(frames, close="--discard" in words)
        told = processes.measured(processes.module(name, url, str(frames), str(load.symbols), *words))
        seconds = (told["ended_ns"] - load.sent()["began_ns"]) / 1e9
        return Measured(frames / seconds, told["cpu_seconds"] / frames * 1e6)

    return run


def _naive(server: Server | None) -> Subject:
    def run(load: Load, frames: int) -> Measured:
        return simple("naive", *([server.url(server.schema())] if server else []))(load, frames)

    return run


def to_postgres(server: Server) -> Subject:
    """Give the pipeline with a schema of its own for every run, and small commits."""
    return piped(lambda: {"kind": "postgres", "url": server.url(server.schema())}, _COMMITS)


def piped(store: Callable[[], dict[str, Any]], more: str = "") -> Subject:
    """Give the pipeline with a store that is new for every run; `more` is further configuration."""

    def run(load: Load, frames: int) -> Measured:
        with tempfile.TemporaryDirectory() as directory:
            outcome = pipeline.run(load, pipeline.Setup(store(), more=more), frames, Path(directory))
        return Measured(
            frames / outcome.seconds,
            outcome.cpu_seconds / frames * 1e6,
            outcome.peak_mb,
            tuple(outcome.faults),
        )

    return run

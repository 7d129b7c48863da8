"""Latency under an open-loop load: from the socket to the signal, and to the durable commit.

Arrivals are Poisson, on a schedule that no reader slows down. `late` is how far behind it the generator
sent; `schedule to socket` is from when a tick was due to when the pipeline had read it, the kernel's queues
included (from the stored rows). The other latencies are those that the pipeline reports when it ends.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import pipeline, processes
from benchmarks.measuring import Result, Row, Table, spread

RATES: Final = "1000,10000,50000,100000"
SYMBOLS: Final = 5
QUANTILES: Final = ("p50", "p99", "p999", "max")
MOST_FRAMES: Final = 1_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rates", default=RATES, help="ticks a second; separated by commas")


def measure(options: argparse.Namespace) -> Result:
    """Run each load."""
    rates = [float(rate) for rate in options.rates.split(",")]
    result = Result("latency", {"seconds": options.seconds, "runs": options.runs, "symbols": SYMBOLS})
    found: dict[float, list[dict[str, float]]] = {rate: [] for rate in rates}
    with processes.load(SYMBOLS) as load:
        for _ in range(options.runs):
            for rate in rates:
                frames = min(int(rate * options.seconds), MOST_FRAMES)
                found[rate].append(_run(load, frames, rate, result))
    result.tables.append(
        Table("Latency, 5 symbols, into the lake", [_row(rate, found[rate]) for rate in rates])
    )
    return result


def _run(load: processes.Load, frames: int, rate: float, result: Result) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        outcome = pipeline.run(load, pipeline.Setup(symbols=SYMBOLS), frames, Path(directory), rate)
        if outcome.faults:
            result.note(f"a run at {rate:,.0f} ticks/s does not count: {'; '.join(outcome.faults)}")
            return {}
        told = dict(reported(outcome.ledger))
        if not told:
            result.note("the pipeline reports no latencies: `run --json` has no key `latency`")
        arrivals = _schedule_to_socket(Path(directory) / "data" / "lake" / "ticks")
    late = outcome.sent["late_us"] or {}
    return {
        **{f"late {name}, µs": value for name, value in late.items() if name != "max"},
        **arrivals,
        **told,
    }


def reported(ledger: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Give the latencies that a run reports: to the signal, and to the commit in each store."""
    latency = ledger.get("latency", {})
    stores = {f"stored in {store}": told for store, told in latency.get("stored", {}).items()}
    for name, told in {"signal": latency.get("signal", {}), **stores}.items():
        for quantile in QUANTILES:
            value = told.get(f"{quantile}_us")
            if value is not None:
                yield f"{name} {quantile}, µs", float(value)


def _schedule_to_socket(ticks: Path) -> dict[str, float]:
    from deltalake import DeltaTable

    stored = DeltaTable(ticks).to_pyarrow_table(columns=["ts_event_ns", "ts_recv_ns"])
    waited = stored["ts_recv_ns"].to_numpy() - stored["ts_event_ns"].to_numpy()
    quantiles = np.percentile(waited, (50, 99, 100)) / 1e3 if len(waited) else ()
    names = ("p50", "p99", "max")
    return {
        f"schedule to socket {name}, µs": float(value) for name, value in zip(names, quantiles, strict=False)
    }


def _row(rate: float, runs: list[dict[str, float]]) -> Row:
    heads = dict.fromkeys(head for run in runs for head in run)
    return {"ticks/s": rate, **{head: spread(run[head] for run in runs if head in run) for head in heads}}

"""A query on a big table: one-minute bars with VWAP of one symbol, as a command and as a library call.

Three lakes hold the same rows: in large files; as a live run leaves them, with its upkeep; and in small
files that nobody has merged. A command's time includes its start, which is measured apart by a query of a
lake that holds nothing.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.measuring import Result, Row, Table, spread
from benchmarks.processes import ROOT
from core.settings_loading import load
from stores import open_store
from stores.lake import LakeWriter
from stores.lake_upkeep import Upkeep
from stores.schema import TICKS
from stores.store import BatchId

SYMBOL: Final = "BTCUSDT"
BEGAN_NS: Final = 1_768_435_200 * 10**9
"""2026-01-15T00:00:00Z; the rows are spread over the day."""
DAY_MS: Final = 86_400_000
NEVER: Final = 10**9
FORMS: Final = {"large files": (500_000, NEVER), "a live run": (10_000, 100), "small files": (10_000, NEVER)}
"""Rows of a commit, and after how many files they are merged."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the symbol that is asked for")
    parser.add_argument("--interval", default="1m", help="the length of a bar")


def measure(options: argparse.Namespace) -> Result:
    """Ask each lake in turn."""
    result = Result("query", {"runs": options.runs, "rows": options.rows, "interval": options.interval})
    seconds: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as directory:
        lakes = {"nothing": Path(directory, "nothing")}
        for number, (form, (batch, small_files)) in enumerate(FORMS.items()):
            lakes[form] = Path(directory, str(number))
            fill(lakes[form], options.rows, batch, small_files)
        for _ in range(options.runs):
            for form, data_dir in lakes.items():
                for way, ask in (("command", as_command), ("library", as_library)):
                    timed = _timed(partial(ask, data_dir, options.interval))
                    seconds.setdefault((form, way), []).append(timed)
    result.tables.append(Table(f"Bars of {options.rows:,} rows of one symbol", _rows(seconds)))
    result.note(f"the load of the machine was {os.getloadavg()[0]:.1f} at the end; CPU is of all threads")
    return result


def fill(data_dir: Path, rows: int, batch_rows: int, small_files: int) -> None:
    """Write trades through the writer's own door."""
    with closing(LakeWriter(str(data_dir / "lake"), upkeep=Upkeep(small_files))) as writer:
        writer.open()
        for number, first in enumerate(range(0, rows, batch_rows)):
            count = min(batch_rows, rows - first)
            writer.write("ticks", trades(first, count, rows), BatchId(1, number))
            while writer.maintain():
                pass


def trades(first: int, count: int, of: int) -> pa.Table:
    """Give some of a day's trades; prices walk, and every number has the digits that a venue sends."""
    random = np.random.default_rng(first)
    numbers = np.arange(first, first + count)
    event_ns = BEGAN_NS + numbers * DAY_MS // of * 1_000_000
    price = np.round(60_000 + np.cumsum(random.normal(0, 0.5, count)), 2)
    z = np.abs(random.normal(0, 1, count))
    columns: dict[str, Any] = {
        "ts_event_ns": event_ns, "ts_recv_ns": event_ns + random.integers(10**6, 5 * 10**7, count),
        "price": price, "size": np.round(random.exponential(0.05, count) + 1e-5, 5), "z": z,
        "side": np.array(["buy", "sell"])[random.integers(0, 2, count)], "vwap": price + z / 100,
        "verdict": np.where(z > 2.5, "warn", "ok"), "venue_id": (10**9 + numbers).astype(str),
        "momentum": random.normal(0, 1e-6, count), "imbalance": random.uniform(-1, 1, count),
        "volatility": random.uniform(0, 1e-5, count), "frame": numbers, "item": np.zeros(count, np.int32),
        "session": np.ones(count, np.int64),
    }  # fmt: skip
    words = {"venue": "binance", "symbol": SYMBOL, "kind": "trade", "line": "binance/0/A"}
    for field in TICKS:
        if field.name in words:
            columns[field.name] = pa.repeat(pa.scalar(words[field.name], pa.utf8()), count)
        elif field.name not in columns:
            columns[field.name] = pa.nulls(count, field.type)
    return pa.table({name: columns[name] for name in TICKS.names}, schema=TICKS)


def as_command(data_dir: Path, interval: str) -> None:
    """Run `query` and have it write a file."""
    words = f"query bars --interval {interval} --symbol {SYMBOL} --format parquet".split()
    places = ["--output", f"{data_dir}.parquet", "--set", f"data_dir={data_dir}"]
    subprocess.run(
        [sys.executable, "supervisor.py", *words, *places], cwd=ROOT, check=True, stderr=subprocess.PIPE
    )


def as_library(data_dir: Path, interval: str) -> None:
    """Ask in this process."""
    with open_store(load(None, [f"data_dir={data_dir}"], {})) as store:
        store.bars(SYMBOL, interval)


def _timed(ask: Callable[[], object]) -> tuple[float, float]:
    """Give the seconds that went by, and those of the processors."""
    used, began = _cpu_seconds(), time.monotonic()
    ask()
    return time.monotonic() - began, _cpu_seconds() - used


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _rows(seconds: dict[tuple[str, str], list[tuple[float, float]]]) -> list[Row]:
    return [
        {
            "lake": form,
            "asked by": way,
            "seconds": spread(wall for wall, _ in found),
            "CPU seconds": spread(cpu for _, cpu in found),
        }
        for (form, way), found in seconds.items()
    ]

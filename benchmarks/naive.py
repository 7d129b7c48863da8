"""The plain design, as the baseline: `python -m benchmarks.naive URL FRAMES SYMBOLS [POSTGRES]`.

asyncio `websockets`, json, a deque of 10,000 prices a symbol, numpy's mean and standard deviation of the
last 200 at every tick, and batches of 100 rows: inserted into PostgreSQL with `executemany` where its URL is
given, else into a file of SQLite. It accounts for nothing, recovers nothing and journals nothing. Prints a
line of JSON.
"""

import asyncio
import itertools
import json
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import websockets

from benchmarks import instruments
from benchmarks.client_side import subscription
from benchmarks.load import tell

COLUMNS = "venue text, symbol text, price float8, size float8, side text, ts_event_ms bigint, z float8"
BATCH_ROWS = 100
WINDOW = 200
Row = tuple[str, str, float, float, str, int, float | None]
Insert = Callable[[list[Row]], Any]


def into_postgres(url: str) -> Insert:
    """Make the table, and give what inserts a batch and commits it."""
    connection = psycopg.connect(url)
    connection.execute(f"CREATE TABLE naive_ticks ({COLUMNS})")
    connection.commit()

    def insert(rows: list[Row]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO naive_ticks VALUES (%s, %s, %s, %s, %s, %s, %s)", rows)
        connection.commit()

    return insert


def into_sqlite(path: Path) -> Insert:
    """Make the table, and give what inserts a batch and commits it."""
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE naive_ticks ({COLUMNS})")

    def insert(rows: list[Row]) -> None:
        with connection:
            connection.executemany("INSERT INTO naive_ticks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    return insert


async def collect(url: str, frames: int, symbols: int, insert: Insert) -> None:
    """Take so many trades, judge each, and insert what is not an outlier."""
    prices: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=10_000))
    batch: list[Row] = []
    async with websockets.connect(url, ping_interval=None, compression=None) as connection:
        await connection.send(subscription(instruments.symbols(symbols)))
        while frames:
            message = json.loads(await connection.recv())
            if "data" not in message:
                continue
            frames -= 1
            trade = message["data"]
            row = judged(trade, prices[trade["s"]])
            if row is not None:
                batch.append(row)
            if len(batch) >= BATCH_ROWS:
                insert(batch)
                batch = []
    insert(batch)


def judged(trade: dict[str, Any], prices: deque[float]) -> Row | None:
    """Give a trade's row; None for an outlier."""
    price = float(trade["p"])
    prices.append(price)
    z = None
    if len(prices) >= 30:
        window = np.array(list(itertools.islice(prices, max(0, len(prices) - WINDOW), None)))
        z = float(abs(price - window.mean()) / (window.std() + 1e-8))
        if z >= 4.0:
            return None
    side = "sell" if trade["m"] else "buy"
    return "binance", trade["s"], price, float(trade["q"]), side, trade["T"], z


def main() -> None:
    """Measure once."""
    url, frames, symbols, *database = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        insert = into_postgres(database[0]) if database else into_sqlite(Path(directory, "naive.sqlite"))
        used = time.process_time()
        asyncio.run(collect(url, int(frames), int(symbols), insert))
        ended = time.monotonic_ns()
        used = time.process_time() - used
    tell(ended_ns=ended, frames=int(frames), cpu_seconds=used)


if __name__ == "__main__":
    main()

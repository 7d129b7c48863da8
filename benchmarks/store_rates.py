"""Rows a second into each store, beside the plainest use of the same client.

Plain is: psycopg's `executemany` with INSERT; influxdb-client's Points and synchronous writing; deltalake's
`write_deltalake`. What a plain client is given (tuples, dictionaries, Arrow) is made before the clock starts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks import instruments, plain_clients, prepared, servers
from benchmarks.measuring import Result, Row, Table, spread
from stores.registry import StoreTerms, open_writer
from stores.store import BatchId
from tests.support.influx import ORG, TOKEN

BATCHES: Final = {100: 40, 1_000: 20, 10_000: 5}
"""How many of each size are timed."""

Write = Callable[[Any], object]
"""Commits the rows of an Arrow table, or what `prepare` made of them."""
_numbers = count(1)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--sizes", default=",".join(map(str, BATCHES)), help="separated by commas")
    parser.add_argument("--batches", type=int, help="how many of each; the default depends on the size")


def measure(options: argparse.Namespace) -> Result:
    """Write batches of each size, ours and the plain client's in turn."""
    sizes = [int(size) for size in options.sizes.split(",")]
    counts = {size: options.batches or BATCHES.get(size, 5) for size in sizes}
    result = Result("stores", {"runs": options.runs})
    every = prepared.rows(instruments.symbols(5), 4 + max(size * counts[size] for size in sizes) * 11 // 10)
    found: dict[tuple[str, int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        clients = _clients(stack, Path(directory), result)
        for _ in range(options.runs):
            for size in sizes:
                parts = [every.slice(number * size, size) for number in range(counts[size])]
                for store, ways in clients.items():
                    for way, client in ways.items():
                        found.setdefault((store, size, way), []).append(_rate(client, parts))
    result.tables.append(Table("Rows a second into a store", _rows(found)))
    return result


def _rate(client: "Client", parts: list[Any]) -> float:
    with client() as (prepare, write):
        ready = [prepare(part) for part in parts]
        write(ready[0])  # the first commit opens and makes whatever there is to be opened and made
        began = time.monotonic()
        for part in ready[1:] or ready:
            write(part)
        taken = time.monotonic() - began
    return sum(map(len, parts[1:] or parts)) / taken


def _rows(found: dict[tuple[str, int, str], list[float]]) -> list[Row]:
    return [
        {
            "store": store,
            "rows a batch": size,
            "ours, rows/s": spread(rates),
            "plain, rows/s": spread(plain := found[store, size, "plain"]),
            "ours / plain": spread(a / b for a, b in zip(rates, plain, strict=True)),
        }
        for (store, size, way), rates in found.items()
        if way == "ours"
    ]


Client = Callable[[], Any]
"""Gives a context of (prepare, write), into tables of its own."""


def _clients(stack: ExitStack, directory: Path, result: Result) -> dict[str, dict[str, Client]]:
    clients: dict[str, dict[str, Client]] = {
        "lake": {
            "ours": lambda: _ours(StoreTerms("lake", str(directory / f"lake{next(_numbers)}"))),
            "plain": lambda: plain_clients.delta(directory / f"delta{next(_numbers)}"),
        }
    }
    server = stack.enter_context(servers.postgres(result))
    if server is not None:
        clients["postgres"] = {
            "ours": lambda: _ours(StoreTerms("postgres", "", url=server.url(server.schema()))),
            "plain": lambda: plain_clients.postgres(server.url(server.schema())),
        }
    front = stack.enter_context(servers.influx(result, directory))
    if front is not None:
        clients["influx"] = {
            "ours": lambda: _ours(
                StoreTerms("influx", "", url=front.url, org=ORG, bucket=f"b{next(_numbers)}", token=TOKEN)
            ),
            "plain": lambda: plain_clients.influx(front.url, f"b{next(_numbers)}"),
        }
    return clients


@contextmanager
def _ours(terms: StoreTerms) -> Iterator[tuple[Callable[[Any], Any], Write]]:
    store = open_writer(terms)
    with closing(store):
        store.open()
        numbers = count(1)
        yield lambda rows: rows, lambda rows: store.write("ticks", rows, BatchId(1, next(numbers)))

"""`export`: writes a table of a store into a directory of files, one a date and symbol."""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow as pa

from cli.query import build, choose, comment
from core.errors import RetryableStoreError, StoreError, UsageError
from core.settings_loading import load
from core.suggest import quote
from stores.registry import StoreTerms, open_reader, store_terms
from stores.store import Query


def run(arguments: argparse.Namespace) -> int:
    """Write the files and say which; 0 also where no row was found, 1 where the store cannot be read."""
    from cli.export_files import prepare

    settings = load(arguments.config, arguments.set, os.environ)
    store = choose(settings.stores, arguments.store)
    query = build(arguments, time.time_ns(), on_terminal=False)
    prepare(arguments.output, overwrite=arguments.overwrite)
    try:
        lines, count = _export(store_terms(settings, store), query, arguments.output, arguments.format)
    except UsageError:
        raise
    except StoreError as error:
        print(f"tapeline: store {store.name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except OSError as error:
        name = quote(str(arguments.output), at_most=len(str(arguments.output)))
        raise UsageError(f"cannot write to {name}: {error.strerror or error}") from None
    for line in lines:
        print(line)
    if words := comment(query, count, settings, store, cut=False):
        print(f"tapeline: {words}", file=sys.stderr)
    return 0


def _export(terms: StoreTerms, query: Query, directory: Path, form: str) -> tuple[list[str], int]:
    """Write the files; give what to say of them, and the number of rows."""
    from cli.export_files import ExportFiles, remove_earlier
    from cli.partitions import parted

    with closing(open_reader(terms)) as reader:
        found = reader.read(query)
        batches = _read(found)
        first = next(batches, None)
        # Only once there is something to take its place.
        remove_earlier(directory)
        with ExportFiles(directory, found.schema, form) as files:
            for batch in _chained(first, batches):
                for partition, rows in parted(query.table, batch):
                    files.add(partition, rows)
    symbols: dict[date, set[str | None]] = defaultdict(set)
    counts: dict[date, int] = defaultdict(int)
    for partition, count in files.rows.items():
        symbols[partition.date].add(partition.symbol)
        counts[partition.date] += count
    lines = [f"date={day}: {counts[day]:,} rows of {_symbols(len(symbols[day]))}" for day in sorted(counts)]
    total = sum(counts.values())
    size = f"{files.nbytes / 2**20:,.1f} MiB"
    return [*lines, f"{total:,} {query.table} in {files.files:,} files, {size}, in {directory}"], total


def _symbols(count: int) -> str:
    return "1 symbol" if count == 1 else f"{count:,} symbols"


def _chained(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest


def _read(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = batches.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as error:
            # Not to be taken for what goes wrong with writing.
            raise RetryableStoreError(f"cannot be read: {' '.join(str(error).split())}") from error
        yield batch

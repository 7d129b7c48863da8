"""`query`: reads what a store holds."""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from cli.destination import destination, is_terminal
from cli.times import point_ns
from core.errors import RetryableStoreError, StoreError, UsageError
from core.settings import Settings, Store
from core.settings_loading import load
from core.suggest import nearest, quote
from stores.registry import StoreTerms, open_reader, store_terms
from stores.schema import result
from stores.store import Query

TERMINAL_ROWS: Final = 50
MINUTE_NS: Final = 60 * 10**9
INTERRUPTED: Final = 130
"""The exit status that shells give a program ended by Ctrl-C."""
_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")
"""Delta Lake's library colours its errors, terminal or not."""
_SUFFIXES: Final = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".txt": "table",
}


def run(arguments: argparse.Namespace) -> int:
    """Answer a query; give 0 also where nothing was found, 1 where the store cannot be read."""
    on_terminal = arguments.output is None and is_terminal()
    settings = load(arguments.config, arguments.set, os.environ)
    store = choose(settings.stores, arguments.store)
    query = build(arguments, time.time_ns(), on_terminal)
    form = choose_format(arguments.format, arguments.output, on_terminal)
    try:
        count = _answer(store_terms(settings, store), query, form, arguments.output, on_terminal)
    except UsageError:
        raise
    except StoreError as error:
        print(f"tapeline: store {store.name}: {_COLOUR.sub('', str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    if words := comment(query, count, settings, store, cut=on_terminal and arguments.limit is None):
        print(f"tapeline: {words}", file=sys.stderr)
    return 0


def choose(stores: Sequence[Store], name: str | None) -> Store:
    """Give the store of this name, else the first."""
    for store in stores:
        if name in (None, store.name):
            return store
    known = ", ".join(store.name for store in stores)
    raise UsageError(f"--store: there is no {quote(str(name))}; known are {known}")


def choose_format(given: str | None, output: Path | None, on_terminal: bool) -> str:
    """Give the format that was asked for, else the one the file's name ends in, else what suits the place."""
    if given == "parquet" and on_terminal:
        raise UsageError("--format parquet is nothing for a terminal: use --output FILE or a pipe")
    if given or output is None:
        return given or ("table" if on_terminal else "csv")
    return _SUFFIXES.get(output.suffix.lower(), "csv")


def build(arguments: argparse.Namespace, now_ns: int, on_terminal: bool) -> Query:
    """Put the arguments into a query; UsageError where they do not go together."""
    is_bars = arguments.table == "bars"
    if arguments.interval is not None and not is_bars:
        raise UsageError(f"--interval is the length of bars; {arguments.table} have none")
    if arguments.venue is not None and "venue" not in result(arguments.table).names:
        raise UsageError(f"{arguments.table} have no venue: leave --venue out")
    start_ns, end_ns = (_point(arguments, option, now_ns) for option in ("start", "end"))
    if start_ns is not None and end_ns is not None and start_ns > end_ns:
        raise UsageError(f"--start {quote(arguments.start)} is later than --end {quote(arguments.end)}")
    return Query(
        arguments.table,
        venue=arguments.venue,
        symbol=arguments.symbol,
        start_ns=start_ns,
        end_ns=end_ns,
        interval_ns=(arguments.interval or MINUTE_NS) if is_bars else None,
        limit=TERMINAL_ROWS if on_terminal and arguments.limit is None else arguments.limit,
    )


def comment(query: Query, count: int, settings: Settings, store: Store, *, cut: bool) -> str | None:
    """Give what there is to say about how many rows were found; None where nothing is.

    `cut`: the limit is ours and not the user's.
    """
    if count:
        is_full = cut and count == query.limit
        return f"these are the last {count} rows; --limit or --output gives more" if is_full else None
    asked = {"venue": query.venue, "symbol": query.symbol}
    limits = [f"{name} {quote(value)}" for name, value in asked.items() if value is not None]
    if query.start_ns is not None or query.end_ns is not None:
        limits.append("this time")
    of = f" of {', '.join(limits)}" if limits else ""
    return f"no {query.table}{of} in store {store.name} ({settings.location(store)}){_meant(query, settings)}"


def _meant(query: Query, settings: Settings) -> str:
    """Point to what is configured and spelled nearly so."""
    venues: list[str] = [feed.venue for feed in settings.feeds]
    symbols = [symbol for feed in settings.feeds for symbol in feed.symbols]
    near = [
        word
        for asked, known in ((query.venue, venues), (query.symbol, symbols))
        if asked is not None and asked not in known and (word := nearest(asked, known))
    ]
    return f"; did you mean {' and '.join(map(quote, near))}?" if near else ""


def _point(arguments: argparse.Namespace, option: str, now_ns: int) -> int | None:
    text = getattr(arguments, option)
    try:
        return None if text is None else point_ns(text, now_ns)
    except ValueError as error:
        raise UsageError(f"--{option}: {error}") from None


def _answer(terms: StoreTerms, query: Query, form: str, output: Path | None, on_terminal: bool) -> int:
    """Write the answer, and give the number of its rows."""
    write = _writer(form, shutil.get_terminal_size().columns if on_terminal else None)
    with closing(open_reader(terms)) as reader:
        rows = _Counted(reader.read(query))
        with destination(output) as file:
            for chunk in write(rows.schema, rows):
                file.write(chunk)
    return rows.count


def _writer(form: str, width: int | None) -> Any:
    """Give what writes a format. Each imports what takes a while, and only one of them is needed."""
    if form == "table":
        from cli.table import table

        return partial(table, width=width)
    from cli.output import csv, json_lines, parquet

    return {"csv": csv, "json": json_lines, "parquet": parquet}[form]


class _Counted(Iterable[pa.RecordBatch]):
    """Passes batches on, and counts their rows."""

    def __init__(self, batches: pa.RecordBatchReader) -> None:
        self.schema = batches.schema
        self.count = 0
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._next()) is not None:
            self.count += batch.num_rows
            yield batch

    def _next(self) -> pa.RecordBatch | None:
        try:
            return self._batches.read_next_batch()
        except StopIteration:
            return None
        except (OSError, pa.ArrowException) as error:
            # Not to be taken for what goes wrong with writing.
            raise RetryableStoreError(f"cannot be read: {' '.join(str(error).split())}") from error

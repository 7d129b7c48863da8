"""The commands, each with its options and its help, and what an option's value may be."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cli.times import duration_ns
from core.chaos import Chaos, parse
from core.errors import UsageError
from core.suggest import did_you_mean, quote
from venues.parsing import SECOND_NS, Unreadable, number

QUERY_TABLES: Final = ("ticks", "rejects", "bars", "alerts", "gaps", "dead_letters")
JOURNAL_ACTIONS: Final = ("list", "verify", "export")
LOG_FORMATS: Final = ("text", "json")
EXPORT_FORMATS: Final = ("parquet", "csv")
FORMATS: Final = ("table", "csv", "json", "parquet")
_MAX_DIGITS: Final = 18
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as its help shows it."""

    summary: str
    example: str
    text: str
    add: Callable[[argparse.ArgumentParser], None]
    """Adds the options of this command alone."""


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration", metavar="TIME", type=_told(_seconds), help="stop after so long: 30s, 5m, 1h, 500ms"
    )
    parser.add_argument(
        "--chaos",
        metavar="FAULTS",
        type=_told(_chaos),
        help="inject faults, for trials, as in crash=detector@5s,drop=line@7s or rate=0.1/s,seed=7; "
        "docs/chaos.md has them all",
    )
    _add_json(parser, "end with the ledger as one JSON object on the last line")
    _add_log_format(parser)


def _add_check(parser: argparse.ArgumentParser) -> None:
    """It has no options of its own."""


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="+", help="captures, JSON lines, also .gz or .zst; in order"
    )
    parser.add_argument(
        "--speed",
        metavar="N",
        type=_told(_speed),
        help="times the pace of the recording: 1, 10 or max (default)",
    )
    _add_json(parser, "end with the ledger as one JSON object on the last line")
    _add_log_format(parser)


def _add_query(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("table", metavar="TABLE", type=_told(_one_of(QUERY_TABLES)), help=", ".join(QUERY_TABLES))
    add("--store", metavar="NAME", help="which store to ask (default: the first)")
    add("--venue", metavar="V", type=_told(_word), help="only rows of this venue")
    add("--symbol", metavar="S", type=_told(_word), help="only rows of this symbol, in the venue's spelling")
    add("--start", metavar="T", help="from this time on: 2026-01-15, 2026-01-15T14:30:00Z, 1768487400, -1h")
    add("--end", metavar="T", help="before this time; written like --start, or now")
    add(
        "--interval",
        metavar="I",
        type=_told(duration_ns),
        help="length of a bar: 250ms, 1m (default), 1h, 1d",
    )
    add(
        "--limit",
        metavar="N",
        type=_told(_count),
        help="the last N rows (default: 50 to a terminal, else all)",
    )
    add(
        "--format", metavar="F", type=_told(_one_of(FORMATS)),
        help=f"{', '.join(FORMATS)} (default: as FILE ends; else table to a terminal, csv otherwise)",
    )  # fmt: skip
    add(
        "--output",
        metavar="FILE",
        type=_told(_output),
        help="write to a file, which is there once it is complete",
    )


def _add_plot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "symbol", metavar="SYMBOL", type=_told(_word), help="what to draw, in the venue's spelling"
    )
    _add_range(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=_told(_output),
        help="a .png, or an .html to zoom into, which works without a network (default: SYMBOL.png here)",
    )  # fmt: skip
    parser.set_defaults(table="ticks", interval=None, limit=None)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("table", metavar="TABLE", type=_told(_one_of(QUERY_TABLES)), help=", ".join(QUERY_TABLES))
    add(
        "--output", metavar="DIR", type=_told(_output), required=True,
        help="the directory to write to, which is made where it is missing",
    )  # fmt: skip
    add(
        "--format", metavar="F", type=_told(_one_of(EXPORT_FORMATS)), default=EXPORT_FORMATS[0],
        help=f"{' (default), '.join(EXPORT_FORMATS)}",
    )  # fmt: skip
    add("--symbol", metavar="S", type=_told(_word), help="only rows of this symbol, in the venue's spelling")
    _add_range(parser)
    add("--interval", metavar="I", type=_told(duration_ns), help="length of a bar: 250ms, 1m (default), 1h")
    add("--overwrite", action="store_true", help="replace what an earlier export wrote there")
    parser.set_defaults(limit=None)


def _add_range(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--store", metavar="NAME", help="which store to ask (default: the first)")
    add("--venue", metavar="V", type=_told(_word), help="only rows of this venue")
    add("--start", metavar="T", help="from this time on: 2026-01-15, 2026-01-15T14:30:00Z, 1768487400, -1h")
    add("--end", metavar="T", help="before this time; written like --start, or now")


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    _add_json(parser, "one JSON object")


def _add_journal(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", metavar="ACTION", type=_told(_one_of(JOURNAL_ACTIONS)), help=", ".join(JOURNAL_ACTIONS))
    add(
        "output",
        metavar="FILE",
        type=_told(_output),
        nargs="?",
        help="the capture to write, for export; packed if it ends in .gz",
    )


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_json(parser, "print it as one JSON object")


def _add_reload(parser: argparse.ArgumentParser) -> None:
    """It has no options of its own."""


def _add_json(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _add_log_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format",
        metavar="F",
        type=_told(_one_of(LOG_FORMATS)),
        default=LOG_FORMATS[0],
        help="how to log to stderr: text (default), or json, an object a line",
    )


def _told(convert: Callable[[str], _T]) -> Callable[[str], _T]:
    """Have argparse show the text of a ValueError, which it would replace by its own."""

    def converted(text: str) -> _T:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def _seconds(text: str) -> float:
    return duration_ns(text) / SECOND_NS


def _chaos(text: str) -> Chaos:
    try:
        return parse(text)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _speed(text: str) -> float | None:
    """None is as fast as it goes."""
    try:
        speed = None if text == "max" else number(text)
    except Unreadable:
        speed = 0.0
    if speed is not None and speed <= 0.0:
        raise ValueError(f'{quote(text)} must be "max" or a number above 0')
    return speed


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS or int(text) < 1:
        raise ValueError(f"{quote(text)} must be a whole number from 1 on")
    return int(text)


def _word(text: str) -> str:
    # What the shell passed on need not be text at all.
    if not text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{quote(text)} is empty or no valid text")
    return text


def _output(text: str) -> Path:
    if not text:
        raise ValueError("must name a file")
    return Path(text)


def _one_of(known: Sequence[str]) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in known:
            raise ValueError(f"there is no {quote(text)}{did_you_mean(text, known)}")
        return text

    return chosen


COMMANDS: Final = {
    "run": Command(
        "collect market data until stopped",
        "run --duration 30s",
        "Collect market data from the configured feeds (the built-in demo exchange, unless you name others)\n"
        "until Ctrl-C, SIGTERM or the end of --duration; then work off what is in flight and print the\n"
        "ledger. Exit status 0 only if it balances, 2 if there is something for you to put right, 70 if an\n"
        "actor failed too often.",
        _add_run,
    ),
    "check": Command(
        "check the configuration and print the effective settings",
        "check --config my.toml",
        "Check the configuration and print the settings that are in effect, as TOML; secrets are masked.\n"
        "What is wrong is told all at once, a line each, with exit status 2.",
        _add_check,
    ),
    "replay": Command(
        "put recorded captures through the pipeline into the store",
        "replay capture.jsonl.gz --speed max",
        "Put captures through the pipeline into the store and print the ledger. Opens no port. What the\n"
        "store already holds of the same files is counted as duplicate. Exit status 0 only if it balances.",
        _add_replay,
    ),
    "query": Command(
        "read what the store holds",
        "query bars --symbol BTC-USD --start -1h --interval 1m",
        "Read what the store holds, also while the pipeline runs. Rows come oldest first.\n"
        "Times are UTC; columns that end in _ns are epoch nanoseconds.",
        _add_query,
    ),
    "plot": Command(
        "draw a symbol: prices, spread, z, and what was rejected",
        "plot BTC-USD --start -1h -o btc.html",
        "Draw what a store holds of a symbol, also while the pipeline runs: trades, bid and ask, VWAP, the\n"
        "spread, z with its thresholds, and every rejected tick with its reason. Exit status 1 if there is\n"
        "nothing to draw.",
        _add_plot,
    ),
    "export": Command(
        "write a table as files that notebooks and databases read",
        "export ticks --start -1d --output ticks/",
        "Write a table into a directory, a file a date and symbol: date=2026-01-15/symbol=BTC-USD/, as\n"
        "pandas, Polars, DuckDB and pyarrow.dataset read it (docs/data.md). A file is there once it is\n"
        "complete.",
        _add_export,
    ),
    "doctor": Command(
        "check the machine, the data directory, the stores and the venues",
        "doctor",
        "Check what a run depends on and say, line by line, what is ok, what may become trouble and what\n"
        "to do about it. Nothing is changed. Exit status 1 if something has to be put right first.",
        _add_doctor,
    ),
    "journal": Command(
        "look into the journal of raw frames",
        "journal export all.jsonl.gz",
        "Look into the journal: `list` the sessions, `verify` that every segment is whole (exit status 1\n"
        "if one is not), or `export FILE` all frames as a capture that `replay` reads.",
        _add_journal,
    ),
    "status": Command(
        "show the state of the pipeline that is running",
        "status --json",
        "Ask the pipeline that is running for its state: feeds, actors, stores and the ledger.",
        _add_status,
    ),
    "reload": Command(
        "have the pipeline that is running read its configuration anew",
        "reload",
        "Check the configuration file, then have the pipeline that runs on its data directory read its own\n"
        "one again, as SIGHUP does, and say what has changed and what takes effect at the next start.\n"
        "Exit status 1 if it refused: then nothing has changed.",
        _add_reload,
    ),
}

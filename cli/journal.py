"""`journal`: what is journalled, whether it is whole, and as a capture file."""

import argparse
import gzip
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from core.errors import UsageError
from core.settings_loading import load
from stores.journal import Journal, Segment, examine
from stores.journal_format import FRAMES, REFUSED, Torn
from stores.journal_replay import Kept, Unrecovered, read_sessions


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; give 1 where something is torn."""
    journal = Journal(load(arguments.config, arguments.set, os.environ).data_dir)
    match arguments.action:
        case "list":
            return _list(journal)
        case "verify":
            return _verify(journal)
        case _:
            return _export(journal, arguments.output)


def _list(journal: Journal) -> int:
    for session, found in _examined(journal):
        state = "clean" if journal.is_clean(session) else "to be recovered"
        frames = sum(segment.frames for segment in found if isinstance(segment, Segment))
        nbytes = sum(path.stat().st_size for path in journal.segments(session))
        lines = sorted({segment.header.line for segment in found if isinstance(segment, Segment)})
        print(f"session {session}: {frames} frames, {nbytes} bytes, {state}: {', '.join(lines)}")
    return 0


def _verify(journal: Journal) -> int:
    torn = 0
    for session, found in _examined(journal):
        for path, segment in zip(journal.segments(session), found, strict=True):
            fault = segment if isinstance(segment, Torn) else segment.torn
            if fault is None:
                print(f"{path}: whole")
            else:
                torn += 1
                print(f"{path}: {fault.reason}; good up to byte {fault.offset}")
    return 1 if torn else 0


def _examined(journal: Journal) -> Iterator[tuple[int, list[Segment | Torn]]]:
    for session in journal.sessions():
        yield session, [examine(path) for path in journal.segments(session)]


def _export(journal: Journal, output: Path | None) -> int:
    """Write every frame as a line of a capture; `replay` reads it."""
    if output is None:
        raise UsageError("journal export needs a file to write: journal export FILE")
    warnings: list[str] = []
    with _opened(output) as file:
        for kept in read_sessions(Unrecovered(journal, journal.sessions()), warnings):
            for line in _lines(kept):
                file.write(line + "\n")
    for warning in warnings:
        print(f"tapeline: {warning}", file=sys.stderr)
    return 1 if warnings else 0


def _lines(kept: Kept) -> Iterator[str]:
    entry = kept.entry
    skipped = {FRAMES: 0, REFUSED: 1}.get(entry.kind, len(entry.payloads))
    for payload in entry.payloads[skipped:]:
        # A frame that ended its line may be no text at all; a capture holds text.
        told = {
            "ts_recv_ns": entry.ts_recv_ns,
            "venue": kept.header.venue,
            "dir": "recv",
            "data": payload.decode("utf-8", "replace"),
        }
        yield json.dumps(told, ensure_ascii=False, separators=(",", ":"))


@contextmanager
def _opened(output: Path) -> Iterator[IO[str]]:
    try:
        if output.suffix == ".gz":
            with gzip.open(output, "wt", encoding="utf-8") as file:
                yield file
        else:
            with output.open("w", encoding="utf-8") as file:
                yield file
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None

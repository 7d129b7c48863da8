"""The spool: parts that the store would not take, on disk, first in first out.

One file a part, named by its sequence number: an Arrow IPC stream (zstd) whose schema carries the table,
the batch and the runs, then a trailer of a mark, the stream's length and its CRC-32. Arrow readers stop
before the trailer. A file appears under its name only once it is whole and on the disk.
"""

import json
import os
import struct
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from core.errors import RetryableStoreError, StoreError, UsageError
from stores.filing import RECORD_TABLES
from stores.parts import Part, Runs, tally
from stores.store import BatchId
from stores.syncing import sync_directory

_TRAILER: Final = struct.Struct("<4sQI")
_MARK: Final = b"TLSP"
_KEY: Final = b"tapeline"
_SUFFIX: Final = ".arrow"
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd")


class SpoolFull(StoreError):
    """The spool may not or cannot take more: its bound is reached, or the disk refuses."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file that could not be read back; it is kept, renamed, and nothing more happens to it."""

    path: Path
    error: str
    rows_by_feed: dict[str, int] | None
    """Records that the spool counted and that are lost to it; None where they were never counted."""


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    nbytes: int
    table: str
    batch: BatchId
    runs: Runs

    @property
    def records(self) -> dict[str, int]:
        """Count them by feed; rows that are none do not count."""
        return tally(self.runs) if self.table in RECORD_TABLES else {}


class Spool:
    """A queue of parts in a directory; used from one thread, and by one process at a time."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Find what a directory holds, in order, making it where it does not exist."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._set_aside: list[SetAside] = []
        self._entries: deque[_Entry] = deque()
        self._nbytes = 0
        self._rows: Counter[str] = Counter()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                f"the spool {directory} cannot be made: {error.strerror}; put that right, or set data_dir"
            ) from None
        for unfinished in directory.glob("*.tmp"):
            unfinished.unlink()
        numbers = [int(path.name.split(".")[0]) for path in directory.glob(f"*{_SUFFIX}*")]
        for path in sorted(directory.glob(f"*{_SUFFIX}")):
            self._find(path)
        self._next = 1 + max(numbers, default=0)

    def __len__(self) -> int:
        """Give the number of parts."""
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return self._nbytes

    def rows_by_feed(self) -> dict[str, int]:
        """Count the records by feed: what the ledger calls spooled. Gaps, letters and alerts are none."""
        return dict(+self._rows)

    def set_aside(self) -> tuple[SetAside, ...]:
        """Give the files set aside since the last call."""
        told, self._set_aside = tuple(self._set_aside), []
        return told

    def append(self, part: Part, check: Callable[[], None] = lambda: None) -> None:
        """Put a part behind the others, durably; after SpoolFull nothing has changed.

        `check` is called when the part is on disk but does not count yet: what it raises leaves it out. A
        writer that hung in here, and was replaced, must not bring in what its replacement has dealt with.
        """
        content = _encoded(part)
        if self._nbytes + len(content) > self._max_bytes:
            raise SpoolFull(f"the spool {self._directory} would pass its {self._max_bytes} bytes")
        path = self._directory / f"{self._next:020d}{_SUFFIX}"
        self._next += 1
        try:
            _write_durably(path, content, check)
        except OSError as error:
            raise SpoolFull(f"the spool {self._directory} cannot be written: {error}") from error
        self._enter(_Entry(path, len(content), part.table, part.batch, part.runs))

    def head(self) -> Part | None:
        """Give the oldest part, None where there is none; unreadable ones before it are set aside.

        Raises RetryableStoreError where the disk does not answer.
        """
        while self._entries:
            entry = self._entries[0]
            try:
                return _decoded(entry.path.read_bytes())
            except (ValueError, FileNotFoundError) as error:
                self._leave()
                self._put_aside(entry.path, error, entry.records)
            except OSError as error:
                raise RetryableStoreError(f"the spool cannot be read: {error}") from error
        return None

    def read_all(self) -> Iterator[Part]:
        """Give every part that can be read, oldest first; the spool stays as it is."""
        for entry in self._entries:
            try:
                yield _decoded(entry.path.read_bytes())
            except (OSError, ValueError, pa.ArrowException):
                # `head` will set it aside, and tell.
                continue

    def pop(self) -> None:
        """Remove the oldest part, durably; IndexError where there is none."""
        self._entries[0].path.unlink(missing_ok=True)
        sync_directory(self._directory)
        self._leave()

    def drop(self, part: Part) -> None:
        """Remove the oldest part if it is this one; otherwise it was removed before. Never raises.

        A file that cannot be removed comes back at the next start, where the store tells that it has it.
        """
        if self._entries and _is(self._entries[0], part):
            try:
                self.pop()
            except OSError:
                self._leave()

    def holds(self, part: Part) -> bool:
        """Tell whether a part is there, by table and batch."""
        return any(_is(entry, part) for entry in self._entries)

    def _find(self, path: Path) -> None:
        try:
            self._enter(_Entry(path, path.stat().st_size, *_peek(path)))
        except ValueError as error:
            self._put_aside(path, error, None)

    def _enter(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._nbytes += entry.nbytes
        self._rows.update(entry.records)

    def _leave(self) -> None:
        entry = self._entries.popleft()
        self._nbytes -= entry.nbytes
        self._rows.subtract(entry.records)

    def _put_aside(self, path: Path, error: Exception, rows: dict[str, int] | None) -> None:
        aside = path.with_name(path.name + ".corrupt")
        if path.exists():
            path.rename(aside)
        self._set_aside.append(SetAside(aside, str(error), rows))


def _is(entry: _Entry, part: Part) -> bool:
    return (entry.table, entry.batch) == (part.table, part.batch)


def _write_durably(path: Path, content: bytes, check: Callable[[], None]) -> None:
    unfinished = path.with_suffix(".tmp")
    done = False
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        check()
        unfinished.rename(path)
        sync_directory(path.parent)
        done = True
    finally:
        if not done:
            unfinished.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _encoded(part: Part) -> bytes:
    told = {"table": part.table, "batch": [part.batch.session, part.batch.number], "runs": part.runs}
    rows = part.rows.replace_schema_metadata({_KEY: json.dumps(told)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_OPTIONS) as writer:
        writer.write_table(rows)
    stream = sink.getvalue().to_pybytes()
    return stream + _TRAILER.pack(_MARK, len(stream), zlib.crc32(stream))


def _decoded(content: bytes) -> Part:
    length, checksum = _trailer(content[-_TRAILER.size :], len(content))
    if zlib.crc32(memoryview(content)[:length]) != checksum:
        raise ValueError("the checksum does not agree")
    with _opened(pa.BufferReader(content)) as stream:
        table, batch, runs = _told(stream.schema)
        return Part(table, stream.read_all().replace_schema_metadata(None), batch, runs)


def _peek(path: Path) -> tuple[str, BatchId, Runs]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TRAILER.size))
        _trailer(file.read(), size)
    with _opened(pa.OSFile(str(path), "rb")) as stream:
        return _told(stream.schema)


def _trailer(found: bytes, size: int) -> tuple[int, int]:
    mark, length, checksum = _TRAILER.unpack(found.rjust(_TRAILER.size))
    if mark != _MARK or length != size - _TRAILER.size:
        raise ValueError("the file is cut short")
    return length, checksum


@contextmanager
def _opened(source: pa.NativeFile) -> Iterator[pa.RecordBatchReader]:
    """Open a stream; whatever Arrow finds wrong with it (some of it an OSError) becomes a ValueError."""
    try:
        with source, pa.ipc.open_stream(source) as stream:
            yield stream
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error


def _told(schema: pa.Schema) -> tuple[str, BatchId, Runs]:
    try:
        told = json.loads((schema.metadata or {})[_KEY])
        session, number = told["batch"]
        return told["table"], BatchId(session, number), tuple((feed, n) for feed, n in told["runs"])
    except (KeyError, TypeError) as error:
        raise ValueError("the file does not say what it holds") from error

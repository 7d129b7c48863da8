"""The journal: raw frames on disk, before anything else happens to them.

    data_dir/journal/<session>/<line>.<number>.tlj      segments, oldest number first
    data_dir/journal/<session>/clean                    the session ended with nothing left to recover

A line's connection appends with write(2), no buffer of its own in between; syncing is somebody else's
business, by path. What a killed process appended is in the page cache and so survives it; what the
machine's end may cost is what was not synced.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from core.checkpointing import LineKey, Place
from core.payloads import Payloads
from stores.journal_format import Entry, Header, Torn, decode_header, encode_entry, encode_header, entries
from stores.syncing import sync_directory

SEGMENT_BYTES: Final = 64 * 2**20
SUFFIX: Final = ".tlj"
_CLEAN: Final = "clean"

Write = Callable[[int, bytes], int]
Closed = Callable[[int, int], None]
"""Hears of a segment that is full: its number, and the first frame behind it."""


class LineJournal:
    """The append side of one line. Used from one thread; `append` never raises."""

    def __init__(
        self,
        directory: Path,
        header: Header,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        opened: Callable[[Path], None] = lambda path: None,
        closed: Closed = lambda number, next_frame: None,
        write: Write = os.write,
    ) -> None:
        """`directory` is the session's; `opened` hears of a new segment, `closed` of the one before it."""
        self._directory = directory
        self._header = header
        self._segment_bytes = segment_bytes
        self._opened = opened
        self.closed = closed
        self._number: int | None = None
        self._write = write
        self._file: int | None = None
        self._good = 0

    def append(self, kind: int, first_frame: int, ts_recv_ns: int, payloads: Payloads) -> str | None:
        """Append an entry; where that fails nothing of it is left, and the reason is given in words.

        The next append tries again, so that a disk that has room again is used without asking.
        """
        entry = encode_entry(kind, first_frame, ts_recv_ns, payloads)
        try:
            if self._file is None or self._good + len(entry) > self._segment_bytes:
                self._open_next(first_frame)
            self._put(entry)
        except OSError as error:
            self._cut()
            return error.strerror or f"error {error.errno}"
        return None

    def close(self) -> None:
        """Let go of the open segment."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open_next(self, first_frame: int) -> None:
        self.close()
        path = self._directory / segment_name(self._header.line, self._header.number)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._good = 0
        header, self._header = self._header, replace(self._header, number=self._header.number + 1)
        self._put(encode_header(header))
        self._opened(path)
        before, self._number = self._number, header.number
        if before is not None:
            self.closed(before, first_frame)

    def _put(self, content: bytes) -> None:
        assert self._file is not None
        rest = memoryview(content)
        while rest:
            count = self._write(self._file, rest)  # type: ignore[arg-type]
            if not count:
                raise OSError(errno.EIO, "nothing could be written")
            rest = rest[count:]
        self._good += len(content)

    def _cut(self) -> None:
        """Take back a half-written entry; a segment that cannot be cut, or has no header, is left behind."""
        if self._file is None:
            return
        try:
            os.ftruncate(self._file, self._good)
        except OSError:
            self.close()
        if not self._good:
            self.close()


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file, as far as it makes sense."""

    path: Path
    header: Header
    nbytes: int
    entries: int
    frames: int
    torn: Torn | None


class Journal:
    """All sessions of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.path = data_dir / "journal"

    def session_path(self, session: int) -> Path:
        """Where a session's segments lie."""
        return self.path / f"{session:08d}"

    def sessions(self) -> list[int]:
        """The sessions that have segments, oldest first."""
        if not self.path.is_dir():
            return []
        return sorted(int(path.name) for path in self.path.iterdir() if path.name.isdecimal())

    def is_clean(self, session: int) -> bool:
        """Whether nothing of the session is left to recover."""
        return (self.session_path(session) / _CLEAN).exists()

    def mark_clean(self, session: int) -> None:
        """Note, durably, that nothing of the session is left to recover."""
        directory = self.session_path(session)
        if not directory.is_dir():
            return
        with (directory / _CLEAN).open("w") as file:
            os.fsync(file.fileno())
        sync_directory(directory)

    def segments(self, session: int) -> list[Path]:
        """A session's segments, line by line, oldest first."""
        return sorted(self.session_path(session).glob(f"*{SUFFIX}"))

    def covered(self, session: int, places: Mapping[LineKey, Place]) -> list[Path]:
        """A session's segments of which nothing needs to be read again."""
        return [path for path in self.segments(session) if covers(places, session, path)]

    def unclean(self, before: int) -> list[int]:
        """The sessions before one that ended with something left to recover, oldest first."""
        return [session for session in self.sessions() if session < before and not self.is_clean(session)]

    def trim(self, retention_bytes: int, behind: Iterable[Path] = ()) -> int:
        """Delete while there is too much: clean sessions, oldest first, then segments behind a checkpoint.

        Gives the bytes that are left.
        """
        left = self.nbytes
        for session in self.sessions():
            if left <= retention_bytes:
                break
            if self.is_clean(session):
                left -= sum(path.stat().st_size for path in self.segments(session))
                self._delete(session)
        for path in behind:
            if left <= retention_bytes:
                break
            if path.exists():
                left -= path.stat().st_size
                path.unlink()
        return left

    def _delete(self, session: int) -> None:
        """Delete a session; its mark goes last, so that a half-deleted one is still clean."""
        directory = self.session_path(session)
        for path in self.segments(session):
            path.unlink(missing_ok=True)
        (directory / _CLEAN).unlink(missing_ok=True)
        directory.rmdir()

    @property
    def nbytes(self) -> int:
        """Bytes of all segments."""
        return sum(path.stat().st_size for session in self.sessions() for path in self.segments(session))


def segment_name(line: str, number: int) -> str:
    """Give a segment's file name; whatever a line is called, it is one."""
    return f"{quote(line, safe='')}.{number:06d}{SUFFIX}"


def split_name(path: Path) -> tuple[str, int]:
    """Give the line and the number that a segment's file name tells."""
    line, number, _ = path.name.rsplit(".", 2)
    return unquote(line), int(number)


def covers(places: Mapping[LineKey, Place], session: int, path: Path) -> bool:
    """Tell whether nothing of a session's segment needs to be read again."""
    line, number = split_name(path)
    place = places.get((session, line))
    return place is not None and number <= place.number


def read_segment(path: Path) -> tuple[Header, Iterator[Entry | Torn]] | Torn:
    """Read a segment; OSError where the file cannot be read."""
    content = path.read_bytes()
    head = decode_header(content)
    return head if isinstance(head, Torn) else (head[0], entries(content, head[1]))


def examine(path: Path) -> Segment | Torn:
    """Read a segment to its end and say what it holds."""
    found = read_segment(path)
    if isinstance(found, Torn):
        return found
    header, items = found
    count = frames = 0
    torn: Torn | None = None
    for item in items:
        if isinstance(item, Torn):
            torn = item
        else:
            count += 1
            frames += len(item.payloads)
    return Segment(path, header, path.stat().st_size, count, frames, torn)

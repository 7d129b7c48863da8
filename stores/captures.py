"""Capture files: what a venue sent, frame by frame, as JSON lines; plain, gzip or zstd.

    {"ts_recv_ns": int, "venue": str, "dir": "recv" | "sent" | "open", "data": str}

Only `recv` is read. A file may end in the middle of a line: it is read up to the cut, and that is told.
"""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec
import zstandard

from core.errors import UsageError

_CUT_ERRORS: Final = (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile)


class CaptureLine(msgspec.Struct):
    """One line of a capture."""

    ts_recv_ns: int
    venue: str
    dir: str
    data: str


@dataclass(frozen=True, slots=True)
class Capture:
    """What a first pass over the files found."""

    paths: tuple[Path, ...]
    session: int
    """Negative 63-bit hash of the files' bytes: the same files are the same session."""
    venues: tuple[str, ...]
    """In order of appearance."""
    frames: int
    warnings: tuple[str, ...]
    """Files that end in the middle of a line."""


_decode = msgspec.json.Decoder(CaptureLine).decode


def scan(paths: Sequence[Path]) -> Capture:
    """Read the files once: their session, venues and size. UsageError where one cannot be read."""
    digest = hashlib.sha256()
    venues: dict[str, None] = {}
    frames = 0
    warnings: list[str] = []
    for path in paths:
        _hash_into(digest, path)
        for line in read([path], warnings):
            venues[line.venue] = None
            frames += 1
    session = -(int.from_bytes(digest.digest()[:8], "big") >> 1) or -1
    return Capture(tuple(paths), session, tuple(venues), frames, tuple(warnings))


def read(paths: Sequence[Path], warnings: list[str] | None = None) -> Iterator[CaptureLine]:
    """Give the received frames of the files, in the order given; what is cut off is told in `warnings`."""
    for path in paths:
        for number, raw in enumerate(_lines(path), 1):
            if isinstance(raw, Exception):
                _warn(warnings, f"{path} is cut off in its compressed data behind line {number - 1}")
                break
            line = _parse(path, number, raw)
            if line is None:
                _warn(warnings, f"{path} is cut off in the middle of line {number}")
                break
            if line.dir == "recv":
                yield line


def _parse(path: Path, number: int, raw: bytes) -> CaptureLine | None:
    """Read a line; None where it is cut off. Any other fault ends the program with a clear line."""
    try:
        line = _decode(raw)
        # JSON knows lone surrogates, which no frame could have held.
        line.data.encode()
        return line
    except (msgspec.DecodeError, UnicodeError) as error:
        if not raw.endswith(b"\n"):
            return None
        raise UsageError(f"{path}, line {number}: not a line of a capture: {error}") from None


def _lines(path: Path) -> Iterator[bytes | Exception]:
    try:
        with path.open("rb") as file, _unpacked(path, file) as stream:
            yield from stream
    except _CUT_ERRORS as error:
        yield error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def _unpacked(path: Path, file: IO[bytes]) -> IO[bytes]:
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    if path.suffix == ".zst":
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
    return file


def _hash_into(digest: "hashlib._Hash", path: Path) -> None:
    try:
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def _warn(warnings: list[str] | None, text: str) -> None:
    if warnings is not None:
        warnings.append(text)

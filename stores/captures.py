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
from typing import IO, Annotated, Any, Final, cast

import msgspec
import zstandard

from core.errors import UsageError

_CUT_ERRORS: Final = (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile)
_CHUNK_BYTES: Final = 2**14


class CaptureLine(msgspec.Struct):
    """One line of a capture."""

    ts_recv_ns: Annotated[int, msgspec.Meta(ge=1 - 2**63, le=2**63 - 1)]
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
                if number == 1 and not isinstance(raw, EOFError):
                    raise UsageError(f"{path} is not compressed as its name says: {raw}")
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
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
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
        # As it is: a second buffer around it would lose what it holds when the data ends too early.
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if path.suffix == ".zst":
        return io.BufferedReader(_Zstd(file))
    return file


class _Zstd(io.RawIOBase):
    """Reads zstd frames one behind the other; EOFError where the last one is cut off.

    The library's own stream reader ends there as if nothing were missing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame: Any = None
        self._packed = self._unpacked = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what comes next."""
        while not self._unpacked and (packed := self._packed or self._file.read(_CHUNK_BYTES)):
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._unpacked = self._frame.decompress(packed)
            self._packed = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        if not self._unpacked and self._frame is not None:
            raise EOFError("the last frame is cut off")
        taken, self._unpacked = self._unpacked[: len(buffer)], self._unpacked[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


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

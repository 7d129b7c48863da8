"""How raw frames lie in a journal segment: pure, so that every cut and every flipped bit can be tested.

A segment is a header and entries behind it. Both begin with a length and a CRC-32 of what follows them,
so that a torn tail, as a crash or a full disk leaves it, is found and cut:

    header: "TPJ1" | length u32 | crc u32 | JSON
    entry:  length u32 | crc u32 | kind u8 | first frame i64 | receive time i64 | count u32
            | count × length u32 | the payloads, one behind the other

All numbers are little-endian. The CRC is over everything behind it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import msgspec
import numpy as np

from core.payloads import Payloads
from core.records import freeze

MAGIC: Final = b"TPJ1"
FRAMES: Final = 1
"""Complete messages, in order; the first has the number `first_frame`, the others count up."""
REFUSED: Final = 2
"""A message that ended the line: two payloads, the reason and the raw bytes."""
RESET: Final = 3
"""The line was lost before and is up again here; no payload."""

_PREFIX: Final = struct.Struct("<II")
_ENTRY: Final = struct.Struct("<BqqI")
_LENGTH: Final = np.dtype("<u4")
MAX_ENTRY_BYTES: Final = 2**31


@dataclass(frozen=True, slots=True)
class Header:
    """Whose frames a segment holds."""

    session: int
    feed: str
    venue: str
    line: str
    number: int
    """Segments of a line count up."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one read of a socket gave."""

    kind: int
    first_frame: int
    ts_recv_ns: int
    payloads: Payloads


@dataclass(frozen=True, slots=True)
class Torn:
    """Where a segment stops making sense, and why; what lies before is whole."""

    offset: int
    """Bytes that are good."""
    reason: str


def encode_header(header: Header) -> bytes:
    """Give the bytes that a segment begins with."""
    body = msgspec.json.encode(asdict(header))
    return MAGIC + _PREFIX.pack(len(body), zlib.crc32(body)) + body


def encode_entry(kind: int, first_frame: int, ts_recv_ns: int, payloads: Payloads) -> bytes:
    """Give the bytes of an entry; one copy of the payloads."""
    entry = _ENTRY.pack(kind, first_frame, ts_recv_ns, len(payloads))
    head = entry + payloads.lengths.astype(_LENGTH).tobytes()
    length = len(head) + payloads.nbytes
    return b"".join((_PREFIX.pack(length, zlib.crc32(payloads.data, zlib.crc32(head))), head, payloads.data))


def entry_bytes(entry: Entry) -> int:
    """Count the bytes of an entry, its own prefix with it."""
    return _PREFIX.size + _ENTRY.size + _LENGTH.itemsize * len(entry.payloads) + entry.payloads.nbytes


def decode_header(segment: bytes) -> tuple[Header, int] | Torn:
    """Read the header; give it and the offset of the first entry."""
    start = len(MAGIC) + _PREFIX.size
    if segment[: len(MAGIC)] != MAGIC or len(segment) < start:
        return Torn(0, "it does not begin as a segment does")
    length, checksum = _PREFIX.unpack_from(segment, len(MAGIC))
    body = segment[start : start + length]
    if len(body) < length or zlib.crc32(body) != checksum:
        return Torn(0, "its header is damaged")
    try:
        return msgspec.json.decode(body, type=Header), start + length
    except msgspec.DecodeError as error:
        return Torn(0, f"its header cannot be read: {error}")


def entries(segment: bytes, offset: int) -> Iterator[Entry | Torn]:
    """Give the entries from an offset on; a `Torn` comes last where the rest makes no sense."""
    size = len(segment)
    while offset < size:
        entry = _decode_entry(segment, offset, size)
        if isinstance(entry, str):
            yield Torn(offset, entry)
            return
        decoded, offset = entry
        yield decoded


def _decode_entry(segment: bytes, offset: int, size: int) -> tuple[Entry, int] | str:
    start = offset + _PREFIX.size
    if start > size:
        return "an entry is cut off in its length"
    length, checksum = _PREFIX.unpack_from(segment, offset)
    if not _ENTRY.size <= length <= MAX_ENTRY_BYTES:
        return "an entry has an impossible length"
    if start + length > size:
        return "an entry is cut off"
    body = memoryview(segment)[start : start + length]
    if zlib.crc32(body) != checksum:
        return "an entry does not agree with its checksum"
    entry = _split(body)
    return (entry, start + length) if isinstance(entry, Entry) else entry


def _split(body: memoryview) -> Entry | str:
    kind, first_frame, ts_recv_ns, count = _ENTRY.unpack_from(body)
    begin = _ENTRY.size + _LENGTH.itemsize * count
    if begin > len(body):
        return "an entry counts more frames than it holds"
    ends = freeze(np.cumsum(np.frombuffer(body[_ENTRY.size : begin], _LENGTH), dtype=np.int64))
    if begin + (int(ends[-1]) if count else 0) != len(body):
        return "an entry's frames do not fill it"
    return Entry(kind, first_frame, ts_recv_ns, Payloads(bytes(body[begin:]), ends))

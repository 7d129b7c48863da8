"""Frames as a server writes and reads them, as wrong as a test wants, and those that a capture holds."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import zstandard

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MASK = b"\x5a\xa5\x3c\xc3"


@dataclass(frozen=True)
class Frame:
    """A frame that the client sent, unmasked."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: int
    masked: bool

    @property
    def text(self) -> str | None:
        """Give a text frame's text."""
        return self.payload.decode() if self.opcode == TEXT else None


def encode_frame(
    opcode: int, payload: bytes | str, fin: bool = True, rsv: int = 0, masked: bool = False
) -> bytes:
    """Give a frame's bytes (RFC 6455 section 5.2), as wrong as asked for."""
    payload = payload.encode() if isinstance(payload, str) else payload
    first, mask_bit, length = fin << 7 | rsv << 4 | opcode, masked << 7, len(payload)
    if length < 126:
        head = bytes([first, mask_bit | length])
    elif length < 1 << 16:
        head = bytes([first, mask_bit | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([first, mask_bit | 127]) + length.to_bytes(8, "big")
    return head + (_MASK + masked_by(payload, _MASK) if masked else payload)


def masked_by(payload: bytes, mask: bytes) -> bytes:
    """Mask or unmask a payload with four bytes."""
    length = len(payload)
    key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")


def capture_texts(path: Path) -> Iterator[str]:
    """Give the frames that a capture (`.jsonl`, `.gz`, `.zst`) received."""
    with _opened(path) as lines:
        for line in lines:
            record = json.loads(line)
            if record["dir"] == "recv":
                yield record["data"]


def _opened(path: Path) -> TextIO:
    match path.suffix:
        case ".gz":
            return gzip.open(path, "rt", encoding="utf-8")
        case ".zst":
            lines: TextIO = zstandard.open(path, "rt", encoding="utf-8")
            return lines
        case _:
            return path.open(encoding="utf-8")

"""Read and write WebSocket frames as values: RFC 6455, the client's side, no extension, no I/O.

`read` turns a state and some bytes into a new state and what became complete. The old state is untouched:
whoever fails midway can read the same bytes into it again.
"""

from dataclasses import dataclass, field
from typing import Final

from core import utf8
from core.errors import ProtocolError
from core.payloads import NO_MESSAGES, Payloads
from core.records import RAW_LIMIT
from core.replies import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_PAYLOAD,
    MAX_CONTROL_BYTES,
    NORMAL_CLOSURE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Event,
    answer,
    close_payload,
    encode,
    farewell,
    parse_close,
)
from core.splitting import Gathering

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "INVALID_PAYLOAD",
    "MAX_CONTROL_BYTES",
    "NORMAL_CLOSURE",
    "PING",
    "PONG",
    "PROTOCOL_ERROR",
    "TEXT",
    "TOO_BIG",
    "Event",
    "FrameState",
    "Reading",
    "answer",
    "close_payload",
    "encode",
    "farewell",
    "parse_close",
    "read",
]

_OPCODES: Final = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_MERGE_BYTES: Final = 64 * 1024
_EXTENDED_LENGTH: Final = {126: 2, 127: 8}


@dataclass(frozen=True, slots=True)
class FrameState:
    """What is remembered between two reads; `FrameState()` is the start of a connection."""

    held: bytes = b""
    """Start of a frame whose header is incomplete, or of an incomplete control frame."""
    opcode: int = CONTINUATION
    """TEXT or BINARY while a message is under way."""
    parts: tuple[bytes, ...] = ()
    """The message's payload so far."""
    size: int = 0
    """Bytes of the message that its headers have announced so far."""
    remaining: int = 0
    """Bytes that the frame under way still owes."""
    final: bool = False
    """The frame under way is its message's last."""
    tail: bytes = b""
    """The unfinished UTF-8 character that the payload so far ends with."""
    ended: bool = False
    """A close frame or a protocol error was read: whatever follows is ignored."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read gave."""

    state: FrameState
    texts: Payloads = field(default_factory=lambda: NO_MESSAGES)
    """Messages that became complete, text and binary, in order; also those before an error."""
    controls: tuple[Event, ...] = ()
    """Pings, pongs and a close frame, in order."""
    opcodes: bytes = b""
    """Of messages and control frames together, in order."""
    error: ProtocolError | None = None
    """The peer's fault; answer it with `farewell` and close."""
    offending: bytes | None = None
    """With close codes 1007 and 1009: the payload at fault as far as it is here, cut at RAW_LIMIT."""

    @property
    def events(self) -> tuple[Event, ...]:
        """Messages and control frames together, in order, an object each."""
        texts, controls = iter(self.texts), iter(self.controls)
        return tuple((opcode, next(texts)) if opcode <= BINARY else next(controls) for opcode in self.opcodes)


def read(state: FrameState, data: bytes, max_message_bytes: int) -> Reading:
    """Read bytes from a server; whatever they are, nothing is raised.

    A message longer than `max_message_bytes`, over all its fragments, is refused as soon as a
    header announces it. Text is checked to be UTF-8 as it arrives, before its frame is complete.
    """
    if state.ended or not data:
        return Reading(state)
    cursor = _Cursor(state, data, max_message_bytes)
    try:
        cursor.run()
    except ProtocolError as error:
        return cursor.reading(FrameState(ended=True), error)
    return cursor.reading(cursor.state())


class _Cursor:
    """The working copy of a state while one buffer is read."""

    __slots__ = (
        "data", "ended", "final", "found", "limit", "offending",
        "opcode", "parts", "pos", "remaining", "size", "tail",
    )  # fmt: skip

    def __init__(self, state: FrameState, data: bytes, limit: int) -> None:
        self.data = state.held + data if state.held else data
        self.pos = 0
        self.limit = limit
        self.found = Gathering()
        self.offending: bytes | None = None
        self.ended = False
        self.final = state.final
        self.remaining = state.remaining
        self._begin(state.opcode, list(state.parts), state.size, state.tail)

    def _begin(self, opcode: int, parts: list[bytes], size: int, tail: bytes) -> None:
        self.opcode = opcode
        self.parts = parts
        self.size = size
        self.tail = tail

    def reading(self, state: FrameState, error: ProtocolError | None = None) -> Reading:
        found = self.found
        return Reading(
            state, found.messages(), tuple(found.controls), bytes(found.opcodes), error, self.offending
        )

    def state(self) -> FrameState:
        if self.ended:
            return FrameState(ended=True)
        return FrameState(
            held=self.data[self.pos :],
            opcode=self.opcode,
            parts=tuple(self.parts),
            size=self.size,
            remaining=self.remaining,
            final=self.final,
            tail=self.tail,
        )

    def run(self) -> None:
        proceed = self._payload() if self.remaining else True
        while proceed:
            if not self.opcode:
                self.pos = self.found.split(self.data, self.pos, self.limit)
            proceed = self._frame()

    def _frame(self) -> bool:
        """Read one frame, or what there is of it; tell whether the next one may be read."""
        pos = self.pos
        if len(self.data) - pos < 2:
            return False
        first, second = self.data[pos], self.data[pos + 1]
        _check_start(first, second, self.opcode)
        start = pos + 2 + _EXTENDED_LENGTH.get(second, 0)
        if start > len(self.data):
            return False
        length = _length(second, self.data[pos + 2 : start])
        if first & 0x08:
            return self._control(first & 0x0F, start, start + length)
        self.opcode = self.opcode or first & 0x0F
        self.size += length
        self.remaining = length
        self.final = first >= 0x80
        self.pos = start
        if self.size > self.limit:
            self._refuse(TOO_BIG, f"message is longer than {self.limit} bytes")
        return self._payload()

    def _control(self, opcode: int, start: int, stop: int) -> bool:
        if stop > len(self.data):
            return False
        payload = self.data[start:stop]
        if opcode == CLOSE:
            self.ended = True
            try:
                parse_close(payload)
            except ProtocolError as error:
                self.offending = payload if error.close_code == INVALID_PAYLOAD else None
                raise
        self.found.add(opcode, payload)
        self.pos = stop
        return not self.ended

    def _payload(self) -> bool:
        """Take what is here of a data frame's payload; tell whether it was all of it."""
        piece = self.data[self.pos : self.pos + self.remaining]
        complete = len(piece) == self.remaining
        if self.opcode == TEXT:
            tail = utf8.advance(self.tail, piece)
            if tail is None or (tail and complete and self.final):
                self._refuse(INVALID_PAYLOAD, "text is not valid UTF-8")
            self.tail = tail or b""
        self.pos += len(piece)
        self.remaining -= len(piece)
        _append(self.parts, piece)
        if complete and self.final:
            self.found.add(self.opcode, b"".join(self.parts))
            self._begin(CONTINUATION, [], 0, b"")
            self.final = False
        return complete

    def _refuse(self, close_code: int, text: str) -> None:
        here = self.data[self.pos : self.pos + min(self.remaining, RAW_LIMIT)]
        self.offending = b"".join((*_first_bytes(self.parts), here))[:RAW_LIMIT]
        raise ProtocolError(close_code, text)


def _check_start(first: int, second: int, message_opcode: int) -> None:
    """Refuse what the first two bytes of a frame already show to be wrong."""
    opcode = first & 0x0F
    final = first & 0x80
    if first & 0x70:
        raise ProtocolError(PROTOCOL_ERROR, "reserved bits are set, yet no extension was agreed on")
    if opcode not in _OPCODES:
        raise ProtocolError(PROTOCOL_ERROR, f"opcode {opcode} is reserved")
    if second & 0x80:
        raise ProtocolError(PROTOCOL_ERROR, "a server's frame is masked")
    if opcode >= CLOSE:
        if not final:
            raise ProtocolError(PROTOCOL_ERROR, "a control frame is fragmented")
        if second > MAX_CONTROL_BYTES:
            raise ProtocolError(PROTOCOL_ERROR, "a control frame is longer than 125 bytes")
    elif opcode == CONTINUATION and not message_opcode:
        raise ProtocolError(PROTOCOL_ERROR, "a continuation frame continues nothing")
    elif opcode != CONTINUATION and message_opcode:
        raise ProtocolError(PROTOCOL_ERROR, "a new message begins inside a fragmented one")


def _length(short: int, extended: bytes) -> int:
    """Read a payload's length: the seven bits, or the two or eight bytes behind them."""
    if not extended:
        return short
    length = int.from_bytes(extended, "big")
    if length >= 2**63:
        raise ProtocolError(PROTOCOL_ERROR, "the top bit of a 64-bit length is set")
    if length < (126 if len(extended) == 2 else 2**16):
        raise ProtocolError(PROTOCOL_ERROR, "a length is not written in the fewest bytes")
    return length


def _append(parts: list[bytes], piece: bytes) -> None:
    """Append a piece, joining small ones, so that neither their number nor the copying gets out of hand."""
    if not piece:
        return
    while parts and len(parts[-1]) <= len(piece) and len(parts[-1]) < _MERGE_BYTES:
        piece = parts.pop() + piece
    parts.append(piece)


def _first_bytes(parts: list[bytes]) -> list[bytes]:
    """Give the leading parts that hold the first RAW_LIMIT bytes, without touching the rest."""
    count = 0
    for number, part in enumerate(parts):
        if count >= RAW_LIMIT:
            return parts[:number]
        count += len(part)
    return parts

"""Write WebSocket frames, and decide what a peer is answered: RFC 6455, the client's side, as values."""

from typing import Final

from core.errors import ProtocolError

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

NORMAL_CLOSURE: Final = 1000
PROTOCOL_ERROR: Final = 1002
INVALID_PAYLOAD: Final = 1007
TOO_BIG: Final = 1009
MAX_CONTROL_BYTES: Final = 125

Event = tuple[int, bytes]
"""An opcode (TEXT, BINARY, CLOSE, PING or PONG) with its payload; a message's fragments are joined."""


def encode(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """Write an unfragmented client frame; `mask` is four fresh random bytes. Cost grows with the payload."""
    length = len(payload)
    if len(mask) != 4:
        raise ValueError("a mask has four bytes")
    if opcode >= CLOSE and length > MAX_CONTROL_BYTES:
        raise ValueError("a control frame holds at most 125 bytes")
    if length < 126:
        header = bytes((0x80 | opcode, 0x80 | length))
    elif length < 2**16:
        header = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    pad = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(pad, "little")
    return header + mask + masked.to_bytes(length, "little")


def close_payload(code: int | None, reason: str = "") -> bytes:
    """Write a close frame's payload; the reason is cut, between characters, to the 123 bytes it may have."""
    if code is None:
        return b""
    text = reason.encode("utf-8", "replace")[: MAX_CONTROL_BYTES - 2]
    return code.to_bytes(2, "big") + text.decode("utf-8", "ignore").encode()


def parse_close(payload: bytes) -> tuple[int | None, str]:
    """Read a close frame's payload: code (None if there is none) and reason.

    ProtocolError if it is not one; of an event's payload, that cannot happen.
    """
    if not payload:
        return None, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not _may_be_sent(code):
        raise ProtocolError(PROTOCOL_ERROR, "a close frame has no valid code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_PAYLOAD, "a close frame's reason is not valid UTF-8") from None


def _may_be_sent(code: int) -> bool:
    """Tell whether a close code may be on the wire: RFC 6455 section 7.4, and IANA's 1012 to 1014."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def answer(event: Event) -> Event | None:
    """Give what RFC 6455 wants sent back at once: a ping's pong, a close frame's echo with its code."""
    opcode, payload = event
    if opcode == PING:
        return PONG, payload
    if opcode == CLOSE:
        return CLOSE, payload[:2]
    return None


def farewell(error: ProtocolError) -> Event:
    """Give the close frame that tells the peer of its fault; behind it the connection is closed."""
    return CLOSE, close_payload(error.close_code, str(error))

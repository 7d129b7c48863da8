"""A WebSocket server's side of one connection, as little of it as a load generator needs."""

import base64
import hashlib
import socket
from typing import Final

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT: Final = 1
_CLOSE: Final = 8


class Peer:
    """Reads a client's frames, and sends what was framed already."""

    def __init__(self, accepted: socket.socket) -> None:
        self._reader = accepted.makefile("rb")
        self._socket = accepted
        self.send = accepted.sendall

    def end(self) -> None:
        """Say that nothing more is sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def read_line(self) -> bytes:
        """Give a line of the handshake, b"" at its end."""
        return self._reader.readline().strip()

    def read_text(self) -> str | None:
        """Give the next text message; None once the client has closed."""
        while head := self._reader.read(2):
            opcode, length = head[0] & 0x0F, head[1] & 0x7F
            if length > 125:
                length = int.from_bytes(self._reader.read(2 if length == 126 else 8), "big")
            mask = self._reader.read(4) if head[1] & 0x80 else bytes(4)
            payload = _unmasked(self._reader.read(length), mask)
            if opcode == _TEXT:
                return payload.decode()
            if opcode == _CLOSE:
                return None
        return None


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def accept_key(peer: Peer) -> str:
    """Answer a handshake; give the path that was asked for, "" where it was none."""
    request = peer.read_line().decode("latin-1").split(" ")
    key = b""
    while line := peer.read_line():
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            key = value.strip()
    if not key:
        return ""
    accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )
    return request[1]

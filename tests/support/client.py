"""The exchange's end of one client's connection: handshake, frames both ways, and ways to go wrong."""

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from functools import partial
from select import select
from typing import TypeVar

from tests.support.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame, encode_frame, masked_by

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK_BYTES = 1 << 16

Result = TypeVar("Result")


class ClientGone(Exception):
    """The connection has ended, by whichever side."""


def wait_until(
    changed: threading.Condition, reached: Callable[[], bool], timeout: float, otherwise: str
) -> None:
    """Wait for a change that makes a condition true; AssertionError with a text if it never does."""
    with changed:
        assert changed.wait_for(reached, timeout), f"{otherwise} within {timeout:g} s"


class Client:
    """One connection. Every method may be called from any thread; sending raises ClientGone at its end.

    The socket does not block: a thread that waits for it also waits for the end of the connection, and
    a TLS socket is touched by one thread at a time.
    """

    def __init__(self, sock: socket.socket, timeout: float, answer_pings: bool) -> None:
        self.path = ""
        self.headers: dict[str, str] = {}
        """The handshake's, with names in lower case."""
        self.received: list[Frame] = []
        self._sock = sock
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout = timeout
        self._answer_pings = answer_pings
        self._changed = threading.Condition()
        self._stalled = self._ended = self._close_sent = self._client_gone = False
        self._woken, self._waker = socket.socketpair()
        self._touching = threading.Lock()
        self._sending = threading.Lock()
        self._unread = b""

    def send_text(self, text: str) -> None:
        """Send a text message."""
        self.send_frame(TEXT, text)

    def send_frame(
        self, opcode: int, payload: bytes | str, fin: bool = True, rsv: int = 0, masked: bool = False
    ) -> None:
        """Send one frame, as wrong as asked for."""
        self._close_sent |= opcode == CLOSE
        self.send_bytes_raw(encode_frame(opcode, payload, fin, rsv, masked))

    def send_bytes_raw(self, raw: bytes) -> None:
        """Send bytes as they are, as fast as the client takes them."""
        with self._sending:
            sent = 0
            while sent < len(raw):
                sent += self._try(partial(self._send_some, raw, sent), for_write=True)

    def play(self, messages: Iterable[str | bytes]) -> None:
        """Send messages, text and binary, as fast as the client reads, in chunks of 64 KiB.

        `tests.support.frames.capture_texts` gives those of a capture.
        """
        chunk = bytearray()
        for message in messages:
            chunk += encode_frame(TEXT if isinstance(message, str) else BINARY, message)
            if len(chunk) >= _CHUNK_BYTES:
                self.send_bytes_raw(bytes(chunk))
                chunk.clear()
        self.send_bytes_raw(bytes(chunk))

    def wait_for_frame(self, wanted: Callable[[Frame], bool], timeout: float | None = None) -> Frame:
        """Give the first received frame that is wanted, whenever it came."""
        self._wait(lambda: any(map(wanted, self.received)), timeout, "no such frame came")
        return next(frame for frame in self.received if wanted(frame))

    def wait_for_text(
        self, wanted: Callable[[str], bool] = lambda _: True, timeout: float | None = None
    ) -> str:
        """Give the first received text that is wanted, whenever it came."""
        frame = self.wait_for_frame(lambda frame: frame.text is not None and wanted(frame.text), timeout)
        return frame.payload.decode()

    def wait_for_end(self, timeout: float | None = None) -> None:
        """Wait until the client has ended its side or the connection is gone."""
        self._wait(lambda: self._client_gone or self._ended, timeout, "the connection did not end")

    def stall(self) -> None:
        """Stop reading and sending: what is sent waits until `resume`."""
        with self._touching:
            self._stalled = True

    def resume(self) -> None:
        """Read and send again."""
        with self._changed:
            self._stalled = False
            self._changed.notify_all()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame; the connection stays for the client's answer."""
        self.send_frame(CLOSE, code.to_bytes(2, "big") + reason.encode())

    def half_close(self) -> None:
        """End our side of the TCP connection (FIN); the client may still talk."""
        with self._touching, contextlib.suppress(OSError):  # Reset already: there is no side to end.
            if not self._ended:
                socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def cut(self) -> None:
        """End the connection by a reset (RST), whatever is still on its way. Legal at any time."""
        with self._changed:
            if self._ended:
                return
            self._ended = True
            self._changed.notify_all()
        self._waker.close()
        with self._touching:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._sock.close()

    def receive_handshake(self, context: ssl.SSLContext | None) -> None:
        """Agree on TLS if there is a context, and read the client's request."""
        if context is not None:
            self._try(self._secure(context).do_handshake)
        head = self._read_until_blank_line().decode("latin-1").split("\r\n")
        self.path = head[0].split(" ")[1]
        pairs = (line.partition(":") for line in head[1:] if line)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def answer_handshake(self, greeting: bytes) -> None:
        """Accept the client's request; the greeting goes out in the same segment."""
        key = self.headers["sec-websocket-key"] + _GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.send_bytes_raw(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode() + greeting)

    def client_has_gone(self) -> None:
        """Note that nothing more will come, and end our side as well."""
        self.half_close()
        with self._changed:
            self._client_gone = True
            self._changed.notify_all()

    def read_frames(self) -> None:
        """Read until the client's side ends; answer pings and close (RFC 6455 section 5.5)."""
        while True:
            first, second = self._exactly(2)
            length = second & 127
            if length > 125:
                length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
            mask = self._exactly(4) if second >> 7 else b""
            payload = self._exactly(length)
            payload = masked_by(payload, mask) if mask else payload
            frame = Frame(first & 15, payload, bool(first >> 7), first >> 4 & 7, bool(mask))
            with self._changed:
                self.received.append(frame)
                self._changed.notify_all()
            self._react(frame)

    def dispose(self) -> None:
        """Cut the connection if it is not, and free what is left; no thread may use it any more."""
        self.cut()
        self._woken.close()

    def _secure(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        with self._touching:
            if self._ended:
                raise ClientGone
            try:
                secured = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            except OSError as error:
                raise ClientGone from error
            self._sock = secured
            return secured

    def _send_some(self, raw: bytes, sent: int) -> int:
        return self._sock.send(memoryview(raw)[sent:])

    def _react(self, frame: Frame) -> None:
        if frame.opcode == PING and self._answer_pings:
            self.send_frame(PONG, frame.payload)
        elif frame.opcode == CLOSE:
            if not self._close_sent:
                self.send_frame(CLOSE, frame.payload[:2])
            self.half_close()

    def _exactly(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._unread += self._receive()
        taken, self._unread = self._unread[:length], self._unread[length:]
        return taken

    def _read_until_blank_line(self) -> bytes:
        while b"\r\n\r\n" not in self._unread:
            self._unread += self._receive()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    def _receive(self) -> bytes:
        received = self._try(lambda: self._sock.recv(1 << 16))
        if not received:
            raise ClientGone
        return received

    def _try(self, action: Callable[[], Result], for_write: bool = False) -> Result:
        """Do something with the socket as soon as it is possible."""
        while True:
            self._pass_stall()
            with self._touching:
                if self._ended:
                    raise ClientGone
                if self._stalled:
                    continue
                try:
                    return action()
                except ssl.SSLWantReadError:
                    for_write = False
                except ssl.SSLWantWriteError:
                    for_write = True
                except BlockingIOError:
                    pass
                except OSError as error:
                    raise ClientGone from error
                place = self._sock.fileno()
            with contextlib.suppress(OSError):  # Cut in between: the next turn says so.
                reading = [self._woken.fileno()] if for_write else [self._woken.fileno(), place]
                select(reading, [place] if for_write else [], [])

    def _pass_stall(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._stalled)

    def _wait(self, reached: Callable[[], bool], timeout: float | None, otherwise: str) -> None:
        over = self._timeout if timeout is None else timeout
        wait_until(self._changed, lambda: reached() or self._client_gone or self._ended, over, otherwise)
        if not reached():
            raise ClientGone(f"the connection ended: {otherwise}")

"""A connected socket, plain or TLS, that never blocks: the bytes below the frames."""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Final, Protocol

READ_BYTES: Final = 256 * 1024
MAX_UNSENT_BYTES: Final = 64 * 1024 * 1024
_SEND_BYTES: Final = 64 * 1024
_WOULD_BLOCK: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer's side of the connection is over; no byte will come any more."""

    reason: str
    """In words, for the log."""
    clean: bool
    """The peer ended it in order: end of file, under TLS announced by its closing alert."""


class Transport(Protocol):
    """What a connection needs of its socket. Used from one thread; nothing blocks, nothing raises."""

    def fileno(self) -> int:
        """Give the descriptor to select on; -1 once closed."""

    def read(self, budget_bytes: int) -> bytes | Ended:
        """Give what has arrived, at most so many bytes: b"" if nothing is here now, Ended at the end.

        Bytes that came before the end are given first. Once Ended, always Ended.
        """

    def pending(self) -> bool:
        """Tell whether to read without waiting for the selector, which cannot see what TLS holds."""

    def write(self, frames: bytes) -> None:
        """Send, and keep what the socket does not take now. After a failure the next read tells of it."""

    @property
    def wants_write(self) -> bool:
        """Tell whether to select for writing, and then to `flush`."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait to be sent."""

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""

    def close(self) -> None:
        """Let go of the socket; what waits is not sent. Legal at any time."""


class SocketTransport:
    """A Transport over a connected socket, which it makes non-blocking and owns from here on.

    A TLS socket should be wrapped with `suppress_ragged_eofs=False`, else a cut looks like an end.
    A peer for which more than `max_unsent_bytes` wait is given up.
    """

    def __init__(self, connected: socket.socket, max_unsent_bytes: int = MAX_UNSENT_BYTES) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._unsent = bytearray()
        self._max_unsent_bytes = max_unsent_bytes
        self._ended: Ended | None = None
        self._closed = False
        # What came right behind the handshake may lie decrypted already, unseen by any selector.
        self._unread = self._tls

    def fileno(self) -> int:
        """Give the descriptor to select on; -1 once closed."""
        return self._socket.fileno()

    def pending(self) -> bool:
        """Tell whether to read without waiting for the selector, which cannot see what TLS holds."""
        return self._unread

    @property
    def wants_write(self) -> bool:
        """Tell whether to select for writing, and then to `flush`."""
        return bool(self._unsent)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._unsent)

    def read(self, budget_bytes: int) -> bytes | Ended:
        """Give what has arrived, at most so many bytes and READ_BYTES: b"" if nothing is here now.

        After a failed write, what the peer had sent before is still given, then Ended.
        """
        count = 0 if self._closed else self._receive(min(budget_bytes, READ_BYTES))
        if count or self._ended is None:
            return bytes(self._buffer[:count])
        self._unread = False
        return self._ended

    def _receive(self, wanted: int) -> int:
        """Fill the buffer; under TLS, whose reads give a record each, until it is full or nothing is left."""
        count = 0
        while count < wanted:
            received = self._receive_once(self._buffer[count:wanted])
            count += received
            if not received or not self._tls:
                break
        self._unread = count == wanted or self._ended is not None
        return count

    def _receive_once(self, room: memoryview) -> int:
        try:
            received = self._socket.recv_into(room)
        except _WOULD_BLOCK:
            return 0
        except OSError as error:
            self._end(_in_words(error), clean=False)
            return 0
        if not received:
            self._end("the peer closed the connection", clean=True)
        return received

    def write(self, frames: bytes) -> None:
        """Send, and keep what the socket does not take now. After a failure the next read tells of it."""
        if self._ended is not None:
            return
        self._unsent += frames
        self.flush()
        if len(self._unsent) > self._max_unsent_bytes:
            self._end("the peer does not read what it is sent", clean=False)

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent[:_SEND_BYTES])
            except _WOULD_BLOCK:
                return
            except OSError as error:
                self._end(_in_words(error), clean=False)
                return
            del self._unsent[:sent]

    def close(self) -> None:
        """Let go of the socket; what waits is not sent. Legal at any time."""
        if self._closed:
            return
        self._end("closed by ourselves", clean=True)
        self._closed = True
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()
        self._socket.close()

    def _end(self, reason: str, clean: bool) -> None:
        """Remember the first end; `pending` holds until a read has told of it."""
        self._unsent.clear()
        self._unread = True
        self._ended = self._ended or Ended(reason, clean)


def _in_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLEOFError):
        return "the peer cut the connection without the closing alert of TLS"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'unknown error'}"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the peer reset the connection"
    return f"the connection failed: {error.strerror or 'unknown error'}"

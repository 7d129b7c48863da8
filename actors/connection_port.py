"""The port of a connection: its socket is one more source of messages.

One selector waits on the socket and on a descriptor that the mailbox wakes, so that a control message
never waits behind a read and no thread exists only to shovel bytes.
"""

import contextlib
import selectors
import socket
from threading import Lock
from typing import Any, Final

from actors.gate import Gate
from actors.port import Port
from actors.transport import Ended, Transport
from messages.ingestion import BytesReceived, TransportLost

READ_BUDGET_BYTES: Final = 256 * 1024
LONGEST_WAIT_SECONDS: Final = 3600.0
"""A selector takes no wait of weeks, which a venue's Retry-After may well ask for."""


class ConnectionPort(Port):
    """Control, timers, then the socket while every gate ahead is open."""

    def __init__(self, slot: Any, gates: tuple[Gate, ...] = (), hold: Any = None) -> None:
        super().__init__(slot, gates, hold)
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._watched: Transport | None = None
        self._watched_fd = -1
        self._watched_events = 0
        self._waking = Lock()
        self._closed = False
        slot.mailbox.listen(self._wake)

    def poll_source(self) -> BytesReceived | TransportLost | None:
        """Read the socket once, if it may be read and has something."""
        transport: Transport | None = self.slot.state.transport
        if transport is None or not self.open:
            return None
        got = transport.read(READ_BUDGET_BYTES)
        if isinstance(got, Ended):
            return TransportLost(got.reason)
        return BytesReceived(got, self.slot.clock.time_ns()) if got else None

    def rest(self) -> None:
        """Wait for the socket, the mailbox or the next timer."""
        transport: Transport | None = self.slot.state.transport
        self._watch(transport)
        if self.slot.mailbox.has_control() or (transport is not None and self.open and transport.pending()):
            return
        due = self.slot.next_due()
        now = self.slot.clock.monotonic()
        seconds = None if due is None else min(max(0.0, due - now), LONGEST_WAIT_SECONDS)
        for key, events in self._selector.select(seconds):
            if key.fileobj is self._wake_reader:
                self._drain_wakes()
            elif transport is not None and events & selectors.EVENT_WRITE:
                transport.flush()

    def close(self) -> None:
        """Let go of the selector and the wake-up descriptor; the socket stays with the slot.

        The mailbox goes on calling whoever listens: that may be the port of a replacement by now.
        """
        with self._waking:
            self._closed = True
            self._selector.close()
            self._wake_reader.close()
            self._wake_writer.close()

    def _watch(self, transport: Transport | None) -> None:
        """Have the selector wait for what the transport wants now."""
        events = 0
        if transport is not None:
            events = (selectors.EVENT_READ if self.open else 0) | (
                selectors.EVENT_WRITE if transport.wants_write else 0
            )
        if transport is self._watched and events == self._watched_events:
            return
        if self._watched_events:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self._selector.unregister(self._watched_fd)
        self._watched, self._watched_events = transport, 0
        if transport is not None and events and transport.fileno() >= 0:
            self._watched_fd, self._watched_events = transport.fileno(), events
            self._selector.register(self._watched_fd, events)

    def _wake(self) -> None:
        # Locked, since a descriptor that is closed meanwhile may be another socket's by now. A full
        # buffer means that a wake-up is already on its way.
        with self._waking, contextlib.suppress(BlockingIOError):
            if not self._closed:
                self._wake_writer.send(b"\0")

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_reader.recv(4096):
                pass

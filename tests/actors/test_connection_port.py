"""How a connection's port waits: for its socket, its mailbox, its timers and its gate, and no longer."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actors.clock import SystemClock
from actors.connection_port import ConnectionPort
from actors.gate import Gate
from actors.mailbox import Mailbox
from actors.slot import Slot, Transaction
from actors.transport import SocketTransport
from core.line import LineState
from messages.ingestion import CheckStaleness

LONG_SECONDS = 60.0


class Waiting:
    """A port over one end of a socket pair."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.transport = SocketTransport(ours)
        self.gate = Gate()
        self.slot = Slot("connection", LineState(transport=self.transport), Mailbox(), SystemClock())
        self.gate.on_open(self.slot.mailbox.notify)
        self.port = ConnectionPort(self.slot, (self.gate,))

    def set_timer(self, seconds: float) -> None:
        """Have a timer end every wait."""
        tx = Transaction(self.slot)
        tx.start_timer("test", seconds, CheckStaleness())
        for effect in tx.effects:
            effect()

    def rest(self) -> float:
        """Wait once; give the seconds that are left until the timer."""
        self.port.rest()
        due = self.slot.next_due()
        assert due is not None
        return due - self.slot.clock.monotonic()

    def close(self) -> None:
        self.port.close()
        self.transport.close()
        self.theirs.close()


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    made = Waiting()
    yield made
    made.close()


def test_bytes_end_the_wait(waiting: Waiting) -> None:
    waiting.set_timer(LONG_SECONDS)
    waiting.theirs.sendall(b"x")
    assert waiting.rest() > 0


def test_nothing_but_the_timer_ends_it_else(waiting: Waiting) -> None:
    waiting.set_timer(0.05)
    assert waiting.rest() <= 0


def test_bytes_behind_a_closed_gate_do_not_keep_it_awake(waiting: Waiting) -> None:
    waiting.theirs.sendall(b"x")
    waiting.gate.close("full")
    waiting.set_timer(0.05)
    assert waiting.rest() <= 0


@pytest.mark.parametrize("wake", ["message", "gate"])
def test_another_thread_ends_the_wait(wake: str, waiting: Waiting) -> None:
    waiting.set_timer(LONG_SECONDS)
    waiting.gate.close("full")
    action: Any = (
        (lambda: waiting.slot.mailbox.put_control("message"))
        if wake == "message"
        else (lambda: waiting.gate.open("full"))
    )
    thread = threading.Thread(target=action)
    thread.start()
    assert waiting.rest() > 0
    thread.join()


def test_what_the_socket_did_not_take_is_sent_while_it_waits(waiting: Waiting) -> None:
    """Even behind a closed gate."""
    waiting.gate.close("full")
    waiting.set_timer(LONG_SECONDS)
    sent = bytes(range(256)) * 20_000
    waiting.transport.write(sent)
    assert waiting.transport.unsent_bytes
    received = bytearray()

    def receive() -> None:
        while len(received) < len(sent):
            received.extend(waiting.theirs.recv(1 << 16))

    thread = threading.Thread(target=receive)
    thread.start()
    while waiting.transport.unsent_bytes:
        assert waiting.rest() > 0
    thread.join()
    assert received == sent


def test_a_new_socket_is_watched_in_the_place_of_the_old(waiting: Waiting) -> None:
    """Its descriptor may well have the old one's number."""
    waiting.set_timer(LONG_SECONDS)
    waiting.theirs.sendall(b"x")
    assert waiting.rest() > 0
    waiting.transport.close()
    waiting.theirs.close()
    ours, waiting.theirs = socket.socketpair()
    waiting.transport = SocketTransport(ours)
    waiting.slot.state = LineState(transport=waiting.transport)
    waiting.theirs.sendall(b"y")
    assert waiting.rest() > 0
    waiting.transport.read(100)
    waiting.set_timer(0.05)
    assert waiting.rest() <= 0


def test_a_closed_port_may_still_be_woken(waiting: Waiting) -> None:
    waiting.port.close()
    waiting.slot.mailbox.put_control("message")
    waiting.port.close()

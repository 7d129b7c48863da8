"""One connection actor on its thread, with real sockets; a test plays the normalizer and the monitor."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from time import monotonic
from typing import Any

import pykka

from actors.address import Address
from actors.clock import SystemClock
from actors.connection import ConnectionActor
from actors.dialer import start_dialer
from actors.dialing import dial
from actors.gate import Gate
from actors.mailbox import Mailbox
from actors.slot import Slot
from actors.transport import Transport
from core.line import LineState
from messages.ingestion import Dialed, Frames
from messages.observation import LineChanged
from tests.support.one_line import Plain, all_data, terms
from venues.dialect import Dialect, FeedTerms

PATIENCE_SECONDS = 20.0


class Hasty(Random):
    """Draws the shortest wait there is, and not even that."""

    def uniform(self, a: float, b: float) -> float:
        return 0.001


class LiveLine:
    """A connection actor and everybody it speaks with."""

    def __init__(
        self, url: str, dialect: type[Dialect], timeout_seconds: float, ca_file: str | None, **other: Any
    ) -> None:
        self.transports: list[Transport] = []
        """Of all connections, in order."""
        self.normalizer = Mailbox()
        self.monitor = Mailbox()
        self.supervisor = Mailbox()
        self.gate = Gate()
        self.data: list[Any] = []
        """What the normalizer was given so far."""
        self.events: list[Any] = []
        """What the monitor was told so far."""
        self._url, self._timeout_seconds, self._ca_file = url, timeout_seconds, ca_file
        self.slot = Slot(
            "connection/f/0/A", LineState(), Mailbox(), SystemClock(),
            Address[Any]("supervisor", self.supervisor), Address[Any]("monitor", self.monitor),
        )  # fmt: skip
        self.gate.on_open(self.slot.mailbox.notify)
        self._dialect = dialect(FeedTerms(("A", "B"), ("trades",)))
        self._other = other
        self.refs: list[pykka.ActorRef[Any]] = []

    def start(self) -> None:
        """Start an incarnation."""
        arguments: dict[str, Any] = {
            "terms": terms(max_message_bytes=2**24, **self._other),
            "dialect": self._dialect,
            "normalizer": Address[Any]("normalizer/f/0", self.normalizer),
            "start_dialer": start_dialer(self._dial),
            "random": Hasty(), "mask": lambda: b"abcd", "gates": (self.gate,),
        }  # fmt: skip
        self.refs.append(ConnectionActor.start(self.slot, **arguments))

    def tell(self, message: Any) -> None:
        """Send a control message."""
        self.slot.mailbox.put_control(message)

    def wait_for_frames(self, count: int) -> list[bytes]:
        """Wait until so many frames came; give them all, whose numbers must be in order."""
        come = 0

        def enough() -> bool:
            nonlocal come
            fresh = all_data(self.normalizer)
            self.data += fresh
            come += sum(part.frames for part in fresh if isinstance(part, Frames))
            return come >= count

        come = sum(part.frames for part in self.data if isinstance(part, Frames))
        wait(self.normalizer, enough, f"{count} frames")
        parts = [part for part in self.data if isinstance(part, Frames)]
        numbers = [part.first_frame + i for part in parts for i in range(part.frames)]
        assert numbers == list(range(len(numbers)))
        return [payload for part in parts for payload in part.payloads]

    def wait_for_data(self, wanted: Callable[[Any], bool]) -> Any:
        """Wait until the normalizer is given something; give it."""

        def come() -> bool:
            self.data += all_data(self.normalizer)
            return any(map(wanted, self.data))

        wait(self.normalizer, come, "the message")
        return next(message for message in self.data if wanted(message))

    def wait_for_event(self, wanted: Callable[[Any], bool], mailbox: Mailbox | None = None) -> Any:
        """Wait until the monitor, or whoever else has the mailbox, is told something; take and give it."""
        heard = self.monitor if mailbox is None else mailbox

        def come() -> bool:
            while (message := heard.take_control()) is not None:
                self.events.append(message)
            return any(map(wanted, self.events))

        wait(heard, come, "the event")
        found = next(event for event in self.events if wanted(event))
        self.events.remove(found)
        return found

    def wait_for_state(self, state: str) -> LineChanged:
        """Wait until the line is told to be in a state; each telling counts once."""
        found: LineChanged = self.wait_for_event(
            lambda event: isinstance(event, LineChanged) and event.state == state
        )
        return found

    def stop(self) -> None:
        """Stop whoever runs, and wait for their end."""
        for ref in self.refs:
            ref.stop(timeout=PATIENCE_SECONDS)

    def clear_up(self) -> None:
        """Close a socket that was dialled behind the stop, and so came to nobody."""
        while (message := self.slot.mailbox.take_control()) is not None:
            if isinstance(message, Dialed):
                message.transport.close()

    def _dial(self) -> Transport:
        made = dial(self._url, timeout_seconds=self._timeout_seconds, ca_file=self._ca_file)
        self.transports.append(made.transport)
        return made.transport


@contextmanager
def live_line(
    url: str,
    dialect: type[Dialect] = Plain,
    *,
    timeout_seconds: float = PATIENCE_SECONDS,
    ca_file: str | None = None,
    **other: Any,
) -> Iterator[LiveLine]:
    """Run a line; none of its threads outlives the context."""
    before = set(threading.enumerate())
    line = LiveLine(url, dialect, timeout_seconds, ca_file, **other)
    line.start()
    try:
        yield line
    finally:
        line.stop()
        ours = [thread for thread in threading.enumerate() if thread not in before and _is_ours(thread)]
        for thread in ours:
            thread.join(PATIENCE_SECONDS)
        line.clear_up()
    assert not [thread.name for thread in ours if thread.is_alive()]
    assert all(transport.fileno() == -1 for transport in line.transports)


def wait(mailbox: Mailbox, reached: Callable[[], bool], what: str) -> None:
    """Wait for what comes through a mailbox; AssertionError where it does not."""
    end = monotonic() + PATIENCE_SECONDS
    while not reached():
        left = end - monotonic()
        assert left > 0, f"{what} did not come within {PATIENCE_SECONDS:g} s"
        mailbox.wait(left, mailbox.has_data)


def _is_ours(thread: threading.Thread) -> bool:
    return thread.name.startswith(("ConnectionActor", "DialerActor"))

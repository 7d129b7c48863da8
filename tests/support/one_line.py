"""One connection actor in a World: a dialect, a socket and a normalizer that a test plays itself."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, ClassVar

from actors.address import Address
from actors.connection import ConnectionActor
from actors.gate import Gate
from actors.mailbox import Mailbox
from actors.slot import Failpoint, Slot
from actors.transport import Ended
from core.line import LineState, LineTerms
from messages.ingestion import Dialed, DialFailed, FrameRefused, Frames, LineReset
from messages.lane import Batch
from messages.observation import LineChanged, Noticed
from messages.supervision import ChildFailed
from tests.support.frames import TEXT, encode_frame, masked_by
from tests.support.harness import World
from venues.dialect import Dialect, FeedTerms, Ping, Request, Sink

LIMIT = 100_000
"""Bytes of the longest message that is taken."""


class Plain(Dialect):
    """Asks for each symbol by itself; nobody decodes."""

    venue = "plain"
    default_url = "ws://plain"

    def subscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        return tuple(Request(f"subscribe {symbol}", symbol) for symbol in symbols)

    def unsubscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
        return ()

    def decode(self, frame: bytes, sink: Sink) -> None:
        sink.ignored()


class Paced(Plain):
    """Takes two requests a second."""

    requests_per_second: ClassVar[float | None] = 2.5


class Slow(Plain):
    """Takes a request every four seconds."""

    requests_per_second: ClassVar[float | None] = 0.25


class Pinged(Plain):
    """Wants to be pinged in its own words."""

    ping: ClassVar[Ping | None] = Ping(20.0, '{"op":"ping"}')


def terms(**other: Any) -> LineTerms:
    """Give the terms of a line, some of them other than usual."""
    usual: dict[str, Any] = {
        "feed": "f", "line": "f/0/A", "session": 7, "symbols": ("A", "B"), "stale_seconds": 60.0,
        "acknowledge_seconds": 10.0, "connect_timeout_seconds": 10.0, "max_message_bytes": LIMIT,
    }  # fmt: skip
    return LineTerms(**{**usual, **other})


class FakeTransport:
    """See actors.transport.Transport: gives what a test put there, a piece a read."""

    wants_write = False
    unsent_bytes = 0

    def __init__(self, *arriving: bytes | Ended) -> None:
        self.arriving = deque(arriving)
        self.sent: list[tuple[int, bytes]] = []
        """Opcodes and unmasked payloads."""
        self.reads = 0
        self.closed = False

    def fileno(self) -> int:
        return -1

    def pending(self) -> bool:
        return bool(self.arriving)

    def read(self, budget_bytes: int) -> bytes | Ended:
        assert not self.closed, "a closed socket is read"
        self.reads += 1
        return self.arriving.popleft() if self.arriving else b""

    def write(self, frames: bytes) -> None:
        assert not self.closed, "a closed socket is written to"
        self.sent.append(client_frame(frames))

    def flush(self) -> None:
        raise AssertionError("nothing waits to be sent")

    def close(self) -> None:
        self.closed = True

    def texts(self) -> list[str]:
        """Give the text frames that were sent."""
        return [payload.decode() for opcode, payload in self.sent if opcode == TEXT]


class Line:
    """A connection actor, and everybody it speaks with."""

    def __init__(
        self,
        world: World,
        dialect: type[Dialect] = Plain,
        *,
        failpoint: Failpoint | None = None,
        **other_terms: Any,
    ) -> None:
        self.world = world
        self.tokens: list[int] = []
        """Of every dialling, in order."""
        self.transports: list[FakeTransport] = []
        self.normalizer = Address[Any]("normalizer/f/0", Mailbox())
        self.monitor = Address[Any]("monitor", Mailbox())
        self.supervisor = Address[Any]("supervisor", Mailbox())
        self.events: list[Any] = []
        """What the monitor and the supervisor were told so far."""
        self.gate = Gate()
        self.slot = Slot(
            "connection/f/0/A", LineState(), Mailbox(), world.clock, self.supervisor, self.monitor, failpoint
        )
        self.gate.on_open(self.slot.mailbox.notify)
        feed = FeedTerms(("A", "B"), ("trades", "quotes"))
        self._arguments = {
            "terms": terms(**other_terms), "dialect": dialect(feed), "normalizer": self.normalizer,
            "start_dialer": lambda token, _: self.tokens.append(token), "random": Random(world.seed),
            "mask": lambda: b"\x01\x02\x03\x04", "gates": (self.gate,),
        }  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start an incarnation, and let it do what it can; one that was there is replaced, and ends."""
        old = self.world.actors.get(self.slot.name)
        self.world.start(ConnectionActor, self.slot, self._arguments)
        while old is not None and self.world._run_once(old):
            pass
        self.settle()

    def settle(self) -> None:
        """Let the actor do what it can; a crashed one is replaced."""
        self.world.settle()
        while self.failed:
            self.world.start(ConnectionActor, self.slot, self._arguments)
            self.world.settle()

    def tell(self, *messages: Any) -> None:
        """Send control messages, and let the actor work."""
        for message in messages:
            self.slot.mailbox.put_control(message)
        self.settle()

    def wait(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.world.clock.monotonic() + seconds
        while (due := self.slot.next_due()) is not None and due <= end:
            self.world.clock.advance(max(0.0, due - self.world.clock.monotonic()) + 1e-9)
            self.settle()
        self.world.clock.advance(max(0.0, end - self.world.clock.monotonic()))
        self.settle()

    def connect(self, *arriving: bytes | Ended) -> FakeTransport:
        """Wait until the actor dials, and have the dialling succeed."""
        self.wait_for_dialling()
        self.transports.append(FakeTransport(*arriving))
        self.tell(Dialed(self.tokens[-1], self.transports[-1]))
        return self.transports[-1]

    def fail(self, text: str = "refused", retry_after_seconds: float = 0.0) -> None:
        """Wait until the actor dials, and have the dialling fail."""
        self.wait_for_dialling()
        self.tell(DialFailed(self.tokens[-1], text, retry_after_seconds))

    def wait_for_dialling(self) -> None:
        """Let time pass until it dials."""
        while not self.slot.state.dialing:
            due = self.slot.next_due()
            assert due is not None, "it does not dial, nor will it"
            self.wait(max(0.0, due - self.world.clock.monotonic()) + 1e-9)

    def hear(self, *pieces: bytes | Ended) -> None:
        """Have the socket give these, a piece a read."""
        self.transports[-1].arriving.extend(pieces)
        self.settle()

    def say(self, *texts: str) -> None:
        """Have the venue send texts, each in a read of its own."""
        self.hear(*(encode_frame(TEXT, text) for text in texts))

    @property
    def failed(self) -> bool:
        """Whether the actor has crashed."""
        return self.world.actors[self.slot.name].actor_stopped.is_set() and any(
            isinstance(event, ChildFailed) and event.incarnation == self.slot.incarnation
            for event in self.told(ChildFailed)
        )

    def put(self) -> list[Any]:
        """Give what was put to the normalizer since the last time."""
        return all_data(self.normalizer.mailbox)

    def frames(self) -> list[tuple[int, bytes]]:
        """Give the frames among that, numbered."""
        return numbered(self.put())

    def told(self, kind: type[Any]) -> list[Any]:
        """Give all that the monitor and the supervisor were told of a kind."""
        for address in (self.monitor, self.supervisor):
            while (message := address.mailbox.take_control()) is not None:
                self.events.append(message)
        return [event for event in self.events if isinstance(event, kind)]

    def state(self) -> LineChanged:
        """Give the state of the line as the monitor was told it."""
        last: LineChanged = self.told(LineChanged)[-1]
        return last

    def losses(self) -> list[str]:
        """Give why the line was lost, each time."""
        return [change.text for change in self.told(LineChanged) if change.state == "waiting"]

    def notices(self, kind: str) -> list[str]:
        """Give the texts that may become alerts of a kind."""
        return [notice.text for notice in self.told(Noticed) if notice.kind == kind]


@contextmanager
def lone_line(seed: int = 0) -> Iterator[Line]:
    """Give a line in a World of its own, for examples that a test draws."""
    world = World(seed)
    try:
        yield Line(world)
    finally:
        world.close()


def all_data(mailbox: Mailbox) -> list[Any]:
    """Take everything out of a data lane."""
    found: list[Any] = []
    while (message := mailbox.take_data()) is not None:
        found += message.messages if isinstance(message, Batch) else [message]
    return found


def numbered(messages: list[Any]) -> list[tuple[int, bytes]]:
    """Give the frames of messages with their numbers; refused ones have none."""
    return [
        (part.first_frame + i, payload)
        for part in messages
        if isinstance(part, Frames)
        for i, payload in enumerate(part.payloads)
    ]


def all_of(message: Frames) -> tuple[Any, ...]:
    """Give everything that frames carry, to be compared."""
    return (
        message.sender, message.feed, message.venue, message.session, message.line, message.first_frame,
        tuple(message.payloads), message.ts_recv_ns.tolist(), message.nbytes,
    )  # fmt: skip


def outline(messages: list[Any]) -> list[tuple[Any, ...]]:
    """Give what was put to a normalizer, frame by frame, without times and without how it was cut up."""
    found: list[tuple[Any, ...]] = []
    for message in messages:
        match message:
            case Frames():
                found += [("frame", *frame) for frame in numbered([message])]
            case LineReset():
                found.append(("reset", message.frame))
            case FrameRefused():
                found.append(("refused", message.frame, message.reason, message.raw))
            case _:
                found.append((type(message).__name__,))
    return found


def client_frame(raw: bytes) -> tuple[int, bytes]:
    """Read one masked frame (RFC 6455 section 5.2), which must fill the bytes."""
    length, start = raw[1] & 127, 2
    assert raw[0] & 0xF0 == 0x80, "fragmented, or with a reserved bit"
    assert raw[1] & 0x80, "not masked"
    if length > 125:
        start = 4 if length == 126 else 10
        length = int.from_bytes(raw[2:start], "big")
    mask, payload = raw[start : start + 4], raw[start + 4 :]
    assert len(payload) == length
    return raw[0] & 15, masked_by(payload, mask)

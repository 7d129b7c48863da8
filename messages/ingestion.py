"""Between dialer, connection and normalizer: from socket to raw frames, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from core.payloads import Payloads
from core.records import RAW_LIMIT, DeadLetter, Int64s
from messages.lane import Key, Shed, Unshed

FRAME_BYTES: Final = 16
"""What a frame weighs beside its content: where it ends, and when it came."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Timer of a connection: dial now."""


@dataclass(frozen=True, slots=True)
class Dialed:
    """From a dialer to its connection: the handshake is done, here is the socket."""

    token: int
    """Which dialling this answers; an answer to an older one is closed and forgotten."""
    transport: Any
    """An open `actors.transport.Transport`; the receiver owns it."""


@dataclass(frozen=True, slots=True)
class DialFailed:
    """From a dialer to its connection: no socket, and why."""

    token: int
    text: str
    """One line, for the operator."""
    retry_after_seconds: float
    """What the venue asked to wait; 0 where it said nothing."""


@dataclass(frozen=True, slots=True)
class DialOverdue:
    """Timer of a connection: the dialer has not answered."""

    token: int


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """From a connection's port to its connection: what one read of the socket gave."""

    payload: bytes
    ts_recv_ns: int


@dataclass(frozen=True, slots=True)
class TransportLost:
    """From a connection's port to its connection: the socket ended."""

    text: str


@dataclass(frozen=True, slots=True)
class SendRequests:
    """Timer of a connection: send what the venue's pace held back."""


@dataclass(frozen=True, slots=True)
class SendPing:
    """Timer of a connection: the venue's application-level ping is due."""


@dataclass(frozen=True, slots=True)
class CheckStaleness:
    """Timer of a connection: has market data come of late?"""


@dataclass(frozen=True, slots=True)
class CheckAcknowledged:
    """Timer of a connection: has every subscription been acknowledged?"""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """From a connection to its normalizer: at least one complete message, in the order in which they came."""

    sender: str
    feed: str
    venue: str
    session: int
    line: str
    first_frame: int
    """Number of the first one; the others count up by one."""
    payloads: Payloads
    ts_recv_ns: Int64s
    """Receive time of each, read-only."""
    nbytes: int

    records: int = 0

    @property
    def key(self) -> Key:
        """All lines of a feed share the bound of their normalizer."""
        return (self.feed, None)

    @property
    def weight(self) -> int:
        """Bytes, what goes with each frame included, so that empty ones count too."""
        return self.nbytes + FRAME_BYTES * len(self.payloads)

    @property
    def frames(self) -> int:
        """How many."""
        return len(self.payloads)

    def units(self) -> "Sequence[Frames]":
        """One message a frame."""
        return [
            Frames(
                self.sender, self.feed, self.venue, self.session, self.line,
                self.first_frame + i, self.payloads[i : i + 1], self.ts_recv_ns[i : i + 1], length,
            )
            for i, length in enumerate(self.payloads.lengths.tolist())
        ]  # fmt: skip

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """One a frame, with its bytes."""
        return tuple(
            DeadLetter(
                self.feed, self.venue, None, actor, error, payload[:RAW_LIMIT],
                stamp, self.session, self.line, self.first_frame + i, 0,
            )
            for i, (payload, stamp) in enumerate(zip(self.payloads, self.ts_recv_ns.tolist(), strict=True))
        )  # fmt: skip

    def shed(self) -> Shed:
        """Whole frames are shed before decoding."""
        return Shed(
            self.sender, self.feed, self.venue, None, self.session, self.line, 0, self.frames,
            self.first_frame, self.first_frame + self.frames - 1, int(self.ts_recv_ns[-1]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameRefused(Unshed):
    """From a connection to its normalizer: a message that broke the protocol and ended the line.

    It becomes a `rejects` row with the reason; the frame and the record are counted.
    """

    sender: str
    feed: str
    venue: str
    session: int
    line: str
    frame: int
    reason: str
    """`oversize` or `malformed_json`."""
    raw: bytes
    ts_recv_ns: int

    frames: ClassVar[int] = 1

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """One, with its bytes."""
        return (
            DeadLetter(
                self.feed, self.venue, None, actor, error, self.raw,
                self.ts_recv_ns, self.session, self.line, self.frame, 0,
            ),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LineReset(Unshed):
    """From a connection to its normalizer, in the data lane: the line was lost and is up again here."""

    sender: str
    feed: str
    venue: str
    session: int
    line: str
    frame: int
    """Number of the next frame."""
    ts_recv_ns: int


@dataclass(frozen=True, slots=True)
class MarketDataSeen:
    """From a normalizer to a connection: its frames held market data, so the line is alive and well."""

    ts_recv_ns: int


@dataclass(frozen=True, slots=True)
class RequestAcknowledged:
    """From a normalizer to a connection: the venue accepted the request with this key."""

    key: str


@dataclass(frozen=True, slots=True)
class VenueRefused:
    """From a normalizer to a connection: the venue refused something, in its words."""

    text: str


@dataclass(frozen=True, slots=True)
class VenueAskedToReconnect:
    """From a normalizer to a connection: the venue is about to end the line."""

    text: str

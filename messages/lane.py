"""What every message of the data lane says about itself, so that a mailbox can bound and count it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from core.records import DeadLetter

Key = tuple[str, str | None]
"""Feed and symbol: what a mailbox's bound is kept for."""


class DataMessage(Protocol):
    """A message of the data lane: bounded, in order, and accounted for."""

    @property
    def sender(self) -> str:
        """Name of the actor that put it: a consistent cut is kept per sender."""

    @property
    def feed(self) -> str:
        """The feed whose records it carries."""

    @property
    def key(self) -> Key | None:
        """What its weight counts against; None: it is never shed and weighs nothing."""

    @property
    def weight(self) -> int:
        """Ticks, or bytes before decoding."""

    @property
    def nbytes(self) -> int:
        """Memory that it holds, roughly."""

    @property
    def records(self) -> int:
        """Records that it carries; 0 before decoding."""

    @property
    def frames(self) -> int:
        """Frames that it carries; 0 after decoding."""

    def units(self) -> "Sequence[DataMessage]":
        """The same content in the smallest pieces that can be handled alone."""

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """The dead letters that stand for it if it cannot be handled."""

    def shed(self) -> "Shed":
        """What stands in its place when it is shed."""


@dataclass(frozen=True, slots=True)
class Shed:
    """Stands in a mailbox where messages were shed, so that the loss is counted and told in order.

    Made by a mailbox; the receiving actor counts it and puts a gap in its place.
    """

    sender: str
    feed: str
    venue: str
    symbol: str | None
    session: int
    line: str
    records: int
    frames: int
    first_frame: int
    last_frame: int
    ts_recv_ns: int
    """Receive time of the last record shed."""

    key: None = None
    weight: int = 0
    nbytes: int = 0

    def units(self) -> "tuple[Shed, ...]":
        """Give itself."""
        return (self,)

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give none: what was shed is counted as shed."""
        return ()

    def shed(self) -> "Shed":
        """Give itself."""
        return self

    def merged(self, later: "Shed") -> "Shed":
        """Count a later one of the same key and sender too."""
        return replace(
            self,
            records=self.records + later.records,
            frames=self.frames + later.frames,
            last_frame=max(self.last_frame, later.last_frame),
            ts_recv_ns=max(self.ts_recv_ns, later.ts_recv_ns),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Data messages that were waiting when the actor looked; made by the actor's own port."""

    messages: tuple[DataMessage, ...]


@dataclass(frozen=True, slots=True)
class Salvage:
    """What is left of a message whose handler crashed, in its smallest pieces; made by the replacement."""

    units: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Resume:
    """Tells a replacement to finish what its predecessor left; made by the actor's own port."""

"""Captures as a source of frames: read bit by bit, at the pace asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.errors import UsageError
from core.payloads import Payloads
from core.records import freeze
from messages.ingestion import Frames
from messages.replaying import CaptureEnded, CaptureRead
from stores.captures import CaptureLine

CHUNK_FRAMES: Final = 512


@dataclass(frozen=True, slots=True)
class Target:
    """The feed that the frames of a venue go to."""

    feed: str
    line: str


class ReplaySource:
    """Gives chunks of frames. Belongs to the replayer's slot: it outlives an incarnation."""

    def __init__(
        self, lines: Iterator[CaptureLine], targets: Mapping[str, Target], session: int, speed: float | None
    ) -> None:
        """`speed` 1 is the pace of the recording, 10 ten times that, None as fast as it goes."""
        self._lines = lines
        self._targets = targets
        self._session = session
        self._speed = speed
        self._error = ""
        self._next = next(lines, None)
        self._first_ns = self._next.ts_recv_ns if self._next else 0
        self._began: float | None = None
        self._frames = dict.fromkeys(targets, 0)
        self._read = 0
        self.ended = False

    def due_in(self, now: float) -> float:
        """Seconds until the next frame is due."""
        if self._speed is None or self._next is None:
            return 0.0
        if self._began is None:
            self._began = now
        return self._began + (self._next.ts_recv_ns - self._first_ns) / 1e9 / self._speed - now

    def take(self, now: float) -> CaptureRead | CaptureEnded | None:
        """Give what is due, at most a chunk; None when nothing is, or when all was given."""
        if self.ended:
            return None
        if self._next is None:
            self.ended = True
            return CaptureEnded(self._error)
        chunk: dict[str, list[CaptureLine]] = {}
        count = 0
        while self._next is not None and count < CHUNK_FRAMES and self.due_in(now) <= 0.0:
            chunk.setdefault(self._next.venue, []).append(self._next)
            self._next = self._next_line()
            count += 1
        self._read += count
        return CaptureRead(tuple(map(self._frames_of, chunk.items())), self._read) if count else None

    def end(self) -> None:
        """Give nothing more."""
        self.ended = True

    def _next_line(self) -> CaptureLine | None:
        """Read on; a file that cannot be read any more ends the captures, behind what was read."""
        try:
            return next(self._lines, None)
        except UsageError as error:
            self._error = str(error)
            return None

    def _frames_of(self, item: tuple[str, list[CaptureLine]]) -> Frames:
        venue, lines = item
        target, first = self._targets[venue], self._frames[venue]
        self._frames[venue] += len(lines)
        payloads = Payloads.of(line.data.encode() for line in lines)
        stamps = freeze(np.array([line.ts_recv_ns for line in lines], np.int64))
        return Frames(
            "replayer", target.feed, venue, self._session, target.line, first,
            payloads, stamps, payloads.nbytes,
        )  # fmt: skip

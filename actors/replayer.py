"""Stands where connections stand in a live run: feeds captures to the normalizers."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, assert_never

from actors.address import Address
from actors.base import Actor
from actors.gate import Gate
from actors.port import Port
from actors.replay_source import ReplaySource
from actors.slot import Slot, Transaction
from messages.ingestion import Frames
from messages.replaying import CaptureEnded, CaptureRead
from messages.supervision import Drain, Drained, LinesDone

ReplayerMessage = CaptureRead | CaptureEnded | Drain
LONGEST_WAIT_SECONDS: Final = 3600.0


class ReplayPort(Port):
    """Control, timers, then the captures while every gate ahead is open."""

    def poll_source(self) -> CaptureRead | CaptureEnded | None:
        """Read what is due."""
        if not self.open:
            return None
        source: ReplaySource = self.slot.state
        return source.take(self.slot.clock.monotonic())

    def rest(self) -> None:
        """Wait until the next frame is due, or for the mailbox."""
        source: ReplaySource = self.slot.state
        waits = [None if source.ended or not self.open else source.due_in(self.slot.clock.monotonic())]
        due = self.slot.next_due()
        if due is not None:
            waits.append(due - self.slot.clock.monotonic())
        # Times of a capture may be centuries apart, which no wait can be told.
        bounded = (min(max(0.0, wait), LONGEST_WAIT_SECONDS) for wait in waits if wait is not None)
        seconds = min(bounded, default=None)
        self.slot.mailbox.wait(seconds, self._is_due)

    def _is_due(self) -> bool:
        source: ReplaySource = self.slot.state
        return self.open and not source.ended and source.due_in(self.slot.clock.monotonic()) <= 0.0


class ReplayerActor(Actor[ReplaySource]):
    """Puts frames to the normalizer of their venue's feed."""

    port_class: ClassVar[type[Port]] = ReplayPort

    def __init__(
        self,
        slot: Slot[ReplaySource],
        *,
        normalizers: Mapping[str, Address[Any]],
        progress: Callable[[int], None],
        gates: tuple[Gate, ...] = (),
    ) -> None:
        super().__init__(slot, gates=gates)
        self._normalizers = normalizers
        self._progress = progress

    def receive(self, message: ReplayerMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case CaptureRead(frames, lines):
                for part in frames:
                    self._put(part, tx)
                tx.do(lambda: self._progress(lines))
            case CaptureEnded(error):
                if error:
                    self.notice(tx, "capture", None, None, error)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, LinesDone(self.slot.name))
            case Drain():
                # Frames behind this message would be read by nobody.
                tx.do(self.slot.state.end)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)

    def _put(self, frames: Frames, tx: Transaction) -> None:
        tx.count(frames.feed, "frames", frames.frames)
        tx.put(self._normalizers[frames.feed], frames)

"""Stands before the connections at a start: feeds what a killed run had taken to the normalizers again."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, assert_never

from actors.address import Address
from actors.base import Actor
from actors.gate import Gate
from actors.port import Port
from actors.recovery_source import Recovered, RecoverySource
from actors.slot import Slot, Transaction
from messages.journaling import JournalEnded, JournalRead
from messages.supervision import Drain, Drained, LinesDone

RecovererMessage = JournalRead | JournalEnded | Drain
PROGRESS_FRAMES = 50_000

log = logging.getLogger("tapeline.recovery")


class RecoveryPort(Port):
    """Control, timers, then the journal while every gate ahead is open."""

    def poll_source(self) -> JournalRead | JournalEnded | None:
        """Read the next chunk."""
        source: RecoverySource = self.slot.state
        return source.take() if self.open else None

    def rest(self) -> None:
        """Wait for the mailbox, or for a gate to open."""
        source: RecoverySource = self.slot.state
        self.slot.mailbox.wait(None, lambda: self.open and not source.ended)


class RecovererActor(Actor[RecoverySource]):
    """Puts journalled frames to the normalizer of their feed and line."""

    port_class: ClassVar[type[Port]] = RecoveryPort

    def __init__(
        self,
        slot: Slot[RecoverySource],
        *,
        normalizers: Mapping[str, tuple[Address[Any], ...]],
        lines: Mapping[str, Address[Any]],
        gates: tuple[Gate, ...] = (),
    ) -> None:
        """`lines` are today's; a line that is no more goes to the first normalizer of its feed."""
        super().__init__(slot, gates=gates)
        self._normalizers = normalizers
        self._lines = lines

    def receive(self, message: RecovererMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case JournalRead(messages, frames):
                for part in messages:
                    self._put(part, tx)
                if frames // PROGRESS_FRAMES != (frames - len(messages)) // PROGRESS_FRAMES:
                    tx.do(lambda: log.info("recovering: %d frames read", frames))
            case JournalEnded(warnings):
                for warning in warnings:
                    self.notice(tx, "journal", None, None, warning)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, LinesDone(self.slot.name))
            case Drain():
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)

    def _put(self, message: Recovered, tx: Transaction) -> None:
        tx.count(message.feed, "frames", message.frames)
        address = self._lines.get(message.line) or self._normalizers[message.feed][0]
        tx.put(address, message)

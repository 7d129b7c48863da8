"""Stands before the connections at a start: feeds what a killed run had taken to the normalizers again."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, assert_never

from actors.address import Address
from actors.base import Actor
from actors.gate import Gate
from actors.port import Port
from actors.recovery_source import Recovered, RecoverySource
from actors.slot import Slot, Transaction
from core.checkpointing import RECOVERED, JournalMark, LineKey, Place
from messages.journaling import JournalEnded, JournalRead, RecoveryRead, SegmentClosed
from messages.observation import RecoveryProgressed
from messages.supervision import Drain, Drained, LinesDone

RecovererMessage = JournalRead | JournalEnded | Drain


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
        self.slot.mailbox.wait(None, lambda: self.open and not (source.ended or source.stopped))


class RecovererActor(Actor[RecoverySource]):
    """Puts journalled frames to the normalizer of their feed and line."""

    port_class: ClassVar[type[Port]] = RecoveryPort

    def __init__(
        self,
        slot: Slot[RecoverySource],
        *,
        normalizers: Mapping[str, tuple[Address[Any], ...]],
        lines: Mapping[str, Address[Any]],
        session: int,
        journal: Address[Any],
        gates: tuple[Gate, ...] = (),
    ) -> None:
        """`lines` are today's; a line that is no more goes to the first normalizer of its feed."""
        super().__init__(slot, gates=gates)
        self._session = session
        self._journal = journal
        self._normalizers = normalizers
        self._lines = lines

    def receive(self, message: RecovererMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case JournalRead(messages, progress):
                for part in messages:
                    self._put(part, tx)
                self._tell_progress(progress, tx)
            case JournalEnded(warnings, covered, progress):
                for warning in warnings:
                    self.notice(tx, "journal", None, None, warning)
                self._tell_progress(progress, tx)
                tx.do(partial(log.info, "read %d frames again", progress.frames))
                self._mark_end(covered, tx)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, LinesDone(self.slot.name))
                tx.do(self.stop)
            case Drain():
                # Frames behind this message would be read by nobody.
                tx.do(partial(setattr, self.slot.state, "stopped", True))
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)

    def _tell_progress(self, progress: RecoveryProgressed, tx: Transaction) -> None:
        if self.slot.monitor is not None:
            tx.tell(self.slot.monitor, progress)

    def _mark_end(self, covered: Mapping[LineKey, Place], tx: Transaction) -> None:
        """Follow what was read, so that it is known when all of it is stored: then it is never read again."""
        marks = []
        for feed, addresses in self._normalizers.items():
            for address in addresses:
                mark = JournalMark(self._session, feed, address.name, RECOVERED, 0, None)
                marks.append(mark)
                tx.put(address, SegmentClosed(self.slot.name, mark))
        tx.tell(self._journal, RecoveryRead(covered, tuple(marks)))

    def _put(self, message: Recovered, tx: Transaction) -> None:
        tx.count(message.feed, "frames", message.frames)
        address = self._lines.get(message.line) or self._normalizers[message.feed][0]
        tx.put(address, message)

"""Syncs the journal in groups, checkpoints, and makes room: an actor of its own since all of that blocks."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, assert_never

from actors.base import Actor
from actors.slot import Slot, Transaction
from core.checkpointing import Checkpointing, LineKey, Place
from messages.journaling import (
    MemoryMarked,
    RecoveryRead,
    RowsLost,
    SegmentOpened,
    SegmentSettled,
    StatesMarked,
    SyncJournal,
    TrimJournal,
)
from messages.retuning import StoreLeft
from messages.supervision import Drain, Drained
from stores.checkpoint import lay_over
from stores.journal import Journal
from stores.journal_replay import Unrecovered
from stores.journal_sync import Syncer

JournalMessage = (
    SegmentOpened | MemoryMarked | StatesMarked | SegmentSettled | StoreLeft | RowsLost | RecoveryRead
    | SyncJournal | TrimJournal | Drain
)  # fmt: skip
TRIM_SECONDS = 10.0


@dataclass(slots=True)
class JournalState:
    """What outlives an incarnation; syncing, saving and deleting twice harm nothing."""

    checkpointing: Checkpointing
    covered: dict[LineKey, Place] = field(default_factory=dict)
    """As the checkpoint on disk has it."""
    syncer: Syncer = field(default_factory=Syncer)


class JournalActor(Actor[JournalState]):
    """Owns what is done to segments once they are written."""

    def __init__(
        self,
        slot: Slot[JournalState],
        *,
        journal: Journal,
        session: int,
        sync_seconds: float,
        retention_bytes: int,
    ) -> None:
        super().__init__(slot)
        self._journal = journal
        self._session = session
        self._sync_seconds = sync_seconds
        self._retention_bytes = retention_bytes

    def started(self, tx: Transaction) -> None:
        """Begin to sync."""
        tx.start_timer("sync", self._sync_seconds, SyncJournal())
        tx.start_timer("trim", 0.0, TrimJournal())

    def on_stop(self) -> None:
        """Let go of the segments."""
        super().on_stop()
        self.slot.state.syncer.close()

    def receive(self, message: JournalMessage, tx: Transaction) -> Any:
        """Handle one message."""
        marks = self.slot.state.checkpointing
        match message:
            case SegmentOpened(path):
                self._tell([failure] if (failure := self.slot.state.syncer.add(path)) else [], tx)
            case MemoryMarked(mark, detectors, stores, streams):
                tx.do(partial(marks.remembered, mark, detectors, stores, streams))
            case StatesMarked(mark, detector, states):
                tx.do(partial(marks.scored, mark, detector, states))
            case SegmentSettled(mark, store):
                tx.do(partial(marks.settled, mark, store))
            case StoreLeft(store):
                tx.do(partial(marks.left, store))
            case RowsLost(lines):
                tx.do(partial(marks.rows_lost, lines))
            case RecoveryRead(covered, last):
                tx.do(partial(marks.recovery_read, dict(covered), last))
            case SyncJournal():
                tx.start_timer("sync", self._sync_seconds, SyncJournal())
                self._tell(self.slot.state.syncer.sync(), tx)
            case TrimJournal():
                tx.start_timer("trim", TRIM_SECONDS, TrimJournal())
                self._save(tx)
                self._trim(tx)
            case Drain():
                self._tell(self.slot.state.syncer.sync(), tx)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)

    def _tell(self, failures: list[str], tx: Transaction) -> None:
        if failures:
            text = (
                f"the journal cannot be synced, and may not survive a power cut: {failures[0]}; free the disk"
            )
            self.notice(tx, "journal", None, None, text, len(failures))

    def _save(self, tx: Transaction) -> None:
        """Write down what marks have brought since the last time; mark sessions with nothing left clean."""
        state, journal = self.slot.state, self._journal
        overlay = state.checkpointing.overlay
        if not overlay.covered:
            return
        unclean = self._unclean()
        try:
            lay_over(journal.data_dir, self._session, overlay, lambda session: session in unclean)
            state.covered |= overlay.covered
            for session in unclean[:-1]:
                if not Unrecovered(journal, (session,), state.covered).segments(session):
                    journal.mark_clean(session)
        except OSError as error:
            text = f"the checkpoint cannot be written, and the journal grows: {error.strerror}; free the disk"
            self.notice(tx, "journal", None, None, text)
        else:
            tx.do(partial(state.checkpointing.saved, overlay))

    def _trim(self, tx: Transaction) -> None:
        left = self._journal.trim(self._retention_bytes, self._behind())
        if left > self._retention_bytes:
            text = (
                f"the journal holds {left // 2**20} MiB that may be needed yet, more than "
                "journal.retention_mb; nothing of that is deleted"
            )
            self.notice(tx, "journal", None, None, text)

    def _behind(self) -> list[Path]:
        """Give the segments of unclean sessions that a recovery would not read."""
        covered = self.slot.state.covered
        return [path for session in self._unclean() for path in self._journal.covered(session, covered)]

    def _unclean(self) -> list[int]:
        return [*self._journal.unclean(self._session), self._session]

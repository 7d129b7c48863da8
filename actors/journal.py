"""Syncs the journal in groups, and makes room in it: an actor of its own since both block."""

from typing import Any, assert_never

from actors.base import Actor
from actors.slot import Slot, Transaction
from messages.journaling import SegmentOpened, SyncJournal, TrimJournal
from messages.supervision import Drain, Drained
from stores.journal import Journal
from stores.journal_sync import Syncer

JournalMessage = SegmentOpened | SyncJournal | TrimJournal | Drain
TRIM_SECONDS = 10.0


class JournalActor(Actor[Syncer]):
    """Its state, the watched segments, outlives an incarnation; syncing twice harms nothing."""

    def __init__(
        self, slot: Slot[Syncer], *, journal: Journal, sync_seconds: float, retention_bytes: int
    ) -> None:
        super().__init__(slot)
        self._journal = journal
        self._sync_seconds = sync_seconds
        self._retention_bytes = retention_bytes

    def started(self, tx: Transaction) -> None:
        """Begin to sync."""
        tx.start_timer("sync", self._sync_seconds, SyncJournal())
        tx.start_timer("trim", 0.0, TrimJournal())

    def on_stop(self) -> None:
        """Let go of the segments."""
        self.slot.state.close()

    def receive(self, message: JournalMessage, tx: Transaction) -> Any:
        """Handle one message."""
        match message:
            case SegmentOpened(path):
                self._tell([failure] if (failure := self.slot.state.add(path)) else [], tx)
            case SyncJournal():
                tx.start_timer("sync", self._sync_seconds, SyncJournal())
                self._tell(self.slot.state.sync(), tx)
            case TrimJournal():
                tx.start_timer("trim", TRIM_SECONDS, TrimJournal())
                self._trim(tx)
            case Drain():
                self._tell(self.slot.state.sync(), tx)
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

    def _trim(self, tx: Transaction) -> None:
        left = self._journal.trim(self._retention_bytes)
        if left > self._retention_bytes:
            text = (
                f"the journal holds {left // 2**20} MiB that may be needed yet, more than "
                "journal.retention_mb; nothing of that is deleted"
            )
            self.notice(tx, "journal", None, None, text)

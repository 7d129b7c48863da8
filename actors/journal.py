"""Syncs the journal in groups, and makes room in it: an actor of its own since both block."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, assert_never

from actors.base import Actor
from actors.slot import Slot, Transaction
from messages.journaling import SegmentOpened, SegmentSettled, SyncJournal, TrimJournal
from messages.supervision import Drain, Drained
from stores.journal import Journal
from stores.journal_sync import Syncer

JournalMessage = SegmentOpened | SegmentSettled | SyncJournal | TrimJournal | Drain
TRIM_SECONDS = 10.0


@dataclass(slots=True)
class JournalState:
    """What outlives an incarnation; syncing and deleting twice harm nothing."""

    syncer: Syncer = field(default_factory=Syncer)
    settled: dict[Path, frozenset[str]] = field(default_factory=dict)
    """By segment, the stores that have all its rows, in the order in which segments were settled."""


class JournalActor(Actor[JournalState]):
    """Owns what is done to segments once they are written."""

    def __init__(
        self,
        slot: Slot[JournalState],
        *,
        journal: Journal,
        stores: frozenset[str],
        sync_seconds: float,
        retention_bytes: int,
    ) -> None:
        super().__init__(slot)
        self._stores = stores
        self._journal = journal
        self._sync_seconds = sync_seconds
        self._retention_bytes = retention_bytes

    def started(self, tx: Transaction) -> None:
        """Begin to sync."""
        tx.start_timer("sync", self._sync_seconds, SyncJournal())
        tx.start_timer("trim", 0.0, TrimJournal())

    def on_stop(self) -> None:
        """Let go of the segments."""
        self.slot.state.syncer.close()

    def receive(self, message: JournalMessage, tx: Transaction) -> Any:
        """Handle one message."""
        match message:
            case SegmentOpened(path):
                self._tell([failure] if (failure := self.slot.state.syncer.add(path)) else [], tx)
            case SegmentSettled(path, store):
                settled = self.slot.state.settled
                tx.do(partial(settled.__setitem__, path, settled.get(path, frozenset()) | {store}))
            case SyncJournal():
                tx.start_timer("sync", self._sync_seconds, SyncJournal())
                self._tell(self.slot.state.syncer.sync(), tx)
            case TrimJournal():
                tx.start_timer("trim", TRIM_SECONDS, TrimJournal())
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

    def _trim(self, tx: Transaction) -> None:
        settled = self.slot.state.settled
        done = [path for path, stores in settled.items() if stores >= self._stores]
        left = self._journal.trim(self._retention_bytes, done)
        for path in done:
            if not path.exists():
                tx.do(partial(settled.pop, path, None))
        if left > self._retention_bytes:
            text = (
                f"the journal holds {left // 2**20} MiB that may be needed yet, more than "
                "journal.retention_mb; nothing of that is deleted"
            )
            self.notice(tx, "journal", None, None, text)

"""What a run has to do with the runs before and after it: recovery at its start, a checkpoint at its end."""

import logging
from contextlib import suppress
from dataclasses import replace
from typing import Final

from actors.assembly import Assembly
from actors.recovery_source import RecoverySource
from actors.warming import streams_of, symbols_of, warm
from actors.wiring import add_recovery
from core.checkpointing import LineKey, Place
from core.ledger import Ledger
from core.settings import Settings
from messages.supervision import SupervisorEnded
from stores.checkpoint import Checkpoint, load, save
from stores.journal import Journal
from stores.journal_replay import Unrecovered

log = logging.getLogger("tapeline.recovery")
LOST: Final = ("shed.spool_full", "shed.spool_unreadable")
"""Rows that neither the store nor the spool has, for want of room or by damage."""


class Past:
    """Knows which sessions ended with something left to recover."""

    def __init__(self, settings: Settings, session: int) -> None:
        self.session = session
        self._settings = settings
        self._journal = Journal(settings.data_dir)
        self._checkpoint = load(settings.data_dir)
        self._source: RecoverySource | None = None
        self.unrecovered = self._look() if settings.journal.enabled else Unrecovered(self._journal, ())

    def _look(self) -> Unrecovered:
        """Find the sessions that ended with something left to recover, and note those that have nothing."""
        covered = self._checkpoint.places if isinstance(self._checkpoint, Checkpoint) else {}
        found = Unrecovered(self._journal, self._journal.unclean(self.session), covered)
        left = [session for session in found.sessions if found.segments(session)]
        # One whose mark cannot be written is looked at again by the next start.
        with suppress(OSError):
            for session in set(found.sessions).difference(left):
                self._journal.mark_clean(session)
        return replace(found, sessions=left)

    def attach(self, assembly: Assembly) -> None:
        """Have the actors start warm, and recover what a killed run had taken before new data flows."""
        if isinstance(self._checkpoint, str):
            log.warning("%s", self._checkpoint)
        elif self._checkpoint is not None:
            log.info("%d symbols start warm", warm(assembly, self._checkpoint))
        if self.unrecovered.sessions:
            sessions = ", ".join(map(str, self.unrecovered.sessions))
            log.info("recovering what session %s had taken and not stored", sessions)
            self._source = add_recovery(assembly, self.unrecovered)

    def conclude(self, assembly: Assembly, ended: SupervisorEnded) -> None:
        """Keep what the actors know, and note that nothing is left to recover, if that is so."""
        if not self._settings.journal.enabled or ended.status or ended.ledger is None:
            return
        total = ended.ledger.as_json()["total"]
        if not ended.ledger.balanced or total["in_flight"] or ended.gave_up or _lost_rows(ended.ledger):
            # What the tables lack is in the journal: the next start recovers it.
            return
        source = self._source
        try:
            if source is None or source.ended:
                # Else what the actors know is of a place amid the journal, and the last checkpoint holds.
                symbols, streams = symbols_of(assembly), streams_of(assembly)
                save(self._settings.data_dir, self.session, symbols, streams, self._places(source))
                for session in () if source is None or source.left_out else self.unrecovered.sessions:
                    self._journal.mark_clean(session)
            self._journal.mark_clean(self.session)
        except OSError as error:
            text = (
                "the checkpoint cannot be written: %s; free the disk; the next start recovers this run again"
            )
            log.warning(text, error.strerror)

    def _places(self, source: RecoverySource | None) -> dict[LineKey, Place]:
        """Give how far the journal is in what the actors know: to its end, but for what was left out."""
        own = Unrecovered(self._journal, (self.session,)).last_places()
        return own if source is None else {**source.places(), **own}


def _lost_rows(ledger: Ledger) -> bool:
    """Tell whether rows that were scored reached no disk but the journal's."""
    return any(n and name in LOST for counts in ledger.stores.values() for (_, name), n in counts.items())

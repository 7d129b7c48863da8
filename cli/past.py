"""What a run has to do with the runs before and after it: recovery at its start, a checkpoint at its end."""

import logging
from typing import Final

from actors.assembly import Assembly
from actors.recovery_source import RecoverySource
from actors.warming import streams_of, symbols_of, warm
from actors.wiring import add_recovery
from core.ledger import Ledger
from core.settings import Settings
from messages.supervision import SupervisorEnded
from stores.checkpoint import load, save
from stores.journal import Journal

log = logging.getLogger("tapeline.recovery")
LOST: Final = ("shed.spool_full", "shed.spool_unreadable")
"""Rows that neither the store nor the spool has, for want of room or by damage."""


class Past:
    """Knows which sessions ended with something left to recover."""

    def __init__(self, settings: Settings, session: int) -> None:
        self.session = session
        self._settings = settings
        self._journal = Journal(settings.data_dir)
        self._source: RecoverySource | None = None
        self.unclean = tuple(self._journal.unclean(session)) if settings.journal.enabled else ()

    def attach(self, assembly: Assembly) -> None:
        """Have the actors start warm, and recover what a killed run had taken before new data flows."""
        checkpoint = load(self._settings.data_dir)
        if isinstance(checkpoint, str):
            log.warning("%s", checkpoint)
        elif checkpoint is not None:
            log.info("%d symbols start warm", warm(assembly, checkpoint))
        if self.unclean:
            sessions = ", ".join(map(str, self.unclean))
            log.info("recovering what session %s had taken and not stored", sessions)
            self._source = add_recovery(assembly, self._journal, self.unclean)

    def conclude(self, assembly: Assembly, ended: SupervisorEnded) -> None:
        """Keep what the actors know, and note that nothing is left to recover, if that is so."""
        if not self._settings.journal.enabled or ended.status or ended.ledger is None:
            return
        total = ended.ledger.as_json()["total"]
        if not ended.ledger.balanced or total["in_flight"] or ended.gave_up or _lost_rows(ended.ledger):
            # What the tables lack is in the journal: the next start recovers it.
            return
        try:
            save(self._settings.data_dir, self.session, symbols_of(assembly), streams_of(assembly))
            for session in (*self._recovered(), self.session):
                self._journal.mark_clean(session)
        except OSError as error:
            text = (
                "the checkpoint cannot be written: %s; free the disk; the next start recovers this run again"
            )
            log.warning(text, error.strerror)

    def _recovered(self) -> tuple[int, ...]:
        """Give the sessions of which nothing is left; none where frames had to be left where they are."""
        source = self._source
        return self.unclean if source is not None and source.ended and not source.left_out else ()


def _lost_rows(ledger: Ledger) -> bool:
    """Tell whether rows that were scored reached no disk but the journal's."""
    return any(n and name in LOST for counts in ledger.stores.values() for (_, name), n in counts.items())

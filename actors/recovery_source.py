"""Unclean sessions as a source of messages for the normalizers."""

from collections.abc import Callable, Iterator
from typing import Final

from messages.ingestion import FrameRefused, Frames, LineReset
from messages.journaling import JournalEnded, JournalRead
from stores.journal_format import FRAMES, REFUSED
from stores.journal_replay import Kept, frames_in

CHUNK_FRAMES: Final = 512
SENDER: Final = "recoverer"
Recovered = Frames | FrameRefused | LineReset


class RecoverySource:
    """Gives chunks of messages. Belongs to the recoverer's slot: it outlives an incarnation."""

    def __init__(self, kept: Iterator[Kept], warnings: list[str], known: Callable[[str], bool]) -> None:
        """`known` tells whether a feed is still configured; frames of others are left where they are."""
        self._kept = kept
        self._warnings = warnings
        self._known = known
        self._read = 0
        self.ended = False
        self.left_out = False
        """Whether frames were left where they are."""

    def take(self) -> JournalRead | JournalEnded | None:
        """Give the next chunk; None once all was given."""
        if self.ended:
            return None
        messages: list[Recovered] = []
        count = 0
        for kept in self._kept:
            if self._known(kept.header.feed):
                messages.append(_message(kept))
                count += frames_in(kept.entry)
            else:
                self._note_unknown(kept.header.feed)
            if count >= CHUNK_FRAMES:
                break
        self._read += count
        if messages:
            return JournalRead(tuple(messages), self._read)
        self.ended = True
        return JournalEnded(tuple(self._warnings))

    def _note_unknown(self, feed: str) -> None:
        self.left_out = True
        text = f"frames of the feed {feed}, which is not configured any more, are not recovered"
        if text not in self._warnings:
            self._warnings.append(text)


def _message(kept: Kept) -> Recovered:
    header, entry = kept.header, kept.entry
    if entry.kind == FRAMES:
        stamps = (entry.ts_recv_ns,) * len(entry.payloads)
        return Frames(
            SENDER, header.feed, header.venue, header.session, header.line, entry.first_frame,
            entry.payloads, stamps, sum(map(len, entry.payloads)),
        )  # fmt: skip
    if entry.kind == REFUSED:
        reason, raw = entry.payloads
        return FrameRefused(
            SENDER, header.feed, header.venue, header.session, header.line, entry.first_frame,
            reason.decode(), raw, entry.ts_recv_ns,
        )  # fmt: skip
    return LineReset(
        SENDER, header.feed, header.venue, header.session, header.line, entry.first_frame, entry.ts_recv_ns
    )

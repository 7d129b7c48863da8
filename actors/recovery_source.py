"""Unclean sessions as a source of messages for the normalizers."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np

from core.checkpointing import LineKey, Place
from core.records import freeze
from messages.ingestion import FrameRefused, Frames, LineReset
from messages.journaling import JournalEnded, JournalRead
from messages.observation import RecoveryProgressed
from stores.journal_format import FRAMES, REFUSED, Header, entry_bytes
from stores.journal_replay import Kept, Unrecovered, frames_in, read_sessions

CHUNK_FRAMES: Final = 512
SENDER: Final = "recoverer"
Recovered = Frames | FrameRefused | LineReset


class RecoverySource:
    """Gives chunks of messages. Belongs to the recoverer's slot: it outlives an incarnation."""

    def __init__(self, unrecovered: Unrecovered, known: Collection[str]) -> None:
        """`known` are the feeds that are still configured; frames of others are left where they are."""
        self._unrecovered = unrecovered
        self._warnings: list[str] = []
        self._kept = read_sessions(unrecovered, self._warnings)
        self._known = known
        self._of_bytes = unrecovered.nbytes
        self._bytes = 0
        self._frames = 0
        self._next_frames: dict[LineKey, int] = {}
        self._left_out: set[str] = set()
        self.ended = False
        """All was read."""
        self.stopped = False
        """No more is to be read."""

    def take(self) -> JournalRead | JournalEnded | None:
        """Give the next chunk; None once all was given, or no more is to be."""
        if self.ended or self.stopped:
            return None
        messages: list[Recovered] = []
        count = 0
        for kept in self._kept:
            self._bytes += entry_bytes(kept.entry)
            if kept.header.feed in self._known:
                messages.append(_message(kept))
                count += frames_in(kept.entry)
                line = (kept.header.session, kept.header.line)
                self._next_frames[line] = kept.entry.first_frame + frames_in(kept.entry)
            else:
                self._note_unknown(kept.header)
            if count >= CHUNK_FRAMES:
                break
        self._frames += count
        if messages:
            return JournalRead(tuple(messages), self._progress())
        self.ended = True
        return JournalEnded(tuple(self._warnings), self.places(), self._progress())

    @property
    def left_out(self) -> bool:
        """Whether frames were left where they are."""
        return bool(self._left_out)

    def places(self) -> dict[LineKey, Place]:
        """Give how far each line was read that was not left out."""
        return {
            key: replace(place, next_frame=self._next_frames.get(key, place.next_frame))
            for key, place in self._unrecovered.last_places().items()
            if key[1] not in self._left_out
        }

    def _progress(self) -> RecoveryProgressed:
        # What is torn and what stands twice is passed over, and so are the segments' headers.
        nbytes = self._of_bytes if self.ended else min(self._bytes, self._of_bytes)
        return RecoveryProgressed(nbytes, self._of_bytes, self._frames, self.ended)

    def _note_unknown(self, header: Header) -> None:
        self._left_out.add(header.line)
        text = f"frames of the feed {header.feed}, which is not configured any more, are not recovered"
        if text not in self._warnings:
            self._warnings.append(text)


def _message(kept: Kept) -> Recovered:
    header, entry = kept.header, kept.entry
    if entry.kind == FRAMES:
        stamps = freeze(np.full(len(entry.payloads), entry.ts_recv_ns, np.int64))
        return Frames(
            SENDER, header.feed, header.venue, header.session, header.line, entry.first_frame,
            entry.payloads, stamps, entry.payloads.nbytes,
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

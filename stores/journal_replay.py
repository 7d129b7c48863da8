"""Reads unclean sessions back from the journal, entry by entry, in the order in which they were written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.checkpointing import LineKey, Place
from stores.journal import Journal, covers, read_segment, split_name
from stores.journal_format import FRAMES, Entry, Header, Torn


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry, and whose it is."""

    header: Header
    entry: Entry


@dataclass(frozen=True, slots=True)
class Unrecovered:
    """What unclean sessions have that no checkpoint covers."""

    journal: Journal
    sessions: Sequence[int]
    """Oldest first."""
    covered: Mapping[LineKey, Place] = field(default_factory=dict)

    def segments(self, session: int) -> list[Path]:
        """Give the segments to be read of a session, line by line, oldest first."""
        return [path for path in self.journal.segments(session) if not covers(self.covered, session, path)]

    @property
    def nbytes(self) -> int:
        """Bytes to be read."""
        return sum(path.stat().st_size for session in self.sessions for path in self.segments(session))

    def since(self) -> dict[int, dict[str, int]]:
        """Give, by session and line, the first frame that is not covered."""
        since: dict[int, dict[str, int]] = {session: {} for session in self.sessions}
        for (session, line), place in self.covered.items():
            if session in since:
                since[session][line] = place.next_frame
        return since

    def last_places(self) -> dict[LineKey, Place]:
        """Give the places behind everything that is there now."""
        places = dict(self.covered)
        for session in self.sessions:
            for path in self.segments(session):
                line, number = split_name(path)
                before = places.get((session, line), Place(-1, 0))
                places[session, line] = Place(number, before.next_frame)
        return places


def read_sessions(unrecovered: Unrecovered, warnings: list[str]) -> Iterator[Kept]:
    """Give the entries of the sessions, line by line; what is torn is told and left out.

    An entry may stand twice, where a connection died between writing it and taking note of that; it is
    given once, since frames count up along a line.
    """
    for session in unrecovered.sessions:
        line, expected = "", 0
        for path in unrecovered.segments(session):
            try:
                found = read_segment(path)
            except OSError as error:
                warnings.append(f"{path} cannot be read: {error.strerror}")
                continue
            if isinstance(found, Torn):
                warnings.append(f"{path}: {found.reason}")
                continue
            header, items = found
            if header.line != line:
                line, expected = header.line, 0
            for item in items:
                if isinstance(item, Torn):
                    warnings.append(f"{path}: {item.reason}; cut off at byte {item.offset}")
                elif item.first_frame >= expected:
                    expected = item.first_frame + frames_in(item)
                    yield Kept(header, item)


def frames_in(entry: Entry) -> int:
    """Count the frames that an entry stands for in its line's numbering."""
    return len(entry.payloads) if entry.kind == FRAMES else min(1, len(entry.payloads))

"""Reads unclean sessions back from the journal, entry by entry, in the order in which they were written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stores.journal import Journal, read_segment
from stores.journal_format import FRAMES, Entry, Header, Torn


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry, and whose it is."""

    header: Header
    entry: Entry


def read_sessions(journal: Journal, sessions: Sequence[int], warnings: list[str]) -> Iterator[Kept]:
    """Give the entries of the sessions, line by line; what is torn is told and left out.

    An entry may stand twice, where a connection died between writing it and taking note of that; it is
    given once, since frames count up along a line.
    """
    for session in sessions:
        line, expected = "", 0
        for path in journal.segments(session):
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

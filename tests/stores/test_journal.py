"""Appending to the journal and reading it back: rotation, a full disk, torn tails, retention."""

import errno
import os
from pathlib import Path

from core.payloads import NO_MESSAGES, Payloads
from stores.journal import Journal, LineJournal, Segment, examine
from stores.journal_format import FRAMES, RESET, Entry, Header, Torn
from stores.journal_replay import Unrecovered, read_sessions
from stores.journal_sync import Syncer

HEADER = Header(3, "f", "generic", "f/0/A", 0)


def line(journal: Journal, **options: object) -> LineJournal:
    """Give a line's append side."""
    return LineJournal(journal.session_path(3), HEADER, **options)  # type: ignore[arg-type]


def append(kept: LineJournal, first: int, count: int = 1) -> str | None:
    """Append so many frames."""
    return kept.append(
        FRAMES, first, 1_000 + first, Payloads.of(b"frame %d" % (first + i) for i in range(count))
    )


def frames(journal: Journal, warnings: list[str] | None = None) -> list[bytes]:
    """Read every frame of session 3."""
    told: list[str] = [] if warnings is None else warnings
    found = read_sessions(Unrecovered(journal, [3]), told)
    return [payload for kept in found for payload in kept.entry.payloads]


def test_what_was_appended_reads_back_across_segments(tmp_path: Path) -> None:
    """Segments roll over at their size, are private, and count up."""
    journal = Journal(tmp_path)
    opened: list[Path] = []
    kept = line(journal, segment_bytes=400, opened=opened.append)
    for first in range(0, 40, 2):
        assert append(kept, first, 2) is None
    assert kept.append(RESET, 40, 7, NO_MESSAGES) is None
    kept.close()
    assert journal.segments(3) == opened
    assert len(opened) > 3
    assert {path.stat().st_mode & 0o777 for path in opened} == {0o600}
    assert frames(journal) == [b"frame %d" % i for i in range(40)]
    assert list(read_sessions(Unrecovered(journal, [3]), []))[-1].entry == Entry(RESET, 40, 7, NO_MESSAGES)


def test_an_entry_that_stands_twice_is_read_once(tmp_path: Path) -> None:
    """A connection may die between writing an entry and taking note of that."""
    journal = Journal(tmp_path)
    kept = line(journal)
    for first in (0, 1, 1, 2, 2, 3):
        append(kept, first)
    kept.close()
    assert frames(journal) == [b"frame %d" % i for i in range(4)]


def test_a_full_disk_costs_what_it_refused_and_nothing_else(tmp_path: Path) -> None:
    """A half-written entry is taken back, and the next append uses the room that there is again."""
    journal = Journal(tmp_path)
    full = False

    def write(file: int, content: bytes) -> int:
        if full and len(content) > 5:
            return os.write(file, bytes(content[:5]))
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, content)

    kept = line(journal, write=write)
    assert append(kept, 0) is None
    full = True
    assert append(kept, 1) == "No space left on device"
    assert append(kept, 2) == "No space left on device"
    full = False
    assert append(kept, 3) is None
    kept.close()
    warnings: list[str] = []
    assert frames(journal, warnings) == [b"frame 0", b"frame 3"]
    assert not warnings


def test_a_disk_that_is_full_from_the_start_is_used_once_it_is_not(tmp_path: Path) -> None:
    """A segment without a header is left behind."""
    journal = Journal(tmp_path)
    full = True

    def write(file: int, content: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, content)

    kept = line(journal, write=write)
    assert append(kept, 0) is not None
    full = False
    assert append(kept, 1) is None
    kept.close()
    assert frames(journal) == [b"frame 1"]


def test_a_torn_tail_is_told_and_the_rest_read(tmp_path: Path) -> None:
    """As after a crash in the middle of a write."""
    journal = Journal(tmp_path)
    kept = line(journal)
    for first in range(3):
        append(kept, first)
    kept.close()
    (path,) = journal.segments(3)
    os.truncate(path, path.stat().st_size - 2)
    warnings: list[str] = []
    assert frames(journal, warnings) == [b"frame 0", b"frame 1"]
    assert len(warnings) == 1
    assert "cut off" in warnings[0]
    segment = examine(path)
    assert isinstance(segment, Segment)
    assert (segment.frames, segment.torn is not None) == (2, True)


def test_a_file_that_is_no_segment_is_told(tmp_path: Path) -> None:
    """It stops nothing."""
    journal = Journal(tmp_path)
    directory = journal.session_path(3)
    directory.mkdir(parents=True)
    (directory / "f.000000.tlj").write_bytes(b"nonsense")
    assert isinstance(examine(directory / "f.000000.tlj"), Torn)
    warnings: list[str] = []
    assert frames(journal, warnings) == []
    assert len(warnings) == 1


def test_only_clean_sessions_make_room_oldest_first(tmp_path: Path) -> None:
    """What is to be recovered stays, however much it is."""
    journal = Journal(tmp_path)
    for session in (1, 2, 3):
        kept = LineJournal(journal.session_path(session), Header(session, "f", "generic", "f/0/A", 0))
        append(kept, 0, 100)
        kept.close()
    each = journal.nbytes // 3
    journal.mark_clean(1)
    journal.mark_clean(3)
    assert journal.unclean(4) == [2]
    assert journal.trim(2 * each) == 2 * each
    assert journal.sessions() == [2, 3]
    assert journal.trim(0) == each
    assert journal.sessions() == [2]


def test_the_syncer_lets_go_of_segments_that_are_done(tmp_path: Path) -> None:
    """One segment a line is watched; a path that is gone is told."""
    journal = Journal(tmp_path)
    syncer = Syncer()
    kept = line(journal, segment_bytes=200, opened=syncer.add)
    before = len(os.listdir("/proc/self/fd"))
    for first in range(50):
        append(kept, first)
        assert syncer.sync() == []
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert syncer.add(tmp_path / "gone") == "gone: No such file or directory"
    syncer.close()
    kept.close()

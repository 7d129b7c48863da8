"""Captures: plain and compressed, whole and cut off, and what is told of bad ones."""

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from stores.captures import CaptureLine, read, scan

Pack = Callable[[bytes], bytes]
PACKED: dict[str, Pack] = {
    "c.jsonl": bytes,
    "c.jsonl.gz": gzip.compress,
    "c.jsonl.zst": zstandard.ZstdCompressor(write_content_size=False).compress,
}
COMPRESSED = ["c.jsonl.gz", "c.jsonl.zst"]


def line(number: int, direction: str = "recv", venue: str = "demo", text: str | None = None) -> bytes:
    """Give a line of a capture; by default of a text that hardly compresses."""
    given = Random(number).randbytes(12).hex() if text is None else text
    told = {"ts_recv_ns": number, "venue": venue, "dir": direction, "data": given}
    return json.dumps(told).encode() + b"\n"


def times(lines: list[CaptureLine]) -> list[int]:
    """Give the receive times, by which the lines are told apart."""
    return [each.ts_recv_ns for each in lines]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Give what writes a file."""

    def write_file(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


Write = Callable[[str, bytes], Path]


@pytest.mark.parametrize("name", PACKED)
def test_received_frames_are_read_and_the_others_left_out(name: str, write: Write) -> None:
    said = line(1, "open") + line(2, text='{"é": "☃"}') + line(3, "sent") + line(4)
    path = write(name, PACKED[name](said))
    told: list[str] = []
    lines = list(read([path], told))
    assert times(lines) == [2, 4]
    assert (lines[0].data, lines[0].venue, told) == ('{"é": "☃"}', "demo", [])


def test_files_are_read_in_the_order_given(write: Write) -> None:
    paths = [
        write(f"{i}-{name}", pack(line(i) + line(10 + i))) for i, (name, pack) in enumerate(PACKED.items())
    ]
    assert times(list(read(paths[::-1]))) == [2, 12, 1, 11, 0, 10]


@pytest.mark.parametrize("name", COMPRESSED)
def test_files_that_were_compressed_piece_by_piece_are_read_whole(name: str, write: Write) -> None:
    """As appending to them leaves them: one stream behind the other."""
    path = write(name, b"".join(PACKED[name](line(i)) for i in range(5)))
    assert times(list(read([path]))) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", PACKED)
def test_an_empty_capture_is_nothing_to_complain_of(name: str, write: Write) -> None:
    found = scan([write(name, PACKED[name](b""))])
    assert (found.frames, found.venues, found.warnings) == (0, (), ())


@pytest.mark.parametrize("name", PACKED)
def test_a_file_that_ends_in_the_middle_of_a_line_is_read_up_to_there(name: str, write: Write) -> None:
    path = write(name, PACKED[name](line(1) + line(2) + line(3)[:-9]))
    told: list[str] = []
    assert times(list(read([path, path], told))) == [1, 2, 1, 2]
    assert told == [f"{path} is cut off in the middle of line 3"] * 2


@pytest.mark.parametrize("name", PACKED)
def test_a_last_line_without_its_end_of_line_is_whole(name: str, write: Write) -> None:
    told: list[str] = []
    assert times(list(read([write(name, PACKED[name](line(1) + line(2).rstrip()))], told))) == [1, 2]
    assert told == []


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(COMPRESSED), share=st.floats(0.0, 1.0, exclude_max=True), pieces=st.integers(1, 3)
)
def test_a_cut_anywhere_in_compressed_data_is_told(
    name: str, share: float, pieces: int, write: Write
) -> None:
    """What can be read is read; unless the cut falls between two streams, which nobody can see."""
    per_piece = 400
    packed = [
        PACKED[name](b"".join(map(line, range(i * per_piece, (i + 1) * per_piece)))) for i in range(pieces)
    ]
    whole = b"".join(packed)
    at = max(4, int(share * len(whole)))
    told: list[str] = []
    got = times(list(read([write(name, whole[:at])], told)))
    assert got == list(range(len(got)))
    bounds = {len(b"".join(packed[:i])) for i in range(pieces + 1)}
    assert len(told) == (at not in bounds)
    assert len(got) >= per_piece * (sum(at >= bound for bound in bounds) - 1)


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_file_that_is_cut_on_the_edge_of_a_line_is_told_as_well(name: str, write: Write) -> None:
    """The end of the stream is missing though every line is whole."""
    path = write(name, PACKED[name](line(1) + line(2))[:-1])
    found = scan([path])
    assert found.frames in (0, 2)
    assert found.warnings == (f"{path} is cut off in its compressed data behind line {found.frames}",)


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_file_that_is_not_what_its_name_says_ends_in_a_clear_line(name: str, write: Write) -> None:
    path = write(name, line(1))
    with pytest.raises(UsageError, match=r"c\.jsonl\.\w+ is not compressed as its name says"):
        scan([path])


@pytest.mark.parametrize(
    "bad",
    [
        b"{}\n",
        b"\n",
        b"no json\n",
        b'{"ts_recv_ns": 1.5, "venue": "demo", "dir": "recv", "data": ""}\n',
        b'{"ts_recv_ns": 9223372036854775808, "venue": "demo", "dir": "recv", "data": ""}\n',
        b'{"ts_recv_ns": 1, "venue": "demo", "dir": "recv", "data": 7}\n',
        b'{"ts_recv_ns": 1, "venue": "demo", "dir": "recv", "data": "\\ud800"}\n',
        b'{"ts_recv_ns": 1, "venue": "demo", "dir": "recv", "data": "\xff"}\n',
        b'{"more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    ],
    ids=["empty", "blank", "text", "fraction", "too-late", "number", "surrogate", "latin-1", "deep"],
)
@pytest.mark.parametrize("name", PACKED)
def test_a_bad_line_is_named_with_its_file_and_number(name: str, bad: bytes, write: Write) -> None:
    path = write(name, PACKED[name](line(1) + line(2, "sent") + bad + line(4)))
    with pytest.raises(UsageError) as raised:
        scan([path])
    assert str(raised.value).startswith(f"{path}, line 3: not a line of a capture: ")
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@given(content=st.binary(max_size=200) | st.builds(lambda a: gzip.compress(line(1))[:12] + a, st.binary()))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_whatever_it_holds_ends_in_anything_but_a_clear_line(content: bytes, write: Write) -> None:
    for name in PACKED:
        path = write(name, content)
        with suppress(UsageError):
            scan([path])


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: "):
        scan([tmp_path / name])
    with pytest.raises(UsageError, match="cannot be read: "):
        list(read([tmp_path / name]))


def test_a_first_pass_tells_what_the_files_hold(write: Write) -> None:
    one = write(
        "1", line(1, venue="b") + line(2, "sent", venue="c") + line(3, venue="a") + line(4, venue="b")
    )
    two = write("2", line(5, venue="d")[:-4])
    found = scan([one, two])
    assert (found.paths, found.frames, found.venues) == ((one, two), 3, ("b", "a"))
    assert found.warnings == (f"{two} is cut off in the middle of line 1",)


def test_the_session_is_a_negative_number_of_63_bits_that_the_bytes_alone_decide(write: Write) -> None:
    one, two, copy = write("1", line(1)), write("2", line(2)), write("3", line(1))
    session = scan([one, two]).session
    assert -(2**63) < session < 0
    assert session == scan([copy, two]).session == scan([one, two]).session
    assert len({session, scan([two, one]).session, scan([one]).session, scan([two]).session}) == 4


def test_the_session_of_a_capture_never_changes(write: Write) -> None:
    """A replay must be known again by every later version: the number is worked out by hand here."""
    assert scan([write("1", b"")]).session == -(0xE3B0C44298FC1C14 >> 1)

"""A segment reads back as it was written, cut or damaged anywhere up to there."""

from hypothesis import given
from hypothesis import strategies as st

from core.payloads import Payloads
from stores.journal_format import (
    FRAMES,
    REFUSED,
    RESET,
    Entry,
    Header,
    Torn,
    decode_header,
    encode_entry,
    encode_header,
    entries,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
ENTRIES = st.lists(
    st.builds(
        Entry,
        kind=st.sampled_from((FRAMES, REFUSED, RESET)),
        first_frame=INT64,
        ts_recv_ns=INT64,
        payloads=st.lists(st.binary(max_size=40), max_size=4).map(Payloads.of),
    ),
    max_size=6,
)
HEADERS = st.builds(
    Header, session=INT64, feed=st.text(max_size=8), venue=st.text(max_size=8), line=st.text(max_size=8),
    number=st.integers(0, 2**31),
)  # fmt: skip


def written(header: Header, told: list[Entry]) -> bytes:
    """Give a segment of these entries."""
    return encode_header(header) + b"".join(
        encode_entry(entry.kind, entry.first_frame, entry.ts_recv_ns, entry.payloads) for entry in told
    )


def read(segment: bytes) -> tuple[Header, list[Entry], Torn | None] | Torn:
    """Read a segment."""
    head = decode_header(segment)
    if isinstance(head, Torn):
        return head
    found = list(entries(segment, head[1]))
    torn = found.pop() if found and isinstance(found[-1], Torn) else None
    assert torn is None or isinstance(torn, Torn)
    return head[0], [entry for entry in found if isinstance(entry, Entry)], torn


def test_an_entry_on_disk_is_what_it_always_was() -> None:
    """Byte by byte."""
    assert encode_entry(FRAMES, 5, 7, Payloads.of([b'{"a":1}', b"", b"xyz"])).hex() == (
        "2b000000" "ad7341b1" "01" "0500000000000000" "0700000000000000" "03000000"
        "07000000" "00000000" "03000000" "7b2261223a317d" "78797a"
    )  # fmt: skip


@given(HEADERS, ENTRIES)
def test_a_segment_reads_back(header: Header, told: list[Entry]) -> None:
    """Whole."""
    assert read(written(header, told)) == (header, told, None)


@given(HEADERS, ENTRIES, st.data())
def test_a_cut_segment_reads_back_up_to_the_last_whole_entry(
    header: Header, told: list[Entry], data: st.DataObject
) -> None:
    """The good bytes are whole entries, and cutting there makes the segment whole again."""
    segment = written(header, told)
    start = len(encode_header(header))
    cut = data.draw(st.integers(start, len(segment)))
    found = read(segment[:cut])
    assert not isinstance(found, Torn)
    _, kept, torn = found
    assert kept == told[: len(kept)]
    good = torn.offset if torn else cut
    assert segment[:good] == written(header, kept)


@given(HEADERS, ENTRIES, st.data())
def test_a_flipped_bit_is_found(header: Header, told: list[Entry], data: st.DataObject) -> None:
    """Nothing behind the damage is believed, and nothing before it is lost."""
    segment = bytearray(written(header, told))
    at = data.draw(st.integers(0, len(segment) - 1))
    segment[at] ^= 1 << data.draw(st.integers(0, 7))
    found = read(bytes(segment))
    if isinstance(found, Torn):
        assert at < len(encode_header(header))
        return
    _, kept, torn = found
    assert torn is not None
    assert kept == told[: len(kept)]
    assert torn.offset <= at


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_exception(garbage: bytes) -> None:
    """As a segment, and as entries."""
    read(garbage)
    list(entries(garbage, 0))

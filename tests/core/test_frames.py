"""The frame reader: against its own writer, against another library, and against anything at all."""

import copy
from codecs import getincrementaldecoder
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from core.errors import ProtocolError
from core.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Event,
    FrameState,
    Reading,
    answer,
    close_payload,
    encode,
    farewell,
    parse_close,
    read,
)
from core.records import RAW_LIMIT
from core.splitting import COMPILED_BYTES

LIMIT = 1 << 20


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, mask: bytes = b"") -> bytes:
    """A server's frame; with a mask (of zeros), one that no server may send."""
    length = len(payload)
    masked = 0x80 if mask else 0
    if length < 126:
        short, extended = length, b""
    elif length < 2**16:
        short, extended = 126, length.to_bytes(2, "big")
    else:
        short, extended = 127, length.to_bytes(8, "big")
    return bytes((0x80 * final | rsv << 4 | opcode, masked | short)) + extended + mask + payload


@dataclass
class Whole:
    """What several readings amount to."""

    state: FrameState
    events: tuple[Event, ...] = ()
    error: ProtocolError | None = None
    offending: bytes | None = None


def read_in(pieces: list[bytes], limit: int = LIMIT) -> Whole:
    """Read piece by piece; all the events, and the error if there was one."""
    whole = Whole(FrameState())
    events: list[Event] = []
    for piece in pieces:
        reading = read(whole.state, piece, limit)
        whole.state = reading.state
        events += reading.events
        if reading.error is not None:
            whole.error, whole.offending = reading.error, reading.offending
    whole.events = tuple(events)
    return whole


def outcome(reading: Reading | Whole) -> tuple[tuple[Event, ...], int | None]:
    return reading.events, reading.error.close_code if reading.error else None


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    return [wire[start:stop] for start, stop in pairwise(edges)]


places = st.lists(st.integers(0, 2**20), max_size=12)
texts = st.text(max_size=300).map(str.encode)
controls = st.tuples(st.sampled_from((PING, PONG)), st.binary(max_size=125))
messages = st.one_of(st.tuples(st.just(TEXT), texts), st.tuples(st.just(BINARY), st.binary(max_size=70_000)))
close_payloads = st.one_of(
    st.binary(max_size=1),
    st.builds(lambda code, text: code.to_bytes(2, "big") + text, st.integers(995, 5005), texts),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, tuple[Event, ...]]:
    """What a well-behaved server may send, and the events that it amounts to."""
    wire, events = b"", []
    for opcode, payload in draw(st.lists(messages, max_size=4)):
        fragments = cut(payload, draw(st.lists(st.integers(0, 2**20), max_size=3)))
        for number, fragment in enumerate(fragments):
            for control in draw(st.lists(controls, max_size=2)):
                wire += frame(*control)
                events.append(control)
            kind = CONTINUATION if number else opcode
            wire += frame(kind, fragment, final=number == len(fragments) - 1)
        events.append((opcode, payload))
    return wire, tuple(events)


@settings(deadline=None)
@given(conversations(), places)
def test_any_messages_however_cut_into_frames_and_reads_come_back(
    conversation: tuple[bytes, tuple[Event, ...]], places: list[int]
) -> None:
    wire, events = conversation
    assert outcome(read_in(cut(wire, places))) == (events, None)


@settings(deadline=None)
@given(
    st.one_of(st.binary(max_size=60), conversations().map(lambda pair: pair[0])),
    st.binary(max_size=20),
    places,
)
def test_where_reads_are_cut_never_matters_and_nothing_ever_raises(
    start: bytes, rest: bytes, places: list[int]
) -> None:
    wire = start + rest
    assert outcome(read_in(cut(wire, places))) == outcome(read_in([wire]))
    assert outcome(read_in([bytes((byte,)) for byte in wire[-300:]])) == outcome(read_in([wire[-300:]]))


@settings(deadline=None)
@given(conversations(), st.binary(max_size=300), places)
def test_a_state_is_a_value_that_can_be_read_into_again(
    conversation: tuple[bytes, tuple[Event, ...]], rest: bytes, places: list[int]
) -> None:
    state = FrameState()
    for piece in cut(conversation[0] + rest, places):
        before = copy.deepcopy(state)
        first, second = read(state, piece, LIMIT), read(state, piece, LIMIT)
        assert state == before
        assert (first.state, outcome(first)) == (second.state, outcome(second))
        state = first.state


@st.composite
def frames_of_any_kind(draw: st.DrawFn) -> bytes:
    """A frame that is right more often than not."""
    opcode = draw(st.sampled_from((TEXT, TEXT, CONTINUATION, BINARY, PING, PONG, CLOSE, 3, 11)))
    # A close frame has one fault at most: which of two is named is anyone's choice.
    payload = draw(close_payloads if opcode == CLOSE else st.one_of(texts, st.binary(max_size=140)))
    rsv = draw(st.sampled_from((0,) * 9 + (1, 4)))
    mask = draw(st.sampled_from((b"",) * 18 + (b"\0\0\0\0", b"\0\x7e\0\0")))
    return frame(opcode, payload, final=draw(st.booleans()) or opcode > 7, rsv=rsv, mask=mask)


MANY = COMPILED_BYTES + 500
"""Bytes of a stream that is certainly split by compiled code where it is read at once."""
TEXTS_IN_PLENTY = -(-MANY // 2)
"""So many texts, even empty ones, are a long stream."""


@dataclass
class LongStream:
    """Many times the same texts, anything behind them and the same texts again, then damaged and cut."""

    usual: bytes
    other: bytes
    damage: list[tuple[int, int]]
    cut: int

    def wire(self) -> bytes:
        """Give its bytes."""
        usual = self.usual * -(-MANY // len(self.usual))
        wire = bytearray(usual + self.other + usual)
        for place, byte in self.damage:
            wire[place % len(wire)] = byte
        return bytes(wire[: len(wire) - self.cut % len(wire)])


short_texts = st.one_of(texts, st.sampled_from((0, 1, 125, 126, 180)).map(bytes))
long_streams = st.builds(
    LongStream,
    usual=st.lists(short_texts, min_size=1, max_size=3).map(
        lambda some: b"".join(frame(TEXT, text) for text in some)
    ),
    other=st.one_of(st.just(b""), st.binary(max_size=4), frames_of_any_kind()),
    damage=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=2),
    cut=st.one_of(st.just(0), st.integers(0, 400)),
)


@settings(deadline=None)
@given(long_streams, st.integers(10, COMPILED_BYTES - 1), st.sampled_from((100, 179, 180, LIMIT)))
def test_compiled_code_finds_what_plain_python_finds(stream: LongStream, step: int, limit: int) -> None:
    wire = stream.wire()
    whole = read_in([wire], limit)
    piecewise = read_in([wire[start : start + step] for start in range(0, len(wire), step)], limit)
    assert outcome(whole) == outcome(piecewise)
    assert (whole.offending or b"").startswith(piecewise.offending or b"")
    assert replace(whole.state, parts=()) == replace(piecewise.state, parts=())
    assert b"".join(whole.state.parts) == b"".join(piecewise.state.parts)


@settings(deadline=None, max_examples=30)
@given(st.lists(texts, min_size=1, max_size=20), st.lists(controls, max_size=3))
def test_messages_lie_in_one_piece_of_memory_and_the_order_of_all_is_told(
    some: list[bytes], between: list[Event]
) -> None:
    said = [(TEXT, text) for text in some * -(-TEXTS_IN_PLENTY // len(some))]
    for number, control in enumerate(between):
        said.insert(len(said) * (number + 1) // 4, control)
    reading = read(FrameState(), b"".join(frame(*event) for event in said), LIMIT)
    assert reading.texts == [payload for opcode, payload in said if opcode == TEXT]
    assert reading.controls == tuple(between)
    assert reading.opcodes == bytes(opcode for opcode, _ in said)
    assert reading.events == tuple(said)


def another_librarys_opinion(wire: bytes, limit: int) -> tuple[tuple[Event, ...], int | None]:
    """Read with `websockets`, whose frame layer leaves joining fragments and checking text to its callers."""
    protocol = Protocol(Side.CLIENT, state=State.OPEN, max_size=limit)
    protocol.receive_data(wire)
    events: list[Event] = []
    opcode, parts, decoder = CONTINUATION, b"", getincrementaldecoder("utf-8")()
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode >= Opcode.CLOSE:
            events.append((int(event.opcode), bytes(event.data)))
            continue
        opcode, parts = opcode or int(event.opcode), parts + bytes(event.data)
        try:
            if opcode == TEXT:
                decoder.decode(bytes(event.data), event.fin)
        except UnicodeDecodeError:
            return tuple(events), 1007
        if event.fin:
            events.append((opcode, parts))
            opcode, parts = CONTINUATION, b""
            decoder.reset()
    # It forbids a close frame inside a fragmented message; RFC 6455 section 5.4 does not.
    assume("incomplete fragmented" not in str(protocol.parser_exc))
    match protocol.parser_exc:
        case None:
            return tuple(events), None
        case PayloadTooBig():
            return tuple(events), 1009
        case UnicodeDecodeError():
            return tuple(events), 1007
    return tuple(events), 1002


@settings(deadline=None)
@given(st.lists(frames_of_any_kind(), max_size=6), places)
def test_another_library_finds_the_same_messages_and_the_same_faults(
    wires: list[bytes], places: list[int]
) -> None:
    wire = b"".join(wires)
    assert outcome(read_in(cut(wire, places), 400)) == another_librarys_opinion(wire, 400)


HELD_BACK = frame(TEXT, b"a", final=False)
FAULTS = {
    "reserved bit": (frame(TEXT, b"a", rsv=4), 1002),
    "reserved opcode": (frame(3), 1002),
    "reserved control opcode": (frame(11), 1002),
    "masked": (frame(TEXT, b"a", mask=b"\0\0\0\0"), 1002),
    "masked with a key that could be a length": (frame(TEXT, b"a" * 99, mask=b"\0\x7ea\0") + bytes(99), 1002),
    "fragmented ping": (frame(PING, final=False), 1002),
    "long ping": (b"\x89\x7e\x00\x7e", 1002),
    "continuation of nothing": (frame(CONTINUATION, b"a"), 1002),
    "message inside a message": (HELD_BACK + frame(TEXT, b"a"), 1002),
    "length of 125 in two bytes": (b"\x81\x7e\x00\x7d" + bytes(125), 1002),
    "length of 65535 in eight bytes": (b"\x81\x7f\0\0\0\0\0\0\xff\xff", 1002),
    "top bit of a length": (b"\x81\x7f\x80\0\0\0\0\0\0\0", 1002),
    "too long by its header alone": (b"\x82\x7f\0\0\0\0\0\x10\0\x01", 1009),
    "too long though all of it is here": (frame(TEXT, bytes(LIMIT + 1)), 1009),
    "too long over its fragments": (HELD_BACK + b"\x80\x7f\0\0\0\0\0\x10\0\x00", 1009),
    "no text": (frame(TEXT, b"\xff"), 1007),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text that ends inside a character": (frame(TEXT, b"\xe2\x82"), 1007),
    "fragments that end inside a character": (
        frame(TEXT, b"\xe2", final=False) + frame(CONTINUATION, b"\x82"),
        1007,
    ),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with 1005": (frame(CLOSE, b"\x03\xed"), 1002),
    "close with 999": (frame(CLOSE, b"\x03\xe7"), 1002),
    "close with 5000": (frame(CLOSE, b"\x13\x88"), 1002),
    "close for no text": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_whichever_way_it_arrives_and_ends_the_reading(name: str) -> None:
    wire, close_code = FAULTS[name]
    before = (TEXT, b"before" * 15)
    start = frame(*before)
    bytewise = [bytes((byte,)) for byte in (start + wire)[:100]] + [(start + wire)[100:]]
    for many, pieces in ((1, [start + wire]), (1, bytewise), (60, [start * 60 + wire])):
        reading = read_in(pieces)
        assert outcome(reading) == ((before,) * many, close_code)
        assert (reading.offending is None) == (close_code == 1002)
        assert read(reading.state, frame(TEXT, b"after"), LIMIT) == Reading(reading.state)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999])
def test_a_close_frame_is_the_last_event_and_is_answered_with_its_code(code: int) -> None:
    payload = close_payload(code, "grüße")
    reading = read(FrameState(), frame(CLOSE, payload) + frame(TEXT, b"after"), LIMIT)
    assert reading.events == ((CLOSE, payload),)
    assert reading.error is None
    assert parse_close(payload) == (code, "grüße")
    assert answer(reading.events[0]) == (CLOSE, close_payload(code))
    assert read(reading.state, frame(TEXT, b"after"), LIMIT).events == ()


def test_a_close_frame_without_a_code_is_answered_with_none() -> None:
    assert parse_close(b"") == (None, "")
    assert answer((CLOSE, b"")) == (CLOSE, close_payload(None))


def test_a_ping_is_answered_with_its_payload_and_nothing_else_is() -> None:
    assert answer((PING, b"beat")) == (PONG, b"beat")
    assert [answer((opcode, b"x")) for opcode in (PONG, TEXT, BINARY)] == [None, None, None]


def test_bad_text_is_found_before_its_frame_is_complete() -> None:
    reading = read(FrameState(), frame(TEXT, b"good \xf4\x90" + bytes(100))[:9], LIMIT)
    assert outcome(reading) == ((), 1007)
    assert reading.offending == b"good \xf4\x90"


def test_a_message_may_be_as_long_as_the_limit_and_no_longer() -> None:
    wire = frame(TEXT, b"12345") + frame(TEXT, b"123456")
    reading = read(FrameState(), wire, 5)
    assert outcome(reading) == (((TEXT, b"12345"),), 1009)
    assert reading.offending == b"123456"


def test_what_offends_holds_the_fragments_before_it_and_is_cut() -> None:
    start = frame(TEXT, b"a" * 40_000, final=False)
    bad = read_in([start, frame(CONTINUATION, b"b" * 100 + b"\xff", final=False)])
    assert bad.offending == b"a" * 40_000 + b"b" * 100 + b"\xff"
    big = read_in([start, frame(CONTINUATION, b"b" * 40_000)], 70_000)
    assert outcome(big) == ((), 1009)
    assert big.offending == (b"a" * 40_000 + b"b" * 40_000)[:RAW_LIMIT]


@pytest.mark.parametrize(("step", "parts"), [(1, 20), (1000, 20), (65_536, 1)])
def test_a_long_message_in_small_reads_is_held_in_few_parts(step: int, parts: int) -> None:
    payload = bytes(50_000)
    wire = frame(BINARY, payload)
    state = FrameState()
    for start in range(0, len(wire), step):
        reading = read(state, wire[start : start + step], LIMIT)
        state = reading.state
        assert len(state.parts) <= parts
    assert reading.events == ((BINARY, payload),)
    assert state == FrameState()


@settings(deadline=None)
@given(st.sampled_from((TEXT, BINARY)), st.binary(max_size=70_000), st.binary(min_size=4, max_size=4))
def test_another_library_reads_what_is_written(opcode: int, payload: bytes, mask: bytes) -> None:
    server = Protocol(Side.SERVER, state=State.OPEN)
    server.receive_data(encode(opcode, payload, mask))
    (received,) = server.events_received()
    assert isinstance(received, Frame)
    assert (received.opcode, received.fin, bytes(received.data)) == (opcode, True, payload)


def test_the_frame_of_rfc_6455_section_5_7_is_written_as_it_stands_there() -> None:
    expected = bytes.fromhex("818537fa213d7f9f4d5158")
    assert encode(TEXT, b"Hello", bytes.fromhex("37fa213d")) == expected


def test_what_no_frame_can_hold_is_a_callers_fault() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        encode(TEXT, b"", b"123")
    with pytest.raises(ValueError, match="125 bytes"):
        encode(PING, bytes(126), b"1234")


@settings(deadline=None)
@given(st.text(), st.integers(3000, 4999))
def test_any_reason_fits_into_a_close_frame(reason: str, code: int) -> None:
    payload = close_payload(code, reason)
    assert len(payload) <= 125
    read_code, read_reason = parse_close(payload)
    assert read_code == code
    assert reason.startswith(read_reason)


def test_a_reason_is_cut_between_characters() -> None:
    assert parse_close(close_payload(1000, "ä" * 100)) == (1000, "ä" * 61)
    assert parse_close(close_payload(1000, "lone \ud800")) == (1000, "lone ?")


def test_a_farewell_names_the_fault() -> None:
    opcode, payload = farewell(ProtocolError(1009, "message is longer than 5 bytes"))
    assert (opcode, parse_close(payload)) == (CLOSE, (1009, "message is longer than 5 bytes"))

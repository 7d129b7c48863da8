"""What a connection makes of the bytes that the venue sends, whatever they are."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.transport import Ended
from core.line import BUSY_SECONDS
from core.records import RAW_LIMIT
from messages.ingestion import FrameRefused
from messages.observation import CutTaken, Marker, TakeCut
from tests.support.frames import BINARY, CLOSE, PING, PONG, TEXT, encode_frame
from tests.support.harness import World
from tests.support.one_line import LIMIT, Line, all_of, lone_line, numbered, outline

MakeWorld = Callable[[int], World]
CONTINUATION = 0


@pytest.fixture
def line(make_world: MakeWorld) -> Line:
    line = Line(make_world(1))
    line.connect()
    return line


def code(number: int) -> bytes:
    return number.to_bytes(2, "big")


# Messages


def test_what_one_read_gave_is_one_message_with_everything_a_normalizer_needs(line: Line) -> None:
    line.say("first")
    line.put()
    line.hear(encode_frame(TEXT, "a") + encode_frame(BINARY, "bc") + encode_frame(TEXT, ""))
    now = line.world.clock.time_ns()
    (message,) = line.put()
    assert all_of(message) == (
        "connection/f/0/A", "f", "plain", 7, "f/0/A", 1, (b"a", b"bc", b""), [now] * 3, 3
    )  # fmt: skip
    assert not message.ts_recv_ns.flags.writeable
    assert line.slot.counts == {("f", "frames"): 4}


def test_fragments_are_one_message_and_control_frames_may_come_between(line: Line) -> None:
    line.hear(
        encode_frame(TEXT, "a", fin=False) + encode_frame(PING, "?"),
        encode_frame(CONTINUATION, "b", fin=False),
        encode_frame(CONTINUATION, "c") + encode_frame(TEXT, "next"),
    )  # fmt: skip
    assert line.frames() == [(0, b"abc"), (1, b"next")]
    assert line.transports[-1].sent[-1] == (PONG, b"?")


def test_a_message_is_stamped_with_the_read_that_completed_it(line: Line) -> None:
    raw = encode_frame(TEXT, "late")
    line.hear(raw[:3])
    line.wait(2.5)
    line.hear(raw[3:])
    (message,) = line.put()
    assert message.ts_recv_ns.tolist() == [line.world.clock.time_ns()]


@settings(max_examples=50, deadline=None)
@given(
    texts=st.lists(st.text(max_size=200), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 2_000), max_size=12),
)
def test_it_does_not_matter_where_reads_cut_the_stream(texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(TEXT, text) for text in texts)
    places = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
    pieces = [piece for a, b in pairwise(places) if (piece := stream[a:b])]
    with lone_line() as line:
        line.connect(*pieces)
        assert line.frames() == list(enumerate(text.encode() for text in texts))


def test_half_a_message_does_not_outlive_its_connection(line: Line) -> None:
    line.hear(
        encode_frame(TEXT, "half", fin=False), encode_frame(TEXT, "cut off")[:5], Ended("cut", clean=False)
    )
    line.connect(encode_frame(TEXT, "whole"))
    assert outline(line.put()) == [("reset", 0), ("frame", 0, b"whole")]


# Answers


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(125))])
def test_a_ping_is_answered_with_its_payload(line: Line, payload: bytes) -> None:
    line.hear(encode_frame(PING, payload))
    assert line.transports[-1].sent[-1] == (PONG, payload)
    assert line.state().state == "up"
    assert not line.put()


def test_a_pong_that_nobody_asked_for_is_not_answered(line: Line) -> None:
    sent = list(line.transports[-1].sent)
    line.hear(encode_frame(PONG, "x"))
    assert line.transports[-1].sent == sent


@pytest.mark.parametrize(
    ("payload", "echo", "words"),
    [
        (b"", b"", "no code"),
        (code(1000), code(1000), "1000"),
        (code(1001) + b"bye", code(1001), "1001: bye"),
        (code(1012) + "größer".encode(), code(1012), "1012: größer"),
        (code(4000) + b"a\nb\x1b[2J", code(4000), "4000: a b [2J"),
    ],
)
def test_a_close_is_echoed_and_the_line_begun_anew(
    line: Line, payload: bytes, echo: bytes, words: str
) -> None:
    transport = line.transports[-1]
    line.hear(encode_frame(TEXT, "last") + encode_frame(CLOSE, payload) + encode_frame(TEXT, "behind it"))
    assert line.frames() == [(0, b"last")]
    assert transport.sent[-1] == (CLOSE, echo)
    assert transport.closed
    assert line.losses() == [f"the venue closed the connection ({words})"]
    assert line.state().wait_seconds < BUSY_SECONDS
    line.connect(encode_frame(TEXT, "again"))
    assert line.frames() == [(1, b"again")]


FAULTS = {
    "reserved bits": (encode_frame(TEXT, "x", rsv=4), 1002),
    "masked": (encode_frame(TEXT, "x", masked=True), 1002),
    "reserved opcode": (encode_frame(3, "x"), 1002),
    "fragmented ping": (encode_frame(PING, "x", fin=False), 1002),
    "long ping": (encode_frame(PING, "x" * 126), 1002),
    "nothing to continue": (encode_frame(CONTINUATION, "x"), 1002),
    "message in a message": (encode_frame(TEXT, "x", fin=False) + encode_frame(TEXT, "x"), 1002),
    "close code 1005": (encode_frame(CLOSE, code(1005)), 1002),
    "half a close code": (encode_frame(CLOSE, b"\x03"), 1002),
    "length with the top bit": (b"\x81\x7f" + b"\xff" * 8, 1002),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_protocol_error_is_answered_and_ends_the_line(line: Line, fault: str) -> None:
    raw, close_code = FAULTS[fault]
    transport = line.transports[-1]
    line.hear(encode_frame(TEXT, "before") + raw + encode_frame(TEXT, "behind"))
    assert line.frames() == [(0, b"before")]
    opcode, payload = transport.sent[-1]
    assert (opcode, payload[:2]) == (CLOSE, code(close_code))
    assert transport.closed
    assert line.losses()[0].startswith("the venue broke the WebSocket protocol: ")
    line.connect(encode_frame(TEXT, "after"))
    assert line.frames() == [(1, b"after")]


REFUSED = {
    "bytes that are no text": (encode_frame(TEXT, b"ab\xff\xfe"), 1007, "malformed_json", b"ab\xff\xfe"),
    "a character cut short": (encode_frame(TEXT, "€".encode()[:2]), 1007, "malformed_json", "€".encode()[:2]),
    "no text in a fragment": (
        encode_frame(TEXT, "a", fin=False) + encode_frame(CONTINUATION, b"\xc0"), 1007, "malformed_json",
        b"a\xc0",
    ),
    "a close reason that is no text": (
        encode_frame(CLOSE, code(1000) + b"\xff"), 1007, "malformed_json", code(1000) + b"\xff",
    ),
    "a message too long": (encode_frame(TEXT, "x" * (LIMIT + 1)), 1009, "oversize", b"x" * RAW_LIMIT),
    "fragments too long": (
        encode_frame(BINARY, "x" * LIMIT, fin=False) + encode_frame(CONTINUATION, "y"), 1009, "oversize",
        b"x" * RAW_LIMIT,
    ),
    "a length that only announces it": (b"\x82\x7f" + (1 << 40).to_bytes(8, "big"), 1009, "oversize", b""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_record_is_quarantined_with_its_bytes(line: Line, case: str) -> None:
    raw, close_code, reason, offending = REFUSED[case]
    transport = line.transports[-1]
    line.hear(encode_frame(TEXT, "before") + raw)
    now = line.world.clock.time_ns()
    before, refused = line.put()
    assert numbered([before]) == [(0, b"before")]
    assert refused == FrameRefused("connection/f/0/A", "f", "plain", 7, "f/0/A", 1, reason, offending, now)
    opcode, payload = transport.sent[-1]
    assert (opcode, payload[:2]) == (CLOSE, code(close_code))
    assert line.losses()[0].startswith("the venue broke the WebSocket protocol: ")
    line.connect(encode_frame(TEXT, "after"))
    assert outline(line.put()) == [("reset", 2), ("frame", 2, b"after")]
    assert line.slot.counts == {("f", "frames"): 3}


def test_the_longest_message_is_taken(line: Line) -> None:
    line.hear(encode_frame(TEXT, "x" * LIMIT))
    assert line.frames() == [(0, b"x" * LIMIT)]
    assert line.state().state == "up"


def test_a_socket_that_ends_is_told_in_its_words(line: Line) -> None:
    transport = line.transports[-1]
    line.hear(encode_frame(TEXT, "last"), Ended("the peer reset the connection", clean=False))
    assert line.frames() == [(0, b"last")]
    assert line.losses() == ["the peer reset the connection"]
    assert transport.closed


# The gate, and what comes first


def test_while_the_gate_is_closed_the_socket_is_not_read_but_commands_are_heard(line: Line) -> None:
    transport = line.transports[-1]
    line.settle()
    line.gate.close("full")
    reads = transport.reads
    line.hear(encode_frame(TEXT, "a"), encode_frame(TEXT, "b"))
    line.tell(TakeCut(1))
    assert transport.reads == reads
    assert line.put() == [Marker("connection/f/0/A", 1)]
    assert line.told(CutTaken)
    line.gate.open("full")
    line.settle()
    assert line.frames() == [(0, b"a"), (1, b"b")]


def test_a_command_goes_before_the_next_read(line: Line) -> None:
    """However much there is to read."""
    line.transports[-1].arriving.extend([encode_frame(TEXT, "flood")] * 1_000)
    line.world.step()
    line.slot.mailbox.put_control(TakeCut(1))
    line.world.step()
    assert outline(line.put()) == [("frame", 0, b"flood"), ("Marker",)]
    line.settle()
    assert len(line.frames()) == 999


# Anything

frame = st.builds(
    encode_frame,
    st.integers(0, 15),
    st.binary(max_size=140) | st.text(max_size=40),
    st.booleans(),
    st.sampled_from((0, 0, 0, 4)),
    st.sampled_from((False, False, False, True)),
)
close = st.builds(
    lambda number, reason: encode_frame(CLOSE, code(number) + reason),
    st.integers(0, 5_000),
    st.binary(max_size=20),
)
pieces = st.lists(st.one_of(st.binary(min_size=1, max_size=60), frame, close), min_size=1, max_size=12)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(pieces=pieces)
@example(pieces=[encode_frame(CLOSE, code(1013)), b"\xff"])
def test_no_bytes_crash_the_actor_and_the_line_goes_on(pieces: list[bytes]) -> None:
    """Whatever a venue sends, the line is up or lost with a reason; the next connection is as good as new."""
    with lone_line() as line:
        line.connect(*pieces, Ended("the test cut it", clean=False))
        assert line.slot.incarnation == 1
        assert len(line.losses()) == 1
        assert line.losses()[0]
        assert "\n" not in line.losses()[0]
        assert line.transports[-1].closed
        so_far = [number for _, number, *_ in outline(line.put())]
        line.connect(encode_frame(TEXT, "fine"))
        assert so_far == list(range(len(so_far)))
        assert outline(line.put()) == [("reset", len(so_far)), ("frame", len(so_far), b"fine")]
        assert line.slot.counts == {("f", "frames"): len(so_far) + 1}


@pytest.mark.parametrize("seed", range(3))
def test_noise_of_any_length_ends_every_connection_with_a_reason(seed: int, make_world: MakeWorld) -> None:
    random = Random(seed)
    line = Line(make_world(seed))
    for count in range(1, 20):
        line.connect(
            *(random.randbytes(random.randrange(1, 3_000)) for _ in range(200)), Ended("over", clean=True)
        )
        assert len(line.losses()) == count
    assert line.slot.incarnation == 1

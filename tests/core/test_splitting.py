"""The splitter: that its compiled half agrees with the plain one, and asks for room."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import split_kernel, splitting
from core.kernel_cache import split_kernel as compiled
from core.payloads import Payloads
from core.splitting import COMPILED_BYTES, Gathering

LIMIT = 1 << 20


def frame(payload: bytes) -> bytes:
    length = len(payload)
    return (b"\x81%c" % length if length < 126 else b"\x81\x7e" + length.to_bytes(2, "big")) + payload


def split(wire: bytes, limit: int = LIMIT) -> tuple[int, list[bytes]]:
    found = Gathering()
    stop = found.split(wire, 0, limit)
    assert found.opcodes == b"\x01" * len(found.messages())
    return stop, list(found.messages())


def plainly(wire: bytes, limit: int = LIMIT) -> tuple[int, list[bytes]]:
    """Split in pieces that are too short for the compiled half."""
    found, position = Gathering(), 0
    while True:
        stop = found.split(wire[position : position + COMPILED_BYTES - 1], 0, limit)
        if not stop:
            return position, list(found.messages())
        position += stop


payloads = st.one_of(st.text(max_size=40).map(str.encode), st.integers(0, 400).map(lambda n: b"x" * n))


@settings(deadline=None)
@given(st.lists(payloads, min_size=1, max_size=12), st.binary(max_size=3), st.sampled_from((200, LIMIT)))
def test_both_halves_take_the_same(some: list[bytes], other: bytes, limit: int) -> None:
    start = b"".join(map(frame, some)) * 30
    wire = start + other + b"".join(map(frame, some))
    assert split(wire + bytes(COMPILED_BYTES), limit) == plainly(wire + bytes(COMPILED_BYTES), limit)


def test_a_read_of_empty_texts_is_taken_whole() -> None:
    """More frames than are expected of so many bytes."""
    wire = frame(b"") * 50_000 + b"\x89\x00"
    stop, taken = split(wire)
    assert (stop, len(taken), set(taken)) == (100_000, 50_000, {b""})


@pytest.mark.parametrize("at", [0, 7, 499])
@pytest.mark.parametrize("bad", [b"\xff", "\u20ac".encode()[:2], "\u20ac".encode()[1:]])
def test_what_is_no_text_is_left_to_the_general_reader(bad: bytes, at: int) -> None:
    """Though with its neighbours it would be text."""
    texts = ["\u20ac uro".encode()] * 500
    texts[at : at + 1] = [bad, bad] if len(bad) == 1 else [bad, "\u20ac".encode()[2:]]
    stop, taken = split(b"".join(map(frame, texts)))
    assert (stop, taken) == (len(b"".join(map(frame, texts[:at]))), texts[:at])


def test_texts_behind_a_control_frame_are_taken_into_the_same_memory() -> None:
    run = b"".join(frame(b"%d" % number) for number in range(2_000))
    found = Gathering()
    stop = found.split(run + b"\x89\x00" + run, 0, LIMIT)
    assert stop == len(run)
    found.add(9, b"")
    found.add(2, b"binary")
    assert found.split(run + b"\x89\x00" + run, stop + 2, LIMIT) == 2 * len(run) + 2
    numbers = [b"%d" % number for number in range(2_000)]
    assert found.messages() == Payloads.of([*numbers, b"binary", *numbers])
    assert found.controls == [(9, b"")]
    assert found.opcodes == b"\x01" * 2_000 + b"\x09\x02" + b"\x01" * 2_000
    assert not found.messages().ends.flags.writeable


def test_the_kernel_refuses_what_it_has_no_room_for() -> None:
    wire = np.frombuffer(frame(b"text") * 10, np.uint8)
    room, ends = np.empty(len(wire), np.uint8), np.empty(10, np.int64)
    assert compiled()(wire, 0, LIMIT, room, 0, ends, 7)[:3] == (60, 10, 40)
    assert ends[-1] == 47
    for position, room_bytes, base in ((0, 59, 0), (0, 60, 1), (61, 60, 0), (-1, 99, 0), (0, 99, -1)):
        with pytest.raises(ValueError, match="room"):
            compiled()(wire, position, LIMIT, np.empty(room_bytes, np.uint8), base, ends, 0)


def test_the_kernel_has_the_same_constants() -> None:
    assert split_kernel.WHOLE_TEXT == splitting.WHOLE_TEXT
    assert split_kernel.LONG == 126

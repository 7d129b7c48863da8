"""Messages in one piece of memory behave as a list of them does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.payloads import NO_MESSAGES, Payloads

MESSAGES = st.lists(st.binary(max_size=12), max_size=12)
PLACES = st.one_of(st.none(), st.integers(-14, 14))


@given(MESSAGES)
def test_they_are_the_messages_that_they_were_made_of(some: list[bytes]) -> None:
    payloads = Payloads.of(iter(some))
    assert list(payloads) == some
    assert [payloads[i] for i in range(-len(some), len(some))] == some + some
    assert (len(payloads), payloads.nbytes) == (len(some), len(b"".join(some)))
    assert payloads.lengths.tolist() == list(map(len, some))
    assert payloads.data == b"".join(some)


@given(MESSAGES)
def test_nothing_can_be_changed(some: list[bytes]) -> None:
    payloads = Payloads.of(some)
    for one in (payloads, payloads[1:], Payloads.joined([payloads, payloads])):
        assert one.ends.dtype == np.int64
        assert not one.ends.flags.writeable
    payloads.lengths[:] = 0
    assert list(payloads) == some


@given(MESSAGES, PLACES, PLACES, st.sampled_from((None, 1, 1, 1, 2, -1, -3)))
def test_a_slice_is_one_piece_of_its_own(
    some: list[bytes], start: int | None, stop: int | None, step: int | None
) -> None:
    cut = Payloads.of(some)[start:stop:step]
    assert isinstance(cut, Payloads)
    assert list(cut) == some[start:stop:step]
    assert cut.data == b"".join(some[start:stop:step])


@given(st.lists(MESSAGES, max_size=4))
def test_joining_puts_one_behind_the_other(parts: list[list[bytes]]) -> None:
    joined = Payloads.joined([Payloads.of(part) for part in parts])
    assert list(joined) == [message for part in parts for message in part]
    assert joined.ends.dtype == np.int64


@given(MESSAGES, MESSAGES)
def test_they_are_equal_where_the_messages_are(some: list[bytes], others: list[bytes]) -> None:
    assert (Payloads.of(some) == Payloads.of(others)) == (some == others)
    assert (Payloads.of(some) == others) == (some == others)
    assert Payloads.of(some) == Payloads.of(some) == tuple(some)
    assert Payloads.of([*some, b"a"]) != Payloads.of([*some, b"a", b""])
    assert Payloads.of(some) != 1


def test_the_same_bytes_cut_elsewhere_are_others() -> None:
    assert Payloads.of([b"ab", b"c"]) != Payloads.of([b"a", b"bc"])


def test_none_are_none() -> None:
    assert NO_MESSAGES == Payloads.of(()) == Payloads.joined(()) == ()
    assert not NO_MESSAGES
    assert NO_MESSAGES.nbytes == 0


@pytest.mark.parametrize("index", [2, -3])
def test_what_is_not_there_is_not_given(index: int) -> None:
    with pytest.raises(IndexError):
        Payloads.of([b"a", b"b"])[index]

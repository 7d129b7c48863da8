"""The socket that never blocks, over real sockets of this machine, plain and TLS."""

import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.transport import READ_BYTES, Ended, SocketTransport, Transport
from tests.support.tls import client_context, server_context

PATIENCE_SECONDS = 20

Pair = tuple[SocketTransport, socket.socket]
Opener = Callable[[], Pair]


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), PATIENCE_SECONDS)
        theirs, _ = listener.accept()
    theirs.settimeout(PATIENCE_SECONDS)
    return ours, theirs


def tls_pair() -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    ours, theirs = tcp_pair()
    with ThreadPoolExecutor(1) as pool:
        shaken = pool.submit(
            server_context().wrap_socket, theirs, server_side=True, suppress_ragged_eofs=False
        )
        wrapped = client_context().wrap_socket(ours, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        return wrapped, shaken.result(PATIENCE_SECONDS)


@pytest.fixture(params=[tcp_pair, tls_pair], ids=["plain", "tls"])
def opened(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with both(request.param) as pair:
        yield pair


@contextmanager
def both(
    pair: Callable[[], tuple[socket.socket, socket.socket]], max_unsent_bytes: int = 2**26
) -> Iterator[Pair]:
    ours, theirs = pair()
    with ExitStack() as stack:
        stack.callback(theirs.close)
        transport = SocketTransport(ours, max_unsent_bytes)
        stack.callback(transport.close)
        yield transport, theirs


def wait(transport: Transport) -> None:
    """Wait as the connection does: not at all where bytes are pending, else for the selector."""
    if not transport.pending():
        assert select.select([transport], [], [], PATIENCE_SECONDS)[0], "nothing came"


def next_read(transport: Transport, budget: int = READ_BYTES) -> bytes | Ended:
    while True:
        wait(transport)
        if arrived := transport.read(budget):
            return arrived


def read_all(transport: Transport, length: int, budget: int = READ_BYTES) -> bytes:
    got = b""
    while len(got) < length:
        arrived = next_read(transport, budget)
        assert isinstance(arrived, bytes), arrived
        assert len(arrived) <= budget
        got += arrived
    return got


def reset(theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket.close(theirs)


def test_nothing_there_is_no_bytes_and_never_waits(opened: Pair) -> None:
    transport, _ = opened
    assert transport.read(READ_BYTES) == b""
    assert not transport.pending()


def test_what_is_sent_arrives(opened: Pair) -> None:
    transport, theirs = opened
    theirs.sendall(b"tick")
    assert read_all(transport, 4) == b"tick"
    transport.write(b"tock")
    assert theirs.recv(100) == b"tock"
    assert not transport.wants_write


@pytest.mark.parametrize("pair", [tcp_pair, tls_pair], ids=["plain", "tls"])
def test_a_budget_is_kept_and_no_byte_is_lost_behind_it(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    with both(pair) as (transport, theirs):

        @settings(deadline=None, max_examples=40)
        @given(
            st.lists(st.binary(min_size=1, max_size=30_000), min_size=1, max_size=4), st.integers(100, 40_000)
        )
        def exchange(pieces: list[bytes], budget: int) -> None:
            for piece in pieces:
                theirs.sendall(piece)
            sent = b"".join(pieces)
            assert read_all(transport, len(sent), budget) == sent

        exchange()


def test_tls_is_read_once_before_any_selecting() -> None:
    """What came in the same segment as the handshake may lie decrypted already."""
    with both(tls_pair) as (transport, _):
        assert transport.pending()
    with both(tcp_pair) as (transport, _):
        assert not transport.pending()


def test_decrypted_bytes_are_pending_while_the_selector_sees_nothing() -> None:
    with both(tls_pair) as (transport, theirs):
        theirs.sendall(b"x" * 10_000)
        assert next_read(transport, 1) == b"x"
        assert not select.select([transport], [], [], 0)[0]
        assert transport.pending()
        assert read_all(transport, 9_999) == b"x" * 9_999


def test_one_read_takes_all_the_tls_records_that_are_here() -> None:
    with both(tls_pair) as (transport, theirs):
        theirs.sendall(b"x" * 60_000)
        socket.socket.shutdown(theirs, socket.SHUT_WR)
        poll = select.poll()
        poll.register(transport, select.POLLRDHUP)
        assert poll.poll(PATIENCE_SECONDS * 1000), "the end did not come"
        assert transport.read(READ_BYTES) == b"x" * 60_000


def test_an_orderly_end_is_clean_comes_behind_the_bytes_and_stays(opened: Pair) -> None:
    transport, theirs = opened
    theirs.sendall(b"last words")
    if isinstance(theirs, ssl.SSLSocket):
        theirs.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            theirs.unwrap()
    else:
        theirs.shutdown(socket.SHUT_WR)
    assert read_all(transport, 10) == b"last words"
    end = next_read(transport)
    assert end == Ended("the peer closed the connection", clean=True)
    assert not transport.pending()
    assert transport.read(READ_BYTES) == end


def test_after_a_half_close_the_peer_can_still_be_written_to() -> None:
    with both(tcp_pair) as (transport, theirs):
        theirs.shutdown(socket.SHUT_WR)
        select.select([transport], [], [], PATIENCE_SECONDS)
        transport.write(b"goodbye")
        assert theirs.recv(100) == b"goodbye"


def test_tls_that_is_cut_is_not_a_clean_end() -> None:
    with both(tls_pair) as (transport, theirs):
        theirs.sendall(b"last words")
        socket.socket.shutdown(theirs, socket.SHUT_WR)
        assert read_all(transport, 10) == b"last words"
        end = next_read(transport)
        assert isinstance(end, Ended)
        assert not end.clean
        assert "without the closing alert" in end.reason


def test_garbage_under_tls_is_an_end_in_words() -> None:
    with both(tls_pair) as (transport, theirs):
        socket.socket.send(theirs, b"this is not a TLS record at all")
        end = next_read(transport)
        assert isinstance(end, Ended)
        assert not end.clean
        assert end.reason.startswith("TLS failed: ")


def test_a_reset_is_not_a_clean_end(opened: Pair) -> None:
    transport, theirs = opened
    reset(theirs)
    end = next_read(transport)
    assert isinstance(end, Ended)
    assert not end.clean
    assert end.reason == "the peer reset the connection" or isinstance(theirs, ssl.SSLSocket)


def test_a_write_into_a_reset_is_told_by_the_next_read_behind_what_had_arrived() -> None:
    with both(tcp_pair) as (transport, theirs):
        theirs.sendall(b"last words")
        wait(transport)
        reset(theirs)
        poll = select.poll()
        poll.register(transport, 0)
        assert poll.poll(PATIENCE_SECONDS * 1000), "the reset did not come"
        transport.write(b"too late")
        assert transport.pending()
        assert not transport.wants_write
        assert transport.read(READ_BYTES) == b"last words"
        assert transport.read(READ_BYTES) == Ended("the peer reset the connection", clean=False)


def test_what_the_peer_does_not_take_waits_and_arrives_in_order(opened: Pair) -> None:
    transport, theirs = opened
    with socket.socket(fileno=transport.fileno()) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.detach()
    sent = b"".join(struct.pack(">I", number) for number in range(125_000))
    for start in range(0, len(sent), 125_000):
        transport.write(sent[start : start + 125_000])
    assert 0 < transport.unsent_bytes <= len(sent)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(receive_exactly, theirs, len(sent))
        while transport.wants_write:
            assert select.select([], [transport], [], PATIENCE_SECONDS)[1], "the peer takes nothing"
            transport.flush()
        assert received.result(PATIENCE_SECONDS) == sent


def receive_exactly(theirs: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        received += theirs.recv(1 << 16)
    return bytes(received)


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    with both(tcp_pair, max_unsent_bytes=1000) as (transport, _):
        for _ in range(1000):
            transport.write(bytes(100_000))
            if not transport.wants_write:
                break
        while not isinstance(end := transport.read(READ_BYTES), Ended):
            transport.write(bytes(1_000_000))
        assert end == Ended("the peer does not read what it is sent", clean=False)
        assert transport.unsent_bytes == 0


def test_closing_is_legal_at_any_time_and_twice(opened: Pair) -> None:
    transport, theirs = opened
    transport.close()
    transport.close()
    assert transport.fileno() == -1
    transport.write(b"nobody hears this")
    transport.flush()
    assert transport.read(READ_BYTES) == Ended("closed by ourselves", clean=True)
    transport.close()
    assert not transport.pending()
    assert theirs.recv(100) == b""

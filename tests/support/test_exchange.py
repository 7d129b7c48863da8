"""The scripted exchange does what its script says, and leaves nothing behind."""

import contextlib
import gzip
import json
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame as TheirFrame
from websockets.protocol import CLIENT, Protocol
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

from tests.support.exchange import Client, ClientGone, LoopbackExchange, capture_texts, encode_frame
from tests.support.tls import client_context, server_context

PATIENCE = 10.0
TEXT = 1


def connect(url: str, **settings: Any) -> ClientConnection:
    """Give a client of another make to enter."""
    client: ClientConnection = open_websocket(url, compression=None, proxy=None, close_timeout=1, **settings)
    return client


def read_to_end(sock: socket.socket) -> bytes:
    """Read what a raw client is sent."""
    received = b""
    while chunk := sock.recv(4096):
        received += chunk
    return received


@pytest.fixture
def exchange() -> Iterator[LoopbackExchange]:
    """An exchange without a script."""
    with LoopbackExchange() as opened:
        yield opened


def test_texts_go_both_ways(exchange: LoopbackExchange) -> None:
    """And the exchange knows the path, the headers, and that clients mask."""
    with connect(exchange.url + "/feed?x=1", additional_headers={"X-Key": "k"}) as ws:
        client = exchange.wait_for_client()
        client.send_text("tick ✓")
        assert ws.recv(PATIENCE) == "tick ✓"
        ws.send("first")
        ws.send("second")
        assert client.wait_for_text(lambda text: text.startswith("s")) == "second"
        assert [frame.text for frame in client.received] == ["first", "second"]
        assert all(frame.masked and frame.fin for frame in client.received)
        assert (client.path, client.headers["x-key"]) == ("/feed?x=1", "k")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 400_000])
def test_frames_of_every_length_go_both_ways(exchange: LoopbackExchange, size: int) -> None:
    """All three forms of a frame's length."""
    payload = bytes(i % 251 for i in range(size))
    with connect(exchange.url) as ws:
        client = exchange.wait_for_client()
        client.send_frame(2, payload)
        assert ws.recv(PATIENCE) == payload
        ws.send(payload)
        assert client.wait_for_frame(lambda frame: frame.opcode == 2).payload == payload


@given(st.binary(max_size=300), st.booleans(), st.integers(0, 2))
def test_encoded_frames_are_read_by_another_implementation(payload: bytes, fin: bool, opcode: int) -> None:
    """Bytes in, the same frame out."""
    reader = Protocol(CLIENT).reader
    reader.feed_data(encode_frame(opcode, payload, fin))
    parser = TheirFrame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as parsed:
        next(parser)
    assert (parsed.value.value.opcode, parsed.value.value.data, parsed.value.value.fin) == (
        opcode,
        payload,
        fin,
    )


def test_frames_can_be_wrong_on_purpose(exchange: LoopbackExchange) -> None:
    """A masked frame from a server, a reserved bit: the client closes with 1002."""
    for wrong in ({"masked": True}, {"rsv": 4}):
        with connect(exchange.url) as ws:
            client = exchange.wait_for_client()
            client.send_frame(TEXT, "x", **wrong)
            with pytest.raises(ConnectionClosed):
                ws.recv(PATIENCE)
            assert client.wait_for_frame(lambda frame: frame.opcode == 8).payload[:2] == b"\x03\xea"


def test_fragments_and_raw_bytes_are_sent_as_they_are(exchange: LoopbackExchange) -> None:
    """One message in three pieces, the last cut across two writes."""
    with connect(exchange.url) as ws:
        client = exchange.wait_for_client()
        client.send_frame(TEXT, "a", fin=False)
        client.send_frame(0, "b", fin=False)
        last = encode_frame(0, "c")
        client.send_bytes_raw(last[:1])
        client.send_bytes_raw(last[1:])
        assert ws.recv(PATIENCE) == "abc"


def test_pings_are_answered(exchange: LoopbackExchange) -> None:
    """As any server does."""
    with connect(exchange.url) as ws:
        assert ws.ping(b"here").wait(PATIENCE)
        assert exchange.wait_for_client().received[0].payload == b"here"


def test_pings_are_not_answered_if_the_test_says_so() -> None:
    """The client's own deadline ends the connection."""
    with (
        LoopbackExchange(answer_pings=False) as exchange,
        connect(exchange.url, ping_interval=0.02, ping_timeout=0.05) as ws,
        pytest.raises(ConnectionClosed),
    ):
        ws.recv(PATIENCE)


def test_a_close_handshake_from_either_side(exchange: LoopbackExchange) -> None:
    """Code and reason arrive, and the connection ends in order."""
    with connect(exchange.url) as ws:
        client = exchange.wait_for_client()
        client.close(4001, "later")
        with pytest.raises(ConnectionClosed):
            ws.recv(PATIENCE)
        assert (ws.close_code, ws.close_reason) == (4001, "later")
        client.wait_for_end()
    with connect(exchange.url) as ws:
        client = exchange.wait_for_client()
        ws.close(4002)
        assert ws.close_code == 4002
        client.wait_for_end()


def shake_hands(url: str) -> socket.socket:
    """Connect with a raw socket and take the answer's head, no more."""
    port = int(url.rpartition(":")[2])
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    # The answer to the sample key of RFC 6455 section 1.3.
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return sock


def test_a_cut_is_a_reset(exchange: LoopbackExchange) -> None:
    """Not an end of file. Cutting twice, or sending afterwards, is harmless or told."""
    with shake_hands(exchange.url) as sock:
        client = exchange.wait_for_client()
        client.cut()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        client.cut()
        with pytest.raises(ClientGone):
            client.send_text("x")


def test_a_half_close_is_an_end_of_file_and_the_client_may_still_talk(exchange: LoopbackExchange) -> None:
    """What was sent before still arrives."""
    with shake_hands(exchange.url) as sock:
        client = exchange.wait_for_client()
        client.send_text("last")
        client.half_close()
        assert read_to_end(sock) == encode_frame(TEXT, "last")
        sock.sendall(encode_frame(TEXT, "heard", masked=True))
        assert client.wait_for_text() == "heard"


def test_a_greeting_comes_right_behind_the_handshake() -> None:
    """In the same segment, where a client may lose it."""
    with LoopbackExchange(greeting=encode_frame(TEXT, "hello")) as exchange, connect(exchange.url) as ws:
        assert ws.recv(PATIENCE) == "hello"


def fill(sock: socket.socket, frame: bytes) -> None:
    """Send until nothing more fits."""
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(frame)


def test_a_stalled_exchange_neither_reads_nor_sends_until_it_is_resumed(exchange: LoopbackExchange) -> None:
    """A client that sends enough finds its buffers full."""
    with shake_hands(exchange.url) as sock:
        client = exchange.wait_for_client()
        client.stall()
        sender = threading.Thread(target=client.send_text, args=("waited",))
        sender.start()
        sock.setblocking(False)
        frame = encode_frame(2, bytes(1 << 16), masked=True)
        fill(sock, frame)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        assert not client.received
        client.resume()
        sock.settimeout(PATIENCE)
        assert sock.recv(8, socket.MSG_WAITALL) == encode_frame(TEXT, "waited")
        client.wait_for_frame(lambda frame: frame.opcode == 2)
        sender.join(PATIENCE)


def test_handshakes_are_refused_as_often_as_asked(exchange: LoopbackExchange) -> None:
    """With status and headers; the next one is accepted."""
    exchange.refuse(2, 429, {"Retry-After": "3"})
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused, connect(exchange.url):
            pass
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "3"
    with connect(exchange.url):
        exchange.wait_for_client()
    assert (exchange.attempts, exchange.connections) == (3, 1)


def test_a_handshake_is_never_answered(exchange: LoopbackExchange) -> None:
    """The client's deadline is what ends it."""
    exchange.ignore()
    with pytest.raises(TimeoutError), connect(exchange.url, open_timeout=0.1):
        pass
    exchange.wait_for_attempts(1)
    assert exchange.connections == 0


def test_clients_come_one_after_the_other(exchange: LoopbackExchange) -> None:
    """Each wait gives the next one."""
    for number in range(3):
        with connect(f"{exchange.url}/{number}"):
            assert exchange.wait_for_client().path == f"/{number}"
    assert exchange.connections == 3


@pytest.mark.slow
def test_a_script_plays_to_each_client() -> None:
    """Faster than the client reads: the client sets the pace, and nothing is lost."""
    frames = [f"frame {number} {'x' * 1_000}" for number in range(20_000)]
    with (
        LoopbackExchange(on_connect=lambda client: client.play(frames)) as exchange,
        connect(exchange.url) as ws,
    ):
        assert [ws.recv(PATIENCE) for _ in range(2_000)] == frames[:2_000]


def test_a_script_may_wait_for_the_client() -> None:
    """And leaves quietly when the client does."""

    def script(client: Client) -> None:
        client.send_text("echo " + client.wait_for_text())
        client.wait_for_text(lambda text: text == "never")

    with LoopbackExchange(on_connect=script) as exchange, connect(exchange.url) as ws:
        ws.send("hi")
        assert ws.recv(PATIENCE) == "echo hi"


def test_a_script_that_fails_fails_the_test() -> None:
    """Though it runs in another thread."""

    def script(client: Client) -> None:
        assert client.wait_for_text() == "expected"

    def use_it() -> None:
        with LoopbackExchange(on_connect=script) as exchange, connect(exchange.url) as ws:
            ws.send("other")
            exchange.wait_for_client().wait_for_text()

    with pytest.raises(AssertionError, match="a script failed"):
        use_it()


def test_tls(exchange: LoopbackExchange) -> None:
    """Messages larger than a TLS record, both ways at once."""
    big = "x" * 900_000
    with (
        LoopbackExchange(tls=server_context()) as secure,
        connect(secure.url, ssl=client_context(), max_size=None) as ws,
    ):
        client = secure.wait_for_client()
        sender = threading.Thread(target=client.send_text, args=(big,))
        sender.start()
        ws.send(big)
        assert ws.recv(PATIENCE) == big
        assert client.wait_for_text() == big
        sender.join(PATIENCE)


def test_waits_fail_with_a_clear_text(exchange: LoopbackExchange) -> None:
    """No test hangs, and each says what it waited for."""
    with pytest.raises(AssertionError, match=r"no \(further\) client connected within 0.01 s"):
        exchange.wait_for_client(timeout=0.01)
    with pytest.raises(AssertionError, match="fewer than 1 connections"):
        exchange.wait_for_attempts(1, timeout=0.01)
    with connect(exchange.url) as ws:
        client = exchange.wait_for_client()
        with pytest.raises(AssertionError, match="no such frame came"):
            client.wait_for_text(timeout=0.01)
        with pytest.raises(AssertionError, match="the connection did not end"):
            client.wait_for_end(timeout=0.01)
        ws.close()
        with pytest.raises(ClientGone, match="the connection ended: no such frame came"):
            client.wait_for_text()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_capture_plays_what_it_received(tmp_path: Path, suffix: str) -> None:
    """And not what it sent or where it connected."""
    records = [("open", "wss://x"), ("sent", "subscribe"), ("recv", "one"), ("recv", "two é")]
    lines = [json.dumps({"ts_recv_ns": 1, "venue": "x", "dir": kind, "data": text}) for kind, text in records]
    packers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        ".gz": gzip.compress,
        ".zst": zstandard.compress,
    }
    path = tmp_path / f"capture.jsonl{suffix}"
    path.write_bytes(packers[suffix]("\n".join(lines).encode()))
    opened = LoopbackExchange(on_connect=lambda client: client.play(capture_texts(path)))
    with opened as exchange, connect(exchange.url) as ws:
        assert [ws.recv(PATIENCE) for _ in range(2)] == ["one", "two é"]


def test_nothing_outlives_the_context() -> None:
    """Whatever state the clients are in: stalled, unanswered, blocked in a send, gone."""
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with LoopbackExchange(on_connect=lambda client: client.play(["x" * 10_000] * 10_000)) as exchange:
            blocked = shake_hands(exchange.url)
            exchange.wait_for_client()
            stalled = shake_hands(exchange.url)
            exchange.wait_for_client().stall()
            exchange.ignore()
            silent = socket.create_connection(("127.0.0.1", exchange.port))
            silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
            exchange.wait_for_attempts(3)
            half = socket.create_connection(("127.0.0.1", exchange.port))
            half.sendall(b"GET")
    for sock in (blocked, stalled, silent, half):
        sock.close()
    assert set(threading.enumerate()) <= before

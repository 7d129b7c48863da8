"""A connection on its own thread against a real exchange on this machine."""

import os
import threading
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import pytest

from actors.base import Injected
from messages.ingestion import LineReset
from messages.observation import CutTaken, Marker, TakeCut
from messages.supervision import ChildFailed, Drain, Drained, InjectFault
from tests.support.exchange import Client, LoopbackExchange
from tests.support.frames import CLOSE, PING, PONG, TEXT, encode_frame
from tests.support.live_line import PATIENCE_SECONDS, live_line
from tests.support.one_line import Plain
from tests.support.tls import certificate, server_context
from venues.dialect import Request

pytestmark = pytest.mark.slow


def texts(number: int, size: int = 100) -> list[str]:
    return [f"{i} {'x' * (i * 7 % size)}" for i in range(number)]


def encoded(messages: list[str]) -> list[bytes]:
    return [message.encode() for message in messages]


def endless() -> Iterator[str]:
    return (f"{i} {'x' * 100}" for i in count())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_flood_arrives_complete_and_in_order(tls: bool) -> None:
    """Small frames and ones of several hundred KiB, as fast as the socket takes them."""
    messages = [*texts(30_000), "big " + "y" * 700_000, *texts(3_000, 5_000)]
    context = server_context() if tls else None
    greeting = encode_frame(TEXT, "greeting")
    with (
        LoopbackExchange(lambda client: client.play(messages), tls=context, greeting=greeting) as exchange,
        live_line(exchange.url, ca_file=str(certificate()) if tls else None) as line,
    ):
        got = line.wait_for_frames(len(messages) + 1)
        assert got == [b"greeting", *encoded(messages)]
        client = exchange.wait_for_client()
        client.wait_for_text(lambda text: text == "subscribe B")
        assert [frame.text for frame in client.received] == ["subscribe A", "subscribe B"]
        assert all(frame.masked for frame in client.received)


def test_commands_are_heard_while_data_floods() -> None:
    with (
        LoopbackExchange(lambda client: client.play(endless())) as exchange,
        live_line(exchange.url) as line,
    ):
        line.wait_for_frames(1_000)
        for number in range(1, 20):
            line.tell(TakeCut(number))
            cut = line.wait_for_event(lambda event: isinstance(event, CutTaken))
            assert cut.cut == number
        line.wait_for_frames(cut.counts[("f", "frames")] + 1)


def test_pings_are_answered_while_data_floods() -> None:
    def script(client: Client) -> None:
        for number in range(200):
            client.play(texts(50))
            client.send_frame(PING, f"{number}")

    with LoopbackExchange(script) as exchange, live_line(exchange.url) as line:
        line.wait_for_frames(10_000)
        client = exchange.wait_for_client()
        client.wait_for_frame(lambda frame: frame.payload == b"199")
        pongs = [frame.payload for frame in client.received if frame.opcode == PONG]
        assert pongs == [str(number).encode() for number in range(200)]


def test_a_closed_gate_pushes_back_and_nothing_is_lost() -> None:
    """While it is closed nothing comes, not even what the socket holds; commands are heard."""
    messages = [*texts(200), *["z" * 100_000] * 300]
    go, sent = threading.Event(), threading.Event()

    def script(client: Client) -> None:
        assert go.wait(PATIENCE_SECONDS)
        client.play(messages)
        sent.set()

    with LoopbackExchange(script) as exchange, live_line(exchange.url) as line:
        exchange.wait_for_client().wait_for_text(lambda text: text == "subscribe B")
        line.gate.close("full")
        go.set()
        for number in range(1, 30):
            line.tell(TakeCut(number))
            line.wait_for_data(Marker("connection/f/0/A", number).__eq__)
        assert len(line.data) == 29, "something but markers came through"
        assert not sent.is_set()
        line.gate.open("full")
        assert line.wait_for_frames(len(messages)) == encoded(messages)
        assert sent.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda client: client.cut(), "the peer reset the connection"),
        (lambda client: client.half_close(), "the peer closed the connection"),
        (lambda client: client.close(1001, "bye"), "the venue closed the connection (1001: bye)"),
        (
            lambda client: client.send_frame(TEXT, "x", rsv=4),
            "the venue broke the WebSocket protocol: reserved bits are set, yet no extension was agreed on",
        ),
    ],
    ids=["cut", "half close", "close", "garbage"],
)
def test_a_line_that_ends_is_begun_anew(end: Any, words: str) -> None:
    with LoopbackExchange() as exchange, live_line(exchange.url) as line:
        client = exchange.wait_for_client()
        client.send_text("first")
        line.wait_for_frames(1)
        end(client)
        assert line.wait_for_state("waiting").text == words
        client = exchange.wait_for_client()
        client.wait_for_text(lambda text: text == "subscribe B")
        client.send_text("second")
        assert line.wait_for_frames(2) == [b"first", b"second"]
        resets = [part.frame for part in line.data if isinstance(part, LineReset)]
        assert resets == [1]


def test_a_server_that_never_answers_the_handshake_is_given_up() -> None:
    with LoopbackExchange() as exchange:
        exchange.ignore()
        with live_line(exchange.url, timeout_seconds=0.2) as line:
            assert line.wait_for_state("waiting").text == f"127.0.0.1:{exchange.port} did not answer in time"
            line.wait_for_state("up")
            exchange.wait_for_client().send_text("hello")
            assert line.wait_for_frames(1) == [b"hello"]


def test_a_refusal_is_heeded_for_as_long_as_the_venue_asks() -> None:
    """And one of weeks, which no selector waits for at once, ends no thread."""
    with LoopbackExchange() as exchange:
        exchange.refuse(1, 503, {"Retry-After": "1"})
        exchange.refuse(1, 429, {"Retry-After": "99999999"})
        with live_line(exchange.url) as line:
            first = line.wait_for_state("waiting")
            assert "HTTP 503" in first.text
            assert 1.0 <= first.wait_seconds < 1.1
            second = line.wait_for_state("waiting")
            assert "HTTP 429" in second.text
            assert second.wait_seconds > 99_999_998
            line.tell(TakeCut(1))
            line.wait_for_event(lambda event: isinstance(event, CutTaken))


def test_too_many_requests_without_a_time_is_heeded_for_a_while() -> None:
    with LoopbackExchange() as exchange:
        exchange.refuse(1, 429)
        with live_line(exchange.url) as line:
            assert 60.0 <= line.wait_for_state("waiting").wait_seconds < 61.0


def test_nobody_listening_is_told() -> None:
    with LoopbackExchange() as exchange:
        url = exchange.url
    with live_line(url) as line:
        assert "refused the connection" in line.wait_for_state("waiting").text
        assert "refused the connection" in line.wait_for_state("waiting").text


def test_a_line_that_goes_silent_is_connected_to_anew() -> None:
    with LoopbackExchange() as exchange, live_line(exchange.url, stale_seconds=0.4) as line:
        exchange.wait_for_client().send_text("heartbeat")
        assert line.wait_for_state("waiting").text == "no market data for 0 s"
        exchange.wait_for_client()


def test_draining_says_goodbye() -> None:
    with LoopbackExchange() as exchange, live_line(exchange.url) as line:
        client = exchange.wait_for_client()
        client.wait_for_text(lambda text: text == "subscribe B")
        line.tell(Drain())
        line.wait_for_event(lambda event: isinstance(event, Drained), line.supervisor)
        goodbye = client.wait_for_frame(lambda frame: frame.opcode == CLOSE)
        assert goodbye.payload == (1000).to_bytes(2, "big")
        client.wait_for_end()
        assert line.wait_for_state("closed")
        assert exchange.connections == 1


def test_a_crash_leaves_the_socket_to_the_replacement() -> None:
    """Frames flow while the actor crashes again and again; each arrives once, in order."""
    messages = texts(20_000, 300)
    with LoopbackExchange(lambda client: client.play(messages)) as exchange, live_line(exchange.url) as line:
        for crash in range(1, 11):
            line.wait_for_frames(crash * 500)
            line.tell(InjectFault("test"))
            line.wait_for_event(lambda event: isinstance(event, ChildFailed), line.supervisor)
            line.start()
        assert line.wait_for_frames(len(messages)) == encoded(messages)
        assert exchange.connections == 1
        assert line.slot.counts == {("f", "frames"): len(messages)}


@pytest.mark.parametrize("stage", ["before", "effect", "after"])
def test_a_crash_at_any_instant_loses_and_doubles_nothing(stage: str) -> None:
    messages = texts(10_000, 3_000)
    reached, left = count(1), list(range(8))

    def failpoint(name: str, at: str) -> None:
        if at == stage and next(reached) % 5 == 0 and left:
            left.pop()
            raise Injected(stage)

    with LoopbackExchange(lambda client: client.play(messages)) as exchange, live_line(exchange.url) as line:
        line.slot.failpoint = failpoint
        for _ in range(8):
            line.wait_for_event(lambda event: isinstance(event, ChildFailed), line.supervisor)
            line.start()
        assert line.wait_for_frames(len(messages)) == encoded(messages)
        assert exchange.connections == 1
        assert line.slot.counts == {("f", "frames"): len(messages)}


def test_a_replaced_incarnation_does_not_take_the_wake_up_with_it() -> None:
    """One that hung, and ends behind the start of its replacement, which must go on being heard."""
    hung, released = threading.Event(), threading.Event()

    class Hanging(Plain):
        def subscribe(self, symbols: tuple[str, ...]) -> tuple[Request, ...]:
            if not hung.is_set():
                hung.set()
                assert released.wait(PATIENCE_SECONDS)
            return super().subscribe(symbols)

    with (
        LoopbackExchange() as exchange,
        live_line(exchange.url, Hanging, stale_seconds=86_400.0, acknowledge_seconds=86_400.0) as line,
    ):
        assert hung.wait(PATIENCE_SECONDS)
        line.start()
        line.wait_for_state("up")
        released.set()
        assert line.refs[0].actor_stopped.wait(PATIENCE_SECONDS)
        for number in range(1, 4):
            line.tell(TakeCut(number))
            line.wait_for_event(lambda event: isinstance(event, CutTaken))
        client = exchange.wait_for_client()
        client.wait_for_text(lambda text: text == "subscribe B")
        assert [frame.text for frame in client.received] == ["subscribe A", "subscribe B"]


def test_many_reconnects_leak_nothing() -> None:
    """No descriptor, no thread, and every frame of every connection has come."""
    before = set(os.listdir("/proc/self/fd"))
    threads = set(threading.enumerate())

    def script(client: Client) -> None:
        client.wait_for_text(lambda text: text == "subscribe B")
        client.send_text("one")
        client.send_text("two")
        client.half_close()

    with LoopbackExchange(script) as exchange, live_line(exchange.url) as line:
        line.wait_for_frames(110)
        open_ones = [transport for transport in list(line.transports) if transport.fileno() != -1]
        assert len(open_ones) <= 2
        assert exchange.connections > 50
    assert set(threading.enumerate()) <= threads
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("seed", range(4))
def test_noise_never_ends_the_actor(seed: int) -> None:
    """Random bytes behind the handshake, connection after connection, then a good one."""
    random = Random(seed)

    def script(client: Client) -> None:
        if len(exchange.clients) <= 10:
            client.send_bytes_raw(random.randbytes(random.randrange(1, 20_000)))
            client.half_close()
        else:
            client.send_text("good")

    with LoopbackExchange(script) as exchange, live_line(exchange.url) as line:
        for _ in range(10):
            assert line.wait_for_state("waiting").text
        assert line.wait_for_data(lambda part: getattr(part, "payloads", ())[-1:] == (b"good",))
        assert line.slot.incarnation == 1


def test_stopping_closes_sockets_and_threads(recwarn: pytest.WarningsRecorder) -> None:
    with LoopbackExchange() as exchange:
        with live_line(exchange.url) as line:
            line.wait_for_state("up")
        assert [transport.fileno() for transport in line.transports] == [-1]
        exchange.wait_for_client().wait_for_end()
    assert not recwarn.list

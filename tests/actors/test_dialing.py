"""Dialling a scripted server of this machine: what is handed over, and what a failure says."""

import base64
import select
import socket
from contextlib import suppress

import pytest
import websocket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.dial_failures import failure
from actors.dialing import Dialed, DialFailed, dial
from actors.transport import READ_BYTES, Ended, SocketTransport
from core import frames
from tests.support.handshakes import (
    PATIENCE_SECONDS,
    Script,
    Server,
    agreed,
    answering,
    listen,
    read_request,
    saying,
    serving,
)
from tests.support.tls import certificate

FIRST_FRAMES = b"\x81\x05first\x81\x06second"


def dialed(server: Server, rest: str = "/", **options: object) -> Dialed:
    return dial(server.url(rest), timeout_seconds=PATIENCE_SECONDS, **options)  # type: ignore[arg-type]


def failed(server: Server, rest: str = "/", **options: object) -> DialFailed:
    with pytest.raises(DialFailed) as caught:
        dialed(server, rest, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def messages_of(transport: SocketTransport, count: int) -> list[bytes]:
    state = frames.FrameState()
    messages: list[bytes] = []
    while len(messages) < count:
        if not transport.pending():
            assert select.select([transport], [], [], PATIENCE_SECONDS)[0]
        arrived = transport.read(READ_BYTES)
        assert not isinstance(arrived, Ended)
        reading = frames.read(state, arrived, 1 << 20)
        state = reading.state
        messages += [payload for _, payload in reading.events]
    return messages


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_frames_in_the_segment_of_the_handshake_are_not_lost(tls: bool) -> None:
    with serving(answering(lambda request: agreed(request) + FIRST_FRAMES), tls=tls) as server:
        transport = dialed(server, ca_file=str(certificate()) if tls else None).transport
        assert messages_of(transport, 2) == [b"first", b"second"]
        transport.close()


def test_the_socket_sends_at_once_and_never_blocks() -> None:
    with serving(answering(agreed)) as server:
        made = dialed(server)
        assert made.peer == f"127.0.0.1:{server.port}"
        assert made.transport.read(READ_BYTES) == b""
        borrowed = socket.socket(fileno=made.transport.fileno())
        assert borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        borrowed.detach()
        made.transport.close()


def test_the_request_offers_no_extension_and_has_the_callers_headers() -> None:
    requests: list[bytes] = []
    with serving(answering(agreed, requests)) as server:
        dialed(server, "/feed?token=abc", headers={"X-Key": "s3cret"}).transport.close()
    lines = requests[0].decode().lower().split("\r\n")
    assert lines[0] == "get /feed?token=abc http/1.1"
    assert "x-key: s3cret" in lines
    assert "user-agent: tapeline" in lines
    assert not [line for line in lines if line.startswith(("sec-websocket-extensions", "origin"))]


def test_a_user_in_the_url_is_sent_as_basic_authorization() -> None:
    requests: list[bytes] = []
    with serving(answering(agreed, requests)) as server:
        url = f"ws://me:p%40ss@127.0.0.1:{server.port}/"
        dial(url, timeout_seconds=PATIENCE_SECONDS).transport.close()
    expected = "Authorization: Basic " + base64.b64encode(b"me:p@ss").decode()
    assert expected in requests[0].decode().split("\r\n")


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (("Retry-After: 30",), 30.0),
        (("Date: Mon, 02 Mar 2026 10:00:00 GMT", "Retry-After: Mon, 02 Mar 2026 10:01:30 GMT"), 90.0),
        (("Date: Mon, 02 Mar 2026 10:00:00 GMT", "Retry-After: Mon, 02 Mar 2026 09:00:00 GMT"), 0.0),
        (("Retry-After: Mon, 02 Mar 2026 10:01:30 GMT",), None),
        (("Retry-After: soon",), None),
        (("Retry-After: " + "9" * 400,), None),
        ((), None),
    ],
)
def test_too_many_requests_says_how_long_to_stay_away(lines: tuple[str, ...], seconds: float | None) -> None:
    with serving(saying("429 Too Many Requests", *lines)) as server:
        failure = failed(server)
    assert str(failure) == f"127.0.0.1:{server.port} answered HTTP 429 Too Many Requests"
    assert failure.retry_after_seconds == seconds


REFUSALS: dict[str, tuple[Script, str]] = {
    "status": (saying("503 Busy", "Content-Length: 4", "", "busy"), "HTTP 503 Service Unavailable"),
    "unknown status": (saying("599 What"), "HTTP 599"),
    "redirect": (saying("302 Found", "Location: ws://elsewhere/?token=abc"), "redirects are not followed"),
    "wrong key": (
        saying("101 Fine", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: eA=="),
        "no WebSocket handshake",
    ),
    "not HTTP": (answering(lambda _: b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "no WebSocket handshake"),
    "empty line": (answering(lambda _: b"\r\n"), "no WebSocket handshake"),
    "silence": (answering(lambda _: b""), "closed the connection during the handshake"),
    "half an answer": (answering(lambda _: b"HTTP/1.1 101 Sw"), "closed the connection during the handshake"),
    "garbled cookie": (answering(lambda request: agreed(request, "Set-Cookie: a{b=c")), "garbled"),
    "extension": (
        answering(lambda request: agreed(request, "Sec-WebSocket-Extensions: permessage-deflate")),
        "extension that was not offered",
    ),
    "subprotocol": (
        answering(lambda request: agreed(request, "Sec-WebSocket-Protocol: chat")),
        "subprotocol that was not offered",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_failure_is_one_line_that_says_what_and_no_secret(name: str) -> None:
    script, words = REFUSALS[name]
    with serving(script) as server:
        url = f"ws://me:s3cret@127.0.0.1:{server.port}/s3cret?token=s3cret"
        with pytest.raises(DialFailed) as caught:
            dial(url, timeout_seconds=PATIENCE_SECONDS, headers={"X-Key": "s3cret"})
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"127.0.0.1:{server.port} ") or words == "garbled"
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_redirect_is_not_followed_so_that_no_secret_header_goes_elsewhere() -> None:
    requests: list[bytes] = []
    with serving(answering(agreed, requests)) as elsewhere:
        with serving(saying("302 Found", f"Location: {elsewhere.url()}")) as server:
            text = str(failed(server, headers={"X-Key": "s3cret"}))
        # Its own dialling comes behind whatever was sent there before.
        dialed(elsewhere).transport.close()
    assert text.endswith("answered HTTP 302 Found: redirects are not followed, give the URL they lead to")
    assert len(requests) == 1


def test_an_offered_subprotocol_may_be_agreed_on() -> None:
    with serving(answering(lambda request: agreed(request, "Sec-WebSocket-Protocol: chat"))) as server:
        dialed(server, headers={"Sec-WebSocket-Protocol": "chat"}).transport.close()


def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with pytest.raises(DialFailed, match=f"^127.0.0.1:{port} refused the connection$"):
            dial(f"ws://127.0.0.1:{port}/", timeout_seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "error", [websocket.WebSocketAddressException("gone"), UnicodeError("label too long")]
)
def test_a_name_that_cannot_be_resolved_is_said_to_be_one(error: Exception) -> None:
    assert str(failure(error, "venue.test:443")) == (
        "the name of venue.test:443, or of its proxy, cannot be resolved"
    )


def test_a_certificate_that_nobody_vouches_for_is_not_accepted() -> None:
    with serving(answering(agreed), tls=True) as server:
        text = str(failed(server))
    assert text.startswith(f"the certificate of 127.0.0.1:{server.port} is not accepted: self")


def test_a_certificate_of_another_name_is_not_accepted() -> None:
    with serving(answering(agreed), tls=True) as server:
        url = f"wss://localhost:{server.port}/"
        with pytest.raises(
            DialFailed, match=r"certificate of localhost:\d+ is not accepted: Hostname mismatch"
        ):
            dial(url, timeout_seconds=PATIENCE_SECONDS, ca_file=str(certificate()))


def test_tls_with_a_server_that_speaks_none_fails_in_words() -> None:
    def script(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(script) as server, pytest.raises(DialFailed, match=r"^TLS with 127.0.0.1:\d+ failed: \w+"):
        dial(f"wss://127.0.0.1:{server.port}/", timeout_seconds=PATIENCE_SECONDS)


def test_an_unreadable_certificate_file_is_named() -> None:
    with pytest.raises(DialFailed, match=r"certificates in /nowhere/ca\.pem cannot be read: No such file"):
        dial("wss://127.0.0.1:1/", timeout_seconds=1, ca_file="/nowhere/ca.pem")
    with pytest.raises(DialFailed, match="cannot be read: no certificate is in it"):
        dial("wss://127.0.0.1:1/", timeout_seconds=1, ca_file="/dev/null")


@pytest.mark.slow
def test_an_answer_that_only_trickles_in_is_cut_at_the_deadline() -> None:
    def script(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 101 ")
        peer.settimeout(0.02)
        while True:
            peer.sendall(b"x")
            with suppress(TimeoutError):
                if not peer.recv(1):
                    return

    with serving(script) as server, pytest.raises(DialFailed, match="did not answer in time"):
        dial(server.url(), timeout_seconds=0.4)


@pytest.mark.slow
def test_a_server_that_says_nothing_is_left_at_the_deadline() -> None:
    with serving(listen) as server, pytest.raises(DialFailed, match="did not answer in time"):
        dial(server.url(), timeout_seconds=0.3)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://s3cret.test/", "the URL does not look like ws://host[:port] or wss://host[:port]"),
        ("WS://s3cret.test/", "the URL does not look like"),
        ("s3cret", "the URL does not look like"),
        ("ws://", "the URL does not look like"),
        ("ws://s3cret.test:99999/", "the URL does not look like"),
        ("ws://s3cret.test:0/", "the URL does not look like"),
        ("ws://[s3cret/", "the URL does not look like"),
        ("ws://s3cret.test/a b", "the URL holds a space"),
        ("ws://s3cret.test/\r\nX: y", "the URL holds a space"),
        ("ws://s3cret.test/ü", "the URL holds a space or a character beyond ASCII"),
    ],
)
def test_a_url_that_is_none_is_refused_unquoted(url: str, words: str) -> None:
    with pytest.raises(DialFailed) as caught:
        dial(url, timeout_seconds=1)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Sec-WebSocket-Extensions": "s3cret"}, "the header 'Sec-WebSocket-Extensions' cannot be set"),
        ({"Host": "s3cret"}, "the header 'Host' cannot be set"),
        ({"A B": "s3cret"}, "the header 'A B' cannot be set"),
        ({"X": "s3cret\r\nY: z"}, "the value of the header 'X' holds more than printable ASCII"),
    ],
)
def test_headers_that_would_break_the_request_are_refused(headers: dict[str, str], words: str) -> None:
    with pytest.raises(DialFailed) as caught:
        dial("ws://127.0.0.1:1/", timeout_seconds=1, headers=headers)
    assert str(caught.value) == words


def tunnel(answer: bytes, requests: list[bytes]) -> Script:
    """A proxy that plays the server behind it, too."""

    def script(peer: socket.socket) -> None:
        requests.append(read_request(peer))
        peer.sendall(answer)
        if b" 200 " in answer:
            answering(agreed, requests)(peer)

    return script


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("_no_environment")
def test_a_proxy_is_asked_for_a_tunnel_and_told_who_asks() -> None:
    requests: list[bytes] = []
    with serving(tunnel(b"HTTP/1.1 200 OK\r\n\r\n", requests)) as server:
        proxy = f"http://me:s3cret@127.0.0.1:{server.port}"
        made = dial("ws://venue.test/feed", timeout_seconds=PATIENCE_SECONDS, proxy=proxy)
        made.transport.close()
    assert made.peer == "venue.test:80"
    assert requests[0].startswith(b"CONNECT venue.test:80 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:s3cret") in requests[0]
    assert requests[1].startswith(b"GET /feed HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in requests[1]


@pytest.mark.usefixtures("_no_environment")
def test_a_proxy_that_opens_no_tunnel_is_named_with_its_status() -> None:
    with serving(tunnel(b"HTTP/1.1 407 s3cret\r\n\r\n", [])) as server:
        proxy = f"http://me:s3cret@127.0.0.1:{server.port}"
        with pytest.raises(DialFailed) as caught:
            dial("ws://venue.test/feed", timeout_seconds=PATIENCE_SECONDS, proxy=proxy)
    assert str(caught.value) == (
        "the proxy opened no tunnel to venue.test:80: HTTP 407 Proxy Authentication Required"
    )


def test_the_environments_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(answering(agreed)) as server:
        dialed(server).transport.close()


def test_a_proxy_of_another_kind_is_refused() -> None:
    with pytest.raises(DialFailed, match="the proxy's URL does not look like http://host"):
        dial("ws://venue.test/", timeout_seconds=1, proxy="socks5://s3cret@127.0.0.1:1")


garbage = st.one_of(
    st.binary(max_size=200),
    st.lists(st.text(max_size=20).map(str.encode), max_size=6).map(
        lambda lines: b"\r\n".join([b"HTTP/1.1 101 Fine", *lines, b"", b""])
    ),
    st.tuples(
        st.sampled_from(("Retry-After", "Date", "Content-Length", "Set-Cookie", "Upgrade")),
        st.text(max_size=30),
    ).map(
        lambda pair: f"HTTP/1.1 429 Slow\r\n{pair[0]}: {pair[1]}\r\nRetry-After: {pair[1]}\r\n\r\n".encode()
    ),
)


@pytest.mark.slow
def test_whatever_a_server_answers_is_a_failure_in_words() -> None:
    answers: list[bytes] = []

    with serving(answering(lambda _: answers[-1])) as server:

        @settings(deadline=None, max_examples=100)
        @given(garbage)
        @example(b"HTTP/1.1 429 Slow\r\nContent-Length: -3\r\n\r\n")
        @example(b"HTTP/1.1 429 Slow\r\nContent-Length: 900\r\n\r\nshort")
        @example(b"HTTP/1.1 302 Found\r\n\r\n")
        def exchange(answer: bytes) -> None:
            answers.append(answer if not answer.startswith(b"HTTP/1.1 101") else b"x" + answer[1:])
            failed(server)

        exchange()

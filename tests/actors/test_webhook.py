"""Posting alerts to a real HTTP server on this machine."""

import logging
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.address import Address
from actors.mailbox import Mailbox
from actors.slot import Slot
from actors.webhook import WebhookActor
from core.records import Alert
from messages.observation import Post, Posted
from messages.supervision import ChildFailed, Drain, Drained, InjectFault
from tests.support.handshakes import PATIENCE_SECONDS, Script, serving
from tests.support.harness import World

MakeWorld = Callable[[int], World]
ALERT = Alert(1_700_000_000_000_000_000, "gap", "f", "BTC-USD", "normalizer/f/0", 'ids 3 to 4 "é"', 2)
OTHER = Alert(1, "restart", None, None, "supervisor", "again", 0)
SECRET = "s3cr3t"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Hook:
    """A webhook actor on the test's thread."""

    def __init__(self, world: World, url: str, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        self.world = world
        self.monitor, self.supervisor = Mailbox(), Mailbox()
        self.slot = Slot[None](
            "webhook", None, Mailbox(), world.clock, Address[Any]("supervisor", self.supervisor)
        )
        self._arguments = {
            "url": url, "timeout_seconds": timeout_seconds, "monitor": Address[Any]("monitor", self.monitor)
        }  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start an incarnation."""
        self.world.start(WebhookActor, self.slot, self._arguments)

    def post(self, *alerts: Alert) -> str:
        """Post alerts; give what the monitor is told of it."""
        self.slot.mailbox.put_control(Post(alerts))
        self.world.settle()
        (posted,) = taken(self.monitor)
        assert isinstance(posted, Posted)
        return posted.error


def taken(mailbox: Mailbox) -> list[Any]:
    found = []
    while (message := mailbox.take_control()) is not None:
        found.append(message)
    return found


def receiving(answer: bytes, requests: list[tuple[bytes, bytes]]) -> Script:
    """Read a request with its body, and answer; the connection stays open until the client leaves."""

    def script(peer: socket.socket) -> None:
        head = read_head(peer)
        sizes = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(sizes[0]) if sizes else 0
        requests.append((head, peer.recv(length, socket.MSG_WAITALL)))
        peer.sendall(answer)
        while peer.recv(4096):
            pass

    return script


def read_head(peer: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += peer.recv(1)
    return head


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(1)


def test_alerts_are_posted_as_json(world: World) -> None:
    requests: list[tuple[bytes, bytes]] = []
    with serving(receiving(OK, requests)) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/hooks/{SECRET}?key={SECRET}")
        assert hook.post(ALERT, OTHER) == ""
        world.close()
    ((head, body),) = requests
    assert head.startswith(f"POST /hooks/{SECRET}?key={SECRET} HTTP/1.1\r\n".encode())
    assert b"content-type: application/json\r\n" in head.lower()
    assert msgspec.json.decode(body) == {
        "alerts": [
            {
                "ts_ns": 1_700_000_000_000_000_000, "kind": "gap", "feed": "f", "symbol": "BTC-USD",
                "actor": "normalizer/f/0", "text": 'ids 3 to 4 "é"', "held_back": 2,
            },
            {
                "ts_ns": 1, "kind": "restart", "feed": None, "symbol": None, "actor": "supervisor",
                "text": "again", "held_back": 0,
            },
        ]
    }  # fmt: skip


def test_one_post_comes_after_the_other_and_each_is_told(world: World) -> None:
    requests: list[tuple[bytes, bytes]] = []
    with serving(receiving(OK, requests)) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/")
        assert [hook.post(ALERT), hook.post(OTHER), hook.post(ALERT)] == ["", "", ""]
        world.close()
    assert [len(msgspec.json.decode(body)["alerts"]) for _, body in requests] == [1, 1, 1]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_a_status_of_400_and_above_is_told_and_not_repeated(status: int, world: World) -> None:
    requests: list[tuple[bytes, bytes]] = []
    answer = f"HTTP/1.1 {status} {SECRET}\r\nRetry-After: 1\r\nContent-Length: 6\r\n\r\n{SECRET}".encode()
    with serving(receiving(answer, requests)) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/{SECRET}")
        assert hook.post(ALERT) == f"the receiver answered with HTTP status {status}"
        world.close()
    assert len(requests) == 1


def test_a_redirect_is_not_followed(world: World) -> None:
    """It may lead anywhere, and would be asked with GET."""
    requests: list[tuple[bytes, bytes]] = []
    answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with serving(receiving(answer, requests)) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/{SECRET}")
        assert SECRET not in hook.post(ALERT) != ""
        world.close()
    assert len(requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"endless" * 10_000,
    ],
    ids=["short", "garbled", "no chunks", "open end"],
)
def test_what_the_receiver_says_besides_its_status_does_not_matter(answer: bytes, world: World) -> None:
    """Not even a body that never ends is waited for."""
    with serving(receiving(answer, [])) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/")
        assert hook.post(ALERT) == ""
        world.close()


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_refused_connection_is_told_without_the_urls_secrets(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Hook(world, f"http://user:{SECRET}@127.0.0.1:{refused_port()}/{SECRET}?token={SECRET}")
    with caplog.at_level(logging.DEBUG):
        assert hook.post(ALERT) == "the alert could not be posted: NewConnectionError"
        assert hook.post(OTHER) == "the alert could not be posted: NewConnectionError"
    assert SECRET not in caplog.text


ODD_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "half a head": b"HTTP/1.",
    "too long a head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n",
    "strange status": b"HTTP/1.1 999 \r\n\r\n",
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_answer_that_is_none_is_told_in_one_line(name: str, world: World) -> None:
    def script(peer: socket.socket) -> None:
        read_head(peer)
        peer.sendall(ODD_ANSWERS[name])

    with serving(script) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/{SECRET}")
        error = hook.post(ALERT)
        world.close()
    assert error
    assert "\n" not in error
    assert SECRET not in error
    assert hook.slot.incarnation == 1


def test_a_receiver_that_never_answers_is_given_up(world: World) -> None:
    with serving(receiving(b"", [])) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/{SECRET}", timeout_seconds=0.05)
        assert hook.post(ALERT) == "the alert could not be posted: ReadTimeoutError"
        world.close()


def test_garbled_headers_put_no_secret_into_the_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library warns of them, and quotes the whole URL; another client may have made it talkative."""
    monkeypatch.setattr(logging.getLogger("urllib3"), "level", logging.WARNING)
    answer = b"HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 0\r\n\r\n"
    with serving(receiving(answer, [])) as server, caplog.at_level(logging.WARNING):
        hook = Hook(world, f"http://127.0.0.1:{server.port}/{SECRET}")
        assert hook.post(ALERT) == ""
        world.close()
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "url",
    ["http://[::1", f"http://{SECRET}:notaport/", f"ftp://{SECRET}/", f"http://{'a' * 70}.{SECRET}.invalid/"],
)
def test_a_url_that_is_none_is_told_and_crashes_nothing(url: str, world: World) -> None:
    hook = Hook(world, url, timeout_seconds=0.2)
    error = hook.post(ALERT)
    assert error.startswith("the alert could not be posted: ")
    assert SECRET not in error


def test_it_drains_behind_its_posts(world: World) -> None:
    requests: list[tuple[bytes, bytes]] = []
    with serving(receiving(OK, requests)) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/")
        hook.slot.mailbox.put_control(Post((ALERT,)))
        hook.slot.mailbox.put_control(Drain())
        world.settle()
        told = taken(hook.supervisor)
        world.close()
    assert told[-1] == Drained("webhook")
    assert len(requests) == 1


def test_a_fault_between_two_posts_costs_none(world: World) -> None:
    requests: list[tuple[bytes, bytes]] = []
    with serving(receiving(OK, requests)) as server:
        hook = Hook(world, f"http://127.0.0.1:{server.port}/")
        assert hook.post(ALERT) == ""
        hook.slot.mailbox.put_control(InjectFault("test"))
        hook.slot.mailbox.put_control(Post((OTHER,)))
        world.settle()
        assert any(isinstance(told, ChildFailed) for told in taken(hook.supervisor))
        hook.start()
        world.settle()
        assert taken(hook.monitor) == [Posted("")]
        world.close()
    assert len(requests) == 2

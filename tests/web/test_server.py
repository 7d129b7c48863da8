"""The process of the page: a real one on a real socket, fed by the test."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import psutil
import pytest
from prometheus_client.openmetrics import parser

from tests.support.page_process import PATIENCE_SECONDS, RECENT, PageProcess, page_process
from tests.support.processes import eventually, is_running
from tests.support.snapshots import document, ready, snapshot
from web.client_protocol import MOST_CLIENTS, MOST_HEAD_BYTES

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-many-characters"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
SOCKET_PATH = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@pytest.fixture(scope="module")
def served() -> Iterator[PageProcess]:
    """Give a process that anybody on this machine may ask."""
    with page_process() as process:
        yield process


@pytest.fixture(scope="module")
def guarded() -> Iterator[PageProcess]:
    """Give a process that asks for a token."""
    with page_process(token=TOKEN) as process:
        yield process


def exchange(port: int, *lines: str) -> bytes:
    """Send a request's head, and give the first bytes of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(65_536)


def handshake(port: int, *more: str) -> bytes:
    return exchange(
        port, f"GET {SOCKET_PATH} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade",
        "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *more,
    )  # fmt: skip


def hears_nothing(client: socket.socket) -> bool:
    try:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        return not client.recv(1)
    except ConnectionError:
        return True


class TestAnswers:
    def test_the_status_is_what_the_pipeline_told(self, served: PageProcess) -> None:
        answer, body = served.get("/status")
        assert answer.status == 200
        assert json.loads(body) == json.loads(json.dumps(document(**ready())))

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/api/v1/status", {"ready": True, "connected": True, "session": 3, "balanced": True}),
            ("/api/v1/ledger", {"balanced": True}),
            ("/api/v1/symbols?search=btc&sort=ticks&descending=true", {"total": 1, "limit": 100}),
            ("/api/v1/actors?limit=1&offset=1", {"total": 2, "offset": 1}),
        ],
    )
    def test_objects(self, served: PageProcess, path: str, expected: dict[str, object]) -> None:
        answer, body = served.get(path)
        assert answer.status == 200, body
        told = json.loads(body)
        assert {name: told[name] for name in expected} == expected

    @pytest.mark.parametrize("name", ["lines", "stores", "alerts"])
    def test_lists_are_as_the_pipeline_told_them(self, served: PageProcess, name: str) -> None:
        assert json.loads(served.get(f"/api/v1/{name}")[1]) == document(**ready())[name]

    def test_recent_ticks_are_asked_of_the_pipeline(self, served: PageProcess) -> None:
        answer, body = served.get("/api/v1/symbols/demo/BTC%2FUSD/recent?n=7")
        assert answer.status == 200
        assert served.asked[-1] == ("demo", "BTC/USD", 7)
        told = json.loads(body)
        assert (told["price"], told["reason"]) == (list(RECENT.price), list(RECENT.reason))

    def test_an_unknown_symbol_is_not_found(self, served: PageProcess) -> None:
        assert served.get("/api/v1/symbols/demo/NONE/recent")[0].status == 404

    def test_health_and_readiness(self, served: PageProcess) -> None:
        assert served.get("/healthz")[1] == b"ok\n"
        assert served.get("/readyz")[1] == b"ok\n"
        before = served.told
        served.told = snapshot()
        eventually(lambda: served.get("/readyz")[0].status == 503)
        assert served.get("/readyz")[1].splitlines() == [
            b"the line coinbase/0/A is waiting", b"the breaker of the store archive is open",
        ]  # fmt: skip
        served.told = before
        eventually(lambda: served.get("/readyz")[0].status == 200)

    def test_metrics_are_open_metrics_for_those_who_like_them(self, served: PageProcess) -> None:
        answer, body = served.get("/metrics", Accept=OPEN_METRICS)
        assert (answer.headers["Content-Type"] or "").startswith("application/openmetrics-text")
        families = parser.text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call]
        assert "tapeline_records" in {family.name for family in families}
        assert (served.get("/metrics")[0].headers["Content-Type"] or "").startswith("text/plain")

    @pytest.mark.parametrize("path", ["/", "/login", "/status", "/nothing", "/api/v1/nothing"])
    def test_every_answer_has_the_security_headers(self, served: PageProcess, path: str) -> None:
        answer, _ = served.get(path)
        assert "frame-ancestors 'none'" in (answer.headers["Content-Security-Policy"] or "")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_wrong_parameters_are_told_without_being_repeated(self, served: PageProcess) -> None:
        answer, body = served.get("/api/v1/symbols?limit=%3Cscript%3E")
        assert answer.status == 422
        assert "limit" in json.loads(body)["error"]
        assert b"script" not in body


class TestRefusals:
    def test_another_name_is_refused(self, served: PageProcess) -> None:
        assert served.get("/status", Host="evil.example")[0].status == 403

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
    def test_there_is_nothing_but_to_get(self, served: PageProcess, method: str) -> None:
        answer, _ = served.get("/status", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")

    def test_a_websocket_of_another_page_is_refused(self, served: PageProcess) -> None:
        ours = f"Origin: http://127.0.0.1:{served.port}"
        assert handshake(served.port, ours).startswith(b"HTTP/1.1 101 ")
        for others in (
            "Origin: http://evil.example",
            "Origin: null",
            f"Origin: http://localhost:{served.port}",
        ):
            assert handshake(served.port, others).startswith(b"HTTP/1.1 403 ")
        assert handshake(served.port).startswith(b"HTTP/1.1 403 ")

    def test_a_head_that_is_too_long_is_refused(self, served: PageProcess) -> None:
        said = exchange(served.port, "GET /status HTTP/1.1", "X: " + "x" * 2 * MOST_HEAD_BYTES)
        assert said.startswith(b"HTTP/1.1 400 ")

    def test_too_many_clients_are_turned_away_and_the_others_served(self, served: PageProcess) -> None:
        with ExitStack() as stack:
            address = ("127.0.0.1", served.port)
            for _ in range(2 * MOST_CLIENTS):
                client = stack.enter_context(socket.create_connection(address, timeout=PATIENCE_SECONDS))
            assert hears_nothing(client)
        eventually(lambda: served.get("/healthz")[0].status == 200)


class TestToken:
    def test_nothing_is_told_without_it_but_that_we_live(self, guarded: PageProcess) -> None:
        for path in ("/status", "/api/v1/status", "/metrics", "/readyz", "/api/v1/openapi.json"):
            answer, body = guarded.get(path)
            assert (answer.status, json.loads(body)) == (401, {"error": "a token is needed"})
        assert guarded.get("/healthz")[0].status == 200

    def test_programs_say_it_in_a_header(self, guarded: PageProcess) -> None:
        assert guarded.get("/status", Authorization=f"Bearer {TOKEN}")[0].status == 200
        assert guarded.get("/status", Authorization=f"Bearer {TOKEN}x")[0].status == 401
        assert guarded.get("/status", Authorization=f"Basic {TOKEN}")[0].status == 401

    def test_people_log_in_and_get_a_cookie(self, guarded: PageProcess) -> None:
        answer, _ = guarded.get("/", Accept="text/html")
        assert (answer.status, answer.headers["Location"]) == (303, "/login")
        assert b"<form" in guarded.get("/login")[1]
        form = {
            "Content_Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{guarded.port}",
        }  # fmt: skip
        wrong, body = guarded.get("/login", "POST", urlencode({"token": "x" * 30}), **form)
        assert (wrong.status, wrong.headers["Set-Cookie"]) == (401, None)
        assert b"xxx" not in body
        right, _ = guarded.get("/login", "POST", urlencode({"token": TOKEN}), **form)
        cookie = right.headers["Set-Cookie"] or ""
        assert (right.status, right.headers["Location"]) == (303, "/")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie
        assert guarded.get("/status", Cookie=cookie.partition(";")[0])[0].status == 200

    def test_another_page_cannot_log_in(self, guarded: PageProcess) -> None:
        answer, _ = guarded.get("/login", "POST", urlencode({"token": TOKEN}), Origin="http://evil.example")
        assert answer.status == 403

    def test_a_form_that_is_too_long_is_not_read(self, guarded: PageProcess) -> None:
        origin = f"http://127.0.0.1:{guarded.port}"
        answer, _ = guarded.get("/login", "POST", "token=" + "x" * 20_000, Origin=origin)
        assert answer.status == 401

    def test_a_websocket_needs_it_too(self, guarded: PageProcess) -> None:
        origin = f"Origin: http://127.0.0.1:{guarded.port}"
        assert handshake(guarded.port, origin).startswith(b"HTTP/1.1 403 ")
        assert handshake(guarded.port, origin, f"Authorization: Bearer {TOKEN}").startswith(b"HTTP/1.1 101 ")


def test_one_that_is_killed_is_followed_by_another_on_the_same_port() -> None:
    with page_process() as process:
        assert process.child.pid is not None
        first = psutil.Process(process.child.pid)
        first.kill()
        eventually(lambda: process.child.pid not in (None, first.pid))
        # It waits in the queue of the socket until there is somebody.
        eventually(lambda: process.get("/status")[0].status == 200)
        last = psutil.Process(process.child.pid)
    assert not is_running(first)
    assert not is_running(last)


def test_only_the_pipeline_can_start_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "web.server"], input=b"hello\n", capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"is started by it" in done.stderr

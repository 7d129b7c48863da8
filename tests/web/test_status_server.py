"""The status over HTTP: real requests over loopback, good ones and bad ones."""

import http.client
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from tests.support.statuses import HOSTILE, status, statuses
from web.status_server import MOST_BYTES, MOST_CLIENTS, StatusServer

PATIENCE_SECONDS = 20.0
Serve = Callable[..., StatusServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give what starts servers; they are closed in the end."""
    servers: list[StatusServer] = []

    def start(get_status: Callable[[], Mapping[str, Any]] = status, **options: Any) -> StatusServer:
        servers.append(StatusServer(options.pop("host", "127.0.0.1"), 0, get_status, **options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Give the status that the shared server tells; a test fills it."""
    return {}


@pytest.fixture(scope="module")
def shared(told: dict[str, Any]) -> Iterator[StatusServer]:
    """Give one server for all examples of a property."""
    with StatusServer("127.0.0.1", 0, told.copy) as server:
        yield server


def ask(
    server: StatusServer, path: str = "/status", method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    with closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    ) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def exchange(server: StatusServer, request: bytes, host: str = "127.0.0.1") -> bytes:
    """Send bytes, then read to the end."""
    with socket.create_connection((host, server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def request(server: StatusServer, *lines: str, host: str | None = None) -> bytes:
    named = f"Host: {host or f'127.0.0.1:{server.port}'}"
    return "\r\n".join([*(lines or ["GET /status HTTP/1.1"]), named, "", ""]).encode()


class TestAnswers:
    def test_the_status_is_json(self, serve: Serve) -> None:
        answer, body = ask(serve())
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert json.loads(body) == status()
        assert json.loads(body)["alerts"][0]["ts_ns"] == 1_700_000_000_000_000_000

    def test_healthz_says_ok_whatever_the_monitor_does(self, serve: Serve) -> None:
        def fail() -> Mapping[str, Any]:
            raise AssertionError("nobody was to ask")

        answer, body = ask(serve(fail), "/healthz")
        assert (answer.status, body) == (200, b"ok\n")

    def test_nan_is_null(self, serve: Serve) -> None:
        _, body = ask(serve(lambda: {"x": nan, "y": [inf, -inf, 1.5], "z": ({"a": nan},), "big": 2**62 + 1}))
        assert json.loads(body, parse_constant=pytest.fail) == {
            "x": None, "y": [None, None, 1.5], "z": [{"a": None}], "big": 2**62 + 1,
        }  # fmt: skip

    def test_hostile_text_arrives_as_it_is(self, serve: Serve) -> None:
        _, body = ask(serve(lambda: {"x": HOSTILE}))
        assert body.isascii()
        assert json.loads(body) == {"x": HOSTILE}

    def test_every_answer_has_its_length_and_the_security_headers(self, serve: Serve) -> None:
        server = serve()
        for path, method in (("/status", "GET"), ("/healthz", "GET"), ("/", "GET"), ("/status", "POST")):
            answer, body = ask(server, path, method)
            assert int(answer.headers["Content-Length"]) == len(body)
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Server" not in answer.headers
            assert "Access-Control-Allow-Origin" not in answer.headers

    @pytest.mark.slow
    @settings(max_examples=50, deadline=None)
    @given(any_status=statuses)
    def test_any_status_is_valid_json_or_refused(
        self, shared: StatusServer, told: dict[str, Any], any_status: dict[str, Any]
    ) -> None:
        told.clear()
        told.update(any_status)
        answer, body = ask(shared)
        assert answer.status == (200 if any_status else 503)
        assert isinstance(json.loads(body, parse_constant=pytest.fail), dict)


class TestFailures:
    def test_a_status_that_fails_is_a_clear_503(self, serve: Serve) -> None:
        def fail() -> Mapping[str, Any]:
            raise KeyError("secret")

        answer, body = ask(serve(fail))
        assert answer.status == 503
        assert json.loads(body) == {"error": "the status is not available"}

    @pytest.mark.parametrize("value", [{"x": object()}, {"x": {1, 2}}])
    def test_a_status_that_is_no_json_is_a_503(self, serve: Serve, value: Mapping[str, Any]) -> None:
        assert ask(serve(lambda: value))[0].status == 503

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, RecursionError])
    def test_the_worst_errors_are_a_503_too(self, serve: Serve, error: type[BaseException]) -> None:
        def fail() -> Mapping[str, Any]:
            raise error

        assert ask(serve(fail))[0].status == 503

    def test_an_empty_status_and_a_timeout_mean_that_nobody_answered(self, serve: Serve) -> None:
        def late() -> Mapping[str, Any]:
            raise TimeoutError

        for get_status in (dict[str, Any], late):
            answer, body = ask(serve(get_status))
            assert answer.status == 503
            assert json.loads(body) == {"error": "the monitor does not answer"}

    def test_a_status_that_hangs_costs_one_thread_and_recovers(self, serve: Serve) -> None:
        calls, go_on = [], threading.Event()

        def hang() -> Mapping[str, Any]:
            calls.append(threading.current_thread())
            assert go_on.wait(PATIENCE_SECONDS)
            return {"ledger": None}

        server = serve(hang, status_seconds=0.02)
        assert [ask(server)[0].status for _ in range(3)] == [503, 503, 503]
        assert len(calls) == 1
        assert ask(server, "/healthz")[0].status == 200
        go_on.set()
        calls[0].join(PATIENCE_SECONDS)
        assert ask(server)[0].status == 200


class TestRefusals:
    @pytest.mark.parametrize(
        "path", ["/", "/status/", "/statusx", "/../status", "/status%00", "http://evil/status", "*"]
    )
    def test_other_paths_are_not_found(self, serve: Serve, path: str) -> None:
        server = serve()
        answer = exchange(server, request(server, f"GET {path} HTTP/1.1"))
        assert answer.startswith(b"HTTP/1.0 404 ")
        assert b"evil" not in answer

    @pytest.mark.parametrize(
        "method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "X" * 99]
    )
    def test_other_methods_are_not_allowed(self, serve: Serve, method: str) -> None:
        server = serve()
        answer = exchange(server, request(server, f"{method} /status HTTP/1.1"))
        assert answer.startswith(b"HTTP/1.0 405 ")
        assert b"\r\nAllow: GET\r\n" in answer

    def test_a_head_request_gets_no_body(self, serve: Serve) -> None:
        server = serve()
        head, _, body = exchange(server, request(server, "HEAD /status HTTP/1.1")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 405 ")
        assert body == b""

    def test_a_refused_client_may_finish_sending(self, serve: Serve) -> None:
        server = serve(deadline_seconds=PATIENCE_SECONDS)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(request(server, "POST /status HTTP/1.1", "Content-Length: 10000"))
            assert read_all(connection).startswith(b"HTTP/1.0 405 ")
            for _ in range(10):
                connection.sendall(b"x" * 1_000)

    @pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
    def test_the_names_of_this_machine_are_answered(self, serve: Serve, name: str) -> None:
        server = serve()
        assert b" 200 " in exchange(server, request(server, host=f"{name}:{server.port}"))

    @pytest.mark.parametrize(
        "name",
        [
            "evil.example:{}",
            "127.0.0.1",
            "localhost:1",
            "127.0.0.1:{}.evil.example",
            "127.0.0.1:{}@x",
            "[::]:{}",
        ],
    )
    def test_any_other_host_is_refused(self, serve: Serve, name: str) -> None:
        server = serve()
        for path in ("/status", "/healthz", "/nothing"):
            answer = exchange(server, request(server, f"GET {path} HTTP/1.1", host=name.format(server.port)))
            assert answer.startswith(b"HTTP/1.0 403 ")
            assert b"evil" not in answer

    def test_no_host_and_two_hosts_are_refused(self, serve: Serve) -> None:
        server = serve()
        own = f"Host: 127.0.0.1:{server.port}\r\n".encode()
        assert b" 403 " in exchange(server, b"GET /status HTTP/1.1\r\n\r\n")
        assert b" 403 " in exchange(server, b"GET /status HTTP/1.1\r\n" + own + own + b"\r\n")
        assert b" 403 " in exchange(server, b"GET /status\r\n\r\n")

    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /status HTTP/9.9\r\n\r\n",
            b"GET /status HTTP/1.1 more\r\n\r\n",
            b"<script>alert(1)</script> / HTTP/x\r\n\r\n",
            b"GET /status HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        ],
    )
    def test_garbage_is_answered_with_an_error_that_quotes_nothing(
        self, serve: Serve, garbage: bytes
    ) -> None:
        head, _, body = exchange(serve(), garbage).partition(b"\r\n\r\n")
        assert head.split()[1][:1] in (b"4", b"5")
        assert set(json.loads(body)) == {"error"}
        assert b"Traceback" not in body
        assert b"script" not in body

    @pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nx: "])
    def test_a_request_that_is_too_long_is_refused(self, serve: Serve, begin: bytes) -> None:
        answer = exchange(serve(), begin + b"x" * (MOST_BYTES - len(begin)))
        assert answer.startswith(b"HTTP/1.0 431 ")

    @pytest.mark.slow
    @settings(max_examples=80, deadline=None)
    @given(noise=st.binary(max_size=200))
    def test_no_bytes_break_it(self, shared: StatusServer, noise: bytes) -> None:
        with socket.create_connection(("127.0.0.1", shared.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            assert b" 200 " not in read_all(connection)
        assert ask(shared, "/healthz")[0].status == 200


class TestClients:
    def test_a_silent_client_is_closed(self, serve: Serve) -> None:
        assert exchange(serve(deadline_seconds=0.05), b"") == b""

    def test_a_client_that_sends_now_and_then_is_closed_too(self, serve: Serve) -> None:
        server = serve(deadline_seconds=0.1)
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.02) as connection:
            connection.sendall(b"GET /status HTTP/1.1\r\nx: ")
            ended = False
            for _ in range(int(PATIENCE_SECONDS / 0.02)):
                try:
                    connection.sendall(b"x")
                    ended = connection.recv(1) == b""
                except TimeoutError:
                    continue
                except ConnectionError:
                    ended = True
                if ended:
                    break
            assert ended

    @pytest.mark.slow
    def test_a_client_that_reads_nothing_is_closed(self, serve: Serve) -> None:
        large = {"x": "y" * 20_000_000}
        server = serve(lambda: large, deadline_seconds=0.1)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as slow:
            slow.sendall(request(server))
            slow.settimeout(PATIENCE_SECONDS)
            # Held open unread meanwhile; others are served.
            assert ask(server, "/healthz")[0].status == 200
            threads = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
            assert not any(thread.is_alive() for thread in threads)
            received = 0
            with suppress(ConnectionError):
                while part := slow.recv(1 << 20):
                    received += len(part)
            assert received < len(large["x"])

    def test_a_client_that_goes_away_leaves_no_trace(
        self, serve: Serve, capfd: pytest.CaptureFixture[str]
    ) -> None:
        server = serve()
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(b"GET /sta")
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(request(server))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert ask(server)[0].status == 200
        assert capfd.readouterr() == ("", "")

    @pytest.mark.slow
    def test_many_at_once_are_all_answered(self, serve: Serve) -> None:
        server = serve()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: ask(server), range(160)))
        assert {answer.status for answer, _ in answers} == {200}
        assert {body for _, body in answers} == {answers[0][1]}

    def test_idle_clients_cannot_pile_up(self, serve: Serve) -> None:
        server = serve(deadline_seconds=PATIENCE_SECONDS)
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MOST_CLIENTS)]
        try:
            assert exchange(server, b"") == b""
            idle.pop().close()
            # The place becomes free when its thread ends, a moment later.
            assert any(b" 200 " in attempt(server) for _ in range(10_000))
        finally:
            for connection in idle:
                connection.close()


def attempt(server: StatusServer) -> bytes:
    try:
        return exchange(server, request(server))
    except ConnectionError:
        return b""


class TestPort:
    def test_a_port_in_use_is_a_clear_usage_error(self) -> None:
        with StatusServer("127.0.0.1", 0, status) as first:
            with pytest.raises(UsageError) as caught:
                StatusServer("127.0.0.1", first.port, status)
            text = str(caught.value)
        assert f"127.0.0.1:{first.port} is in use" in text
        assert "another supervisor" in text
        assert "set monitor.port" in text
        assert "\n" not in text

    def test_an_address_that_is_not_there_is_a_usage_error(self) -> None:
        with pytest.raises(UsageError, match="cannot be listened on"):
            StatusServer("192.0.2.1", 0, status)

    def test_a_port_is_free_again_after_a_close(self) -> None:
        with StatusServer("127.0.0.1", 0, status) as first:
            assert ask(first)[0].status == 200
        with StatusServer("127.0.0.1", first.port, status) as second:
            assert ask(second)[0].status == 200

    def test_a_closed_server_answers_no_more(self, serve: Serve) -> None:
        server = serve()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            ask(server)

    def test_close_needs_no_start_and_may_come_twice(self) -> None:
        server = StatusServer("127.0.0.1", 0, status)
        server.close()
        server.close()

    def test_start_and_close_right_after_each_other_do_not_hang(self) -> None:
        for _ in range(2):
            server = StatusServer("localhost", 0, status)
            server.start()
            server.close()

    @pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
    def test_ipv6_loopback_works_where_there_is_one(self) -> None:
        try:
            server = StatusServer("::1", 0, status)
        except UsageError:
            pytest.skip("this machine has no IPv6 loopback")
        with server:
            answer = exchange(server, request(server, host=f"[::1]:{server.port}"), host="::1")
        assert b" 200 " in answer

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 by default")
    def test_another_loopback_address_answers_to_its_own_name(self, serve: Serve) -> None:
        server = serve(host="127.0.0.2")
        answer = exchange(server, request(server, host=f"127.0.0.2:{server.port}"), host="127.0.0.2")
        assert b" 200 " in answer

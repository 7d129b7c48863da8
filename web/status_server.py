"""Answers `GET /status` and `GET /healthz` on this machine only, and nothing else.

It asks for no password. What keeps others out: it binds to a loopback address, and it answers only
requests that name that address in `Host`, so that no web page can reach it through a name of its own
(DNS rebinding). A client gets `DEADLINE_SECONDS` and `MOST_BYTES` for its request, and as many seconds
again to take the answer.
"""

import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import Any, Final, Self

from core.errors import UsageError
from web.asking import Asking
from web.bounded_reading import BoundedReader
from web.listening import why_not

DEADLINE_SECONDS: Final = 5.0
STATUS_SECONDS: Final = 6.0
MOST_BYTES: Final = 16 * 1024
MOST_CLIENTS: Final = 32
POLL_SECONDS: Final = 0.1
JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

log = logging.getLogger("tapeline.status")


class StatusServer:
    """Serves the status from construction to `close`; requests are answered once it is started."""

    def __init__(
        self,
        host: str,
        port: int,
        get_status: Callable[[], Mapping[str, Any]],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        status_seconds: float = STATUS_SECONDS,
    ) -> None:
        """Bind to a loopback address; port 0 takes any free one. Raises UsageError if that cannot be had.

        `get_status` is called on another thread, never twice at once. If it raises, takes longer than
        `status_seconds` or gives an empty mapping, the client is told that there is no status (503).
        """
        asking = Asking(lambda: _encoded(get_status()), status_seconds)
        try:
            self._server = _Server(host, port, asking, deadline_seconds)
        except OSError as error:
            raise UsageError(why_not(host, port, error)) from None
        self.port: Final[int] = self._server.server_address[1]
        self._thread = Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="status-server", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port; may be called again, and without a start."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows this option would let another program take over the port.
    allow_reuse_address = os.name != "nt"
    allow_reuse_port = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, asking: Asking, deadline_seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.asking = asking
        self.deadline_seconds = deadline_seconds
        self._free = BoundedSemaphore(MOST_CLIENTS)
        super().__init__((host, port), _Handler)
        names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
        bound = self.server_address[1]
        self.hosts = frozenset({f"{name}:{bound}" for name in names} | (names if bound == 80 else set()))

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name that the base class adds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own, as long as there are not too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log; clients that go away in the middle are everyday life."""
        log.debug("a request failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        """Bound how long the exchange and how much the request may be."""
        super().setup()
        self._reader = BoundedReader(self.connection, MOST_BYTES, monotonic() + self.server.deadline_seconds)
        self.rfile = self._reader.buffered()

    def do_GET(self) -> None:
        """Answer one of the two paths."""
        if self._reader.exhausted:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._host() not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "the Host header names another server")
        elif self.path == "/healthz":
            self._answer(HTTPStatus.OK, b"ok\n", TEXT_TYPE)
        elif self.path == "/status":
            self._status()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there are /status and /healthz")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class found wrong with a request, without quoting any of it."""
        # For methods that it does not know it says that they are not implemented.
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._refuse(known)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a client's text has no business on the operator's terminal."""

    def finish(self) -> None:
        """End the answer; what the client still sends is read away, since a close before that cuts it off."""
        super().finish()
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self._reader.read_away(MOST_BYTES, monotonic() + self.server.deadline_seconds)
        except OSError:
            pass

    def _host(self) -> str:
        named = self.headers.get_all("Host", [])
        return str(named[0]).strip().lower() if len(named) == 1 else ""

    def _status(self) -> None:
        try:
            body = self.server.asking.ask()
        except TimeoutError:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the monitor does not answer")
        except RuntimeError as error:
            log.warning("the status is not available: %s", error)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the status is not available")
        else:
            self._answer(HTTPStatus.OK, body, JSON_TYPE)

    def _refuse(self, status: HTTPStatus, text: str = "") -> None:
        body = json.dumps({"error": text or status.phrase.lower()}).encode() + b"\n"
        self._answer(status, body, JSON_TYPE)

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.close_connection = True
        self.connection.settimeout(self.server.deadline_seconds)
        # A request without a version would get an answer without a head.
        self.request_version = self.protocol_version
        self.send_response_only(status)
        headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"}
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET"
        for name, value in (headers | SECURITY_HEADERS).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _encoded(status: Mapping[str, Any]) -> bytes:
    """Write the status as JSON, which knows no NaN and no infinity: they become null."""
    if not status:
        raise TimeoutError("the status is empty")
    return json.dumps(_finite(status), allow_nan=False).encode() + b"\n"


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if value - value == 0.0 else None
        case Mapping():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value

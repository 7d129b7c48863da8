"""Real databases that speak InfluxDB's protocols, on free ports of 127.0.0.1, ended by their process id.

    with Influxd(tmp_path) as server, Front(server) as front:
        InfluxWriter(front.url, org=ORG, bucket="prices", token=TOKEN)

`Influxd` is version 1, which keeps nanoseconds, replaces points and answers InfluxQL; `Front` stands before
it and speaks as much of version 2 as our store asks for. `VictoriaMetrics` takes version 2's writes itself.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.support.processes import END_SECONDS, eventually

ORG = "tapeline tests"
TOKEN = "kept-secret-0123456789"
PORT_TRIES = 5


def program(name: str, package: str) -> str:
    """Give the path of a program; skip the test where its Debian package is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}: apt-get install {package}")
    return path


def free_port() -> int:
    """Give a port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A database that runs within the `with`, and can be killed, started again, and stopped for a while."""

    def __init__(self, directory: Path) -> None:
        """Name the directory that it keeps its rows in."""
        self.directory = directory
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Give the command that starts it on `self.port`."""
        raise AssertionError("a server has a command of its own")

    def answers(self) -> bool:
        """Tell whether it takes requests."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/ping")[0] < 300
        return False

    def start(self) -> None:
        """Start it, and wait until it answers: on the port that it had, if any."""
        tries = PORT_TRIES if not self.port else 1
        for _ in range(tries):
            self.port = self.port if tries == 1 else free_port()
            with (self.directory / "log").open("ab") as log:
                self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
            eventually(lambda: self.answers() or self._ended())
            if not self._ended():
                return
        log_text = (self.directory / "log").read_text(errors="replace")
        raise AssertionError(f"it did not start:\n{log_text[-2000:]}")

    def kill(self) -> None:
        """End it at once, and wait until it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_SECONDS)

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Stop it within the context: it accepts connections and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; give status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=END_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, f"{path}?{urlencode(query or {})}", body)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Influxd(Server):
    """InfluxDB of version 1."""

    def __init__(self, directory: Path, series: int = 1_000_000) -> None:
        """Name the directory; `series` is how many it takes."""
        super().__init__(directory)
        self._program = program("influxd", "influxdb")
        self._backup_port = free_port()
        self._series = series

    def command(self) -> list[str]:
        """Give the command, whose configuration is written anew."""
        path = self.directory / "influxdb.conf"
        path.write_text(
            f"""
            reporting-disabled = true
            bind-address = "127.0.0.1:{self._backup_port}"
            [meta]
            dir = "{self.directory}/meta"
            [data]
            dir = "{self.directory}/data"
            wal-dir = "{self.directory}/wal"
            max-series-per-database = {self._series}
            [monitor]
            store-enabled = false
            [http]
            bind-address = "127.0.0.1:{self.port}"
            log-enabled = false
            """
        )
        return [self._program, "-config", str(path)]

    def query(self, text: str, database: str = "") -> Any:
        """Ask in InfluxQL; give the series of the answer."""
        asked = {"q": text, "db": database, "epoch": "ns"}
        _, _, answer = self.ask("POST", "/query", asked)
        (result,) = json.loads(answer)["results"]
        assert "error" not in result, result
        return result.get("series", [])


class VictoriaMetrics(Server):
    """VictoriaMetrics, which takes version 2's writes; it keeps milliseconds, and no texts."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._program = program("victoria-metrics", "victoria-metrics")

    def command(self) -> list[str]:
        """Give the command."""
        return [
            self._program,
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self.directory}/data",
            "-retentionPeriod=100y",
        ]

    def points(self, selector: str) -> list[dict[str, Any]]:
        """Give what it has of some series, once it has made all of it visible."""
        assert self.ask("GET", "/internal/force_flush")[0] == 200
        _, _, text = self.ask("GET", "/api/v1/export", {"match[]": selector})
        return [json.loads(line) for line in text.splitlines()]


Answer = tuple[int, dict[str, str], bytes]


class Front:
    """Speaks version 2 before an `Influxd`, as far as a store needs it; what a test asks for goes wrong.

    A faulty path is given in `answers` (what it answers instead of asking the server) or in `cut`
    (the connection is cut once the server has answered).
    """

    def __init__(self, server: Influxd) -> None:
        self.answers: dict[str, Answer] = {}
        """By path."""
        self.cut: set[str] = set()
        """Paths."""
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path, query and body of each request."""
        self._server = server
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._listener.daemon_threads = True
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def bodies(self, path: str = "/api/v2/write") -> list[bytes]:
        """Give the bodies that were sent to a path."""
        return [body for _, asked, _, body in self.asked if asked == path]

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes, token: str) -> Answer:
        """Answer as version 2 would."""
        self.asked.append((method, path, query, body))
        if path in self.answers:
            return self.answers[path]
        if token != f"Token {TOKEN}":
            return _said(401, {"code": "unauthorized", "message": "unauthorized access"})
        known: dict[tuple[str, str], Callable[[dict[str, str], bytes], Answer]] = {
            ("POST", "/api/v2/write"): self._write,
            ("GET", "/query"): lambda query, body: self._server.ask("GET", "/query", query, body),
            ("GET", "/api/v2/buckets"): self._buckets,
            ("GET", "/api/v2/orgs"): lambda query, body: _said(200, {"orgs": [{"id": "0a"}]}),
            ("POST", "/api/v2/buckets"): self._create,
        }
        if (method, path) not in known:
            return _said(404, {"code": "not found", "message": "path not found"})
        return known[method, path](query, body)

    def _write(self, query: dict[str, str], body: bytes) -> Answer:
        assert query["org"] == ORG
        asked = {"db": query["bucket"], "precision": query["precision"]}
        return self._server.ask("POST", "/write", asked, body)

    def _buckets(self, query: dict[str, str], body: bytes) -> Answer:
        (found,) = self._server.query("SHOW DATABASES")
        there = [query["name"]] in found.get("values", [])
        return _said(200, {"buckets": [{"name": query["name"]}] if there else []})

    def _create(self, query: dict[str, str], body: bytes) -> Answer:
        wanted = json.loads(body)
        assert wanted["orgID"] == "0a"
        seconds = [rule["everySeconds"] for rule in wanted["retentionRules"]]
        kept = f" WITH DURATION {seconds[0]}s" if seconds else ""
        self._server.query(f'CREATE DATABASE "{wanted["name"]}"{kept}')
        return _said(201, {"name": wanted["name"]})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join(END_SECONDS)


def _said(status: int, document: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Passes requests to the front."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def _answer(self, method: str) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "")
            try:
                answer = front.answer(method, parts.path, dict(parse_qsl(parts.query)), body, token)
            except (OSError, http.client.HTTPException):
                # The server is gone, and so is the connection to it.
                self.close_connection = True
                return
            if parts.path in front.cut:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):
                self._send(*answer)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name in ("Content-Type", "Retry-After", "X-Influxdb-Error"):
                if name in headers:
                    self.send_header(name, headers[name])
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

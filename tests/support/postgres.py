"""A real PostgreSQL server for tests: on a free loopback port, in a directory of its own, ended by its pid.

    with Server() as server:
        url = server.url(server.schema())

PostgreSQL does not run as root; as root, the server runs as the user that its package made.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import psycopg
import pytest

from tests.support.processes import eventually, wait_for_end

PACKAGE: Final = "postgresql-15"
USER: Final = "postgres"
BINARIES: Final = "/usr/lib/postgresql/*/bin"
END_SECONDS: Final = 20.0
# What is written survives the end of processes without fsync, and no test cuts the power.
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "logging_collector": "off",
}


def binaries() -> Path | None:
    """Give the directory with the newest server that is installed."""
    found = sorted(Path("/").glob(f"{BINARIES[1:]}/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


class Server:
    """A server, and what tests do to it."""

    def __init__(self) -> None:
        """Make the server's files and start it; the test is skipped where there is no PostgreSQL."""
        found = binaries()
        if found is None:
            pytest.skip(f"there is no PostgreSQL server here: install the Debian package {PACKAGE}")
        self._binaries = found
        self._as_user: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []}
        if os.geteuid():
            self._as_user = {}
        # Not below pytest's own directory, which only its owner may enter.
        self._root = Path(tempfile.mkdtemp(prefix="tapeline-postgres-"))
        if self._as_user:
            entry = pwd.getpwnam(USER)
            os.chown(self._root, entry.pw_uid, entry.pw_gid)
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        try:
            self._run("initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "-N")
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start it on its port, and wait until it answers."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        if timescale_is_here(self._binaries):
            options += ["-c", "shared_preload_libraries=timescaledb", "-c", "timescaledb.telemetry_level=off"]
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._root / "data", "-p", str(self.port), *options],
                cwd=self._root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as_user,
            )  # fmt: skip
        eventually(self._answers)

    def url(self, schema: str = "public", *, database: str = "postgres", port: int | None = None) -> str:
        """Give the URL of a schema in a database, straight or by the port of what stands in front."""
        place = f"{USER}@127.0.0.1:{port or self.port}/{database}"
        return f"postgresql://{place}?options=-csearch_path%3D{schema}"

    def schema(self) -> str:
        """Make a new schema and give its name: all that most tests need, and fast."""
        name = self._new_name()
        with self.connected() as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return name

    def database(self, options: str = "ENCODING 'UTF8' LOCALE 'C'") -> str:
        """Make a new database and give its name."""
        name = self._new_name()
        with self.connected() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        return name

    @contextlib.contextmanager
    def connected(
        self, schema: str = "public", *, database: str = "postgres"
    ) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        """Connect as the superuser."""
        connection = psycopg.connect(self.url(schema, database=database), autocommit=True)
        with contextlib.closing(connection):
            yield connection

    def _new_name(self) -> str:
        self._made += 1
        return f"test_{self._made}"

    def kill(self) -> None:
        """End it and its backends at once, as if the machine had lost power but for what it had written."""
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._wait()
        wait_for_end(family)

    def stop(self) -> None:
        """Have it end its connections and itself."""
        self._send(signal.SIGINT)
        self._wait()

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Have it and its backends do nothing meanwhile."""
        family = self._family()
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()

    def close(self) -> None:
        """End it and delete its files."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, program: str, *options: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._root / "data"), *options]
        done = subprocess.run(command, cwd=self._root, capture_output=True, text=True, **self._as_user)
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._root / "log").read_text()
        try:
            with self.connected():
                return True
        except psycopg.OperationalError:
            return False

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def _send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(END_SECONDS)


def timescale_is_here(directory: Path) -> bool:
    """Tell whether the server's package has TimescaleDB beside it."""
    done = subprocess.run([directory / "pg_config", "--pkglibdir"], capture_output=True, text=True)
    return done.returncode == 0 and (Path(done.stdout.strip()) / "timescaledb.so").exists()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class CuttingProxy:
    """Passes bytes between a client and the server, and cuts the connection around a COMMIT when told to.

    `cut_at_commit` is "before": the server never hears of it, and its transaction stays open; "after": the
    client never hears the answer.
    """

    COMMIT: Final = b"COMMIT\0"

    def __init__(self, port: int) -> None:
        """Listen in front of a server's port."""
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cut_at_commit = ""
        self.cut = threading.Event()
        self._swallowed: socket.socket | None = None
        self._open: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """End all connections."""
        for each in self._open:
            _shut(each)
        for thread in self._threads:
            thread.join(END_SECONDS)
        for each in self._open:
            each.close()

    def _start(self, run: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._open += [client, server]
                self._start(self._to_server, client, server)
                self._start(self._to_client, server, client)

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := client.recv(65_536):
                if self.COMMIT in content and self.cut_at_commit:
                    self._cut(client, server, content)
                    return
                server.sendall(content)
        _shut(server)

    def _cut(self, client: socket.socket, server: socket.socket, content: bytes) -> None:
        moment, self.cut_at_commit = self.cut_at_commit, ""
        self.cut.set()
        if moment == "after":
            self._swallowed = server
            server.sendall(content)
        else:
            _shut(client)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (content := server.recv(65_536)) and server is not self._swallowed:
                client.sendall(content)
        _shut(client)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)

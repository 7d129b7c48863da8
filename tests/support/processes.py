"""Starts programs as a user does, reads what they print as it comes, and ends them by their process id.

    with Program([sys.executable, "supervisor.py", "run"], cwd=project) as program:
        program.wait_for_line("listens")
        program.send(signal.SIGINT)
        ended = program.wait()

Every wait ends in an AssertionError that shows what was printed. Nothing outlives the `with`: neither
the program nor the processes that it started.
"""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

TIMEOUT_SECONDS = 45.0
END_SECONDS = 10.0
LOOK_SECONDS = 0.01
SHOWN_CHARACTERS = 4_000


@dataclass(frozen=True)
class Ended:
    """What a program left behind."""

    status: int
    """Negative: the signal that ended it."""
    stdout: str
    stderr: str

    @property
    def ledger(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout."""
        document: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return document

    @property
    def errors(self) -> list[str]:
        """What it said to its user on stderr, without the log."""
        return [line for line in self.stderr.splitlines() if line.startswith("tapeline: ")]

    def __str__(self) -> str:
        """Show all of it, cut, for assertions that fail."""
        return f"status {self.status}\nstdout: {_cut(self.stdout)}\nstderr: {_cut(self.stderr)}"


class Program:
    """A running program; stdin is closed."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Start it; `env` is added to the environment; `timeout`, in seconds, is that of every wait."""
        self._timeout = timeout
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._open = len(self._lines)
        self._command = list(map(str, command))
        self._process = subprocess.Popen(
            self._command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._family: dict[int, psutil.Process] = {}
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(stream, name), daemon=True)
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_for_line(
        self, wanted: str | Callable[[str], bool] = "", stream: str = "stderr", timeout: float | None = None
    ) -> str:
        """Give the first line that contains a text, or that a function likes, whenever it came."""
        likes = (lambda line: wanted in line) if isinstance(wanted, str) else wanted

        def found() -> str | None:
            return next((line for line in self._lines[stream] if likes(line)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None or not self._open, timeout or self._timeout)
            line = found()
        assert line is not None, f"no such line on {stream}: {wanted}\n{self.printed()}"
        return line

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def children(self) -> list[psutil.Process]:
        """Give the processes that it has started and that still run, theirs included."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children(recursive=True):
                self._family.setdefault(child.pid, child)
        return [child for child in self._family.values() if is_running(child)]

    def wait(self, timeout: float | None = None) -> Ended:
        """Wait for its end, and for the end of its output."""
        over = timeout or self._timeout
        try:
            status = self._process.wait(over)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {over:g} s\n{self.printed()}") from None
        with self._changed:
            closed = self._changed.wait_for(lambda: not self._open, over)
        assert closed, f"somebody holds its output open\n{self.printed()}"
        return Ended(status, "".join(self._lines["stdout"]), "".join(self._lines["stderr"]))

    def printed(self) -> str:
        """Show what it has printed so far."""
        with self._changed:
            return "\n".join(f"{name}: {_cut(''.join(lines))}" for name, lines in self._lines.items())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"{' '.join(self._command)}\n{self.printed()}")
        for process in self.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.running:
            self._process.kill()
        self._process.wait(END_SECONDS)
        for reader in self._readers:
            reader.join(END_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, stream: IO[str], name: str) -> None:
        for line in stream:
            with self._changed:
                self._lines[name].append(line)
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


def is_running(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool], timeout: float = TIMEOUT_SECONDS) -> None:
    """Wait until a condition holds that only looking can tell: what another process did to a file, say."""
    over = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < over, f"it did not come about within {timeout:g} s"
        pause.wait(LOOK_SECONDS)


def wait_for_end(processes: Sequence[psutil.Process], timeout: float = END_SECONDS) -> None:
    """Wait until processes that are not ours have ended."""
    psutil.wait_procs(processes, timeout)
    left = [process for process in processes if is_running(process)]
    assert not left, f"still running: {left}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else "... " + text[-SHOWN_CHARACTERS:]

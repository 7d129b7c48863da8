"""A program on a terminal of its own, and the keys that are typed there."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import END_SECONDS, TIMEOUT_SECONDS

CTRL_C = b"\x03"
_ROWS, _COLUMNS = 40, 120
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-B0-2]|\r")
# The terminal has to be the controlling one: that makes a signal of Ctrl-C.
_ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """Runs a program with all three streams on a terminal of 120 columns and 40 rows."""

    def __init__(self, command: Sequence[str | Path], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._changed = threading.Condition()
        self._shown = bytearray()
        self._closed = False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, *map(str, command)],
            cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    @property
    def shown(self) -> str:
        """Everything that was written to the terminal, without colours and cursor movements."""
        with self._changed:
            return _CONTROL.sub("", self._shown.decode(errors="replace"))

    def wait_for(self, *texts: str, timeout: float = TIMEOUT_SECONDS) -> None:
        """Wait until all the texts were shown."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or all(text in self.shown for text in texts), timeout)
        missing = [text for text in texts if text not in self.shown]
        assert not missing, f"never shown: {missing}\n{self.shown[-4000:]}"

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def wait(self, timeout: float = TIMEOUT_SECONDS) -> int:
        """Wait for the program's end, and give its exit status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {timeout:g} s\n{self.shown[-4000:]}") from None
        with self._changed:
            assert self._changed.wait_for(lambda: self._closed, END_SECONDS), "somebody keeps the terminal"
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(END_SECONDS)
        self._reader.join(END_SECONDS)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._ours, 65_536)
            except OSError:  # Nobody has the terminal open any more.
                chunk = b""
            with self._changed:
                self._shown += chunk
                self._closed = not chunk
                self._changed.notify_all()
            if not chunk:
                return

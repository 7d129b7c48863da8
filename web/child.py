"""The process of the page, as its parent has it: started, fed, restarted, ended."""

import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Condition, Event, Thread
from time import monotonic
from typing import Final

from core.backoff import Backoff
from web.wire import MOST_QUESTION_BYTES

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (sys.executable, "-m", "web.server")
STEADY_SECONDS: Final = 60.0
"""A child that has lived for so long has started well: the next one comes at once."""
STUCK_SECONDS: Final = 20.0
"""A child that takes nothing for so long hangs, and is killed."""
END_SECONDS: Final = 3.0
MOST_ANSWERS: Final = 256

log = logging.getLogger("tapeline.page")


class Child:
    """Keeps one child running. Nothing here waits for it but two threads of its own."""

    def __init__(
        self,
        hello: bytes,
        descriptors: Sequence[int],
        hear: Callable[[bytes], None],
        *,
        command: Sequence[str] = COMMAND,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """`hello` is the first line that each child gets; `hear` is called with each line that it says.

        `settle` is called first on each thread. `descriptors` are inherited.
        """
        self._hello = hello
        self._descriptors = tuple(descriptors)
        self._hear = hear
        self._command = list(command)
        self._settle = settle
        self._changed = Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._snapshot: bytes | None = None
        self._answers: deque[bytes] = deque(maxlen=MOST_ANSWERS)
        self._writing_since: float | None = None
        self._closing = Event()
        self._threads = [
            Thread(target=self._keep, name="page-child", daemon=True),
            Thread(target=self._write, name="page-writer", daemon=True),
        ]

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        """Start the first one."""
        for thread in self._threads:
            thread.start()

    def show(self, snapshot: bytes) -> None:
        """Have it hear a snapshot; one that it has not taken yet is skipped. A child that hangs is killed."""
        with self._changed:
            self._snapshot = snapshot
            self._changed.notify_all()
            since = self._writing_since
        if since is not None and monotonic() - since > STUCK_SECONDS:
            log.warning("the page's process takes nothing any more, and is killed")
            self._kill()

    def answer(self, line: bytes) -> None:
        """Have it hear an answer; of too many, the oldest are forgotten."""
        with self._changed:
            self._answers.append(line)
            self._changed.notify_all()

    def close(self) -> None:
        """End it, and wait for that."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
            process = self._process
        if process is not None:
            self._end(process)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(END_SECONDS)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        # The writer closes its stdin, unless it hangs in it.
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def _keep(self) -> None:
        self._settle()
        backoff, random = Backoff(), Random()
        while not self._closing.is_set():
            began = monotonic()
            status = self._live()
            if self._closing.is_set():
                return
            backoff = Backoff() if monotonic() - began > STEADY_SECONDS else backoff.after_failure()
            wait = backoff.delay_seconds(random)
            log.warning("the page's process has ended (%s); the next one starts in %.1f s", status, wait)
            self._closing.wait(wait)

    def _live(self) -> str:
        """Start a child and hear it to its end; give its exit status in words."""
        try:
            process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=self._descriptors,
                # Ctrl-C in a terminal is for the pipeline alone.
                process_group=0,
            )
        except OSError as error:
            return f"not started: {error.strerror or error}"
        assert process.stdin is not None
        assert process.stdout is not None
        with self._changed:
            # What was meant for the one before is not for this one.
            self._answers.clear()
            self._answers.append(self._hello)
            self._process = process
            if self._closing.is_set():
                process.kill()
            self._changed.notify_all()
        with process.stdin, process.stdout as said:
            while text := said.readline(MOST_QUESTION_BYTES):
                self._hear(text)
            status = process.wait()
            with self._changed:
                self._process = None
        return f"status {status}"

    def _write(self) -> None:
        self._settle()
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                process = self._process
                lines = [*self._answers, *([self._snapshot] if self._snapshot else [])]
                self._answers.clear()
                self._snapshot = None
                if self._closing.is_set() or process is None:
                    break
                self._writing_since = monotonic()
            # Where it has ended, whoever keeps it will notice.
            with suppress(OSError, ValueError):
                _write_all(process, b"".join(lines))
            self._writing_since = None
        if process is not None and process.stdin is not None:
            process.stdin.close()

    def _has_work(self) -> bool:
        has_lines = bool(self._answers) or self._snapshot is not None
        return self._closing.is_set() or (self._process is not None and has_lines)


def _write_all(process: "subprocess.Popen[bytes]", text: bytes) -> None:
    """Write past the stream's buffer, of which a close would have to get rid."""
    assert process.stdin is not None
    left = memoryview(text)
    while left:
        left = left[os.write(process.stdin.fileno(), left) :]

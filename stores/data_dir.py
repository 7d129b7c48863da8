"""The data directory: one supervisor at a time, and a session number for each."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from core.errors import UsageError

LOCK_SECONDS: Final = 5.0
"""How long a start waits for a supervisor that is just ending."""
_RETRY_SECONDS: Final = 0.1
_MOST_DIGITS: Final = 9


class DataDirectory:
    """Holds the directory's lock from `open` to `close`; child processes do not inherit it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def open(self, wait_seconds: float = LOCK_SECONDS, pause: Callable[[float], None] = time.sleep) -> None:
        """Make the directory where needed, and take its lock; UsageError where either cannot be done."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise UsageError(
                f"the data directory {self.path} cannot be written: {error.strerror}; "
                "set data_dir to one that can"
            ) from None
        tries = max(1, round(wait_seconds / _RETRY_SECONDS))
        for attempt in range(tries):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if attempt + 1 < tries:
                    pause(_RETRY_SECONDS)
        else:
            owner = _owner(lock)
            lock.close()
            raise UsageError(
                f"another supervisor{owner} uses the data directory {self.path}; "
                "stop it, or set data_dir to another one"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def next_session(self) -> int:
        """Count one more run; durable before it is used, so that no two runs share a number."""
        with _told(self.path):
            return self._next_session()

    def _next_session(self) -> int:
        path = self.path / "session"
        try:
            last = int(path.read_text()) if path.exists() else 0
        except ValueError:
            raise UsageError(
                f"{path} does not hold a number; put the last session's number into it"
            ) from None
        temporary = path.with_suffix(".tmp")
        with temporary.open("w") as file:
            file.write(f"{last + 1}\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self._sync()
        return last + 1

    def tell_monitor(self, told: dict[str, Any]) -> None:
        """Leave word where the monitor listens, for `status`."""
        with _told(self.path):
            (self.path / "monitor.json").write_text(json.dumps(told))

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            # What cannot be taken back only makes `status` say that nobody answers there.
            with suppress(OSError):
                (self.path / "monitor.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _sync(self) -> None:
        """Make a new name durable: after a power cut the old file would stand there otherwise."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def holder(path: Path) -> int | None:
    """Give the process that holds a directory's lock; None if nobody does, or has not yet said who it is.

    Raises OSError where that cannot be looked up.
    """
    try:
        lock = (path / "lock").open(errors="replace")
    except FileNotFoundError:
        return None
    with lock:
        try:
            # Held for a moment, if nobody has it; whoever starts just then tries again.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = lock.read(_MOST_DIGITS + 1).strip()
            is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
            return (int(text) or None) if is_number else None
    return None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be used."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{error.filename or path} in the data directory cannot be written: {error.strerror}; "
            "put that right, or set data_dir to another one"
        ) from None


def _owner(lock: IO[str]) -> str:
    lock.seek(0)
    pid = lock.read().strip()
    return f" (process {pid})" if pid.isdecimal() else ""

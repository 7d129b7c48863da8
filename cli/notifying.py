"""Tells the service manager how things stand: the datagrams of sd_notify(3), which systemd and others read.

A few lines of our own instead of a library: the protocol is one datagram of `NAME=value` lines. Without
NOTIFY_SOCKET nothing is sent.
"""

import logging
import os
import re
import socket
from collections import deque
from collections.abc import Callable, MutableMapping
from time import monotonic, monotonic_ns
from typing import Final, Self

EXTEND_EVERY_SECONDS: Final = 10.0
EXTEND_BY_SECONDS: Final = 30.0
"""A start that recovers much, and a drain, may take longer than the unit allows, as long as they get on."""
MOST_UNSENT: Final = 16
MICROSECONDS: Final = 1_000_000
_WHOLE: Final = re.compile(r"[1-9][0-9]{0,17}")

log = logging.getLogger("tapeline")


class Notifier:
    """Belongs to the main thread. Never waits, and never fails: what cannot be sent is tried again later."""

    def __init__(
        self,
        socket_name: str = "",
        watchdog_seconds: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`socket_name` is a path, or `@` and an abstract name; empty: nobody listens."""
        self._address = _address(socket_name)
        self._watchdog = watchdog_seconds
        self._clock = clock
        self._started = self._stopping = self._warned = False
        self._unsent: deque[str] = deque(maxlen=MOST_UNSENT)
        self._due = clock()

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], pid: int | None = None) -> Self:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC, and take them out: they are not meant for our children."""
        name = environ.pop("NOTIFY_SOCKET", "")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        meant_for = environ.pop("WATCHDOG_PID", "")
        ours = not meant_for or meant_for == str(os.getpid() if pid is None else pid)
        known = ours and _WHOLE.fullmatch(microseconds) is not None
        return cls(name, int(microseconds) / MICROSECONDS if known else None)

    def ready(self, status: str) -> None:
        """Every actor has started, or a reload is over."""
        if not self._stopping:
            self._started = True
            self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """The configuration is being read anew; `ready` ends it."""
        if self._started and not self._stopping:
            self._tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self, reason: str) -> None:
        """The end has begun; nothing else is told from then on but that it gets on."""
        if not self._stopping:
            self._stopping = True
            self._due = self._clock()
            self._tell("STOPPING=1", _status(reason))

    def status(self, text: str) -> None:
        """Say in one line how things stand."""
        if not self._stopping:
            self._send(_status(text))

    def alive(self) -> None:
        """Give a sign of life if one is due; called from the main loop, while the supervisor answers.

        That is a keep-alive of the watchdog while it runs, and more time while it starts or drains.
        """
        self._flush()
        if self._unsent or self._clock() < self._due:
            return
        if self._started and not self._stopping:
            every, sign = None if self._watchdog is None else self._watchdog / 2, "WATCHDOG=1"
        else:
            every, sign = EXTEND_EVERY_SECONDS, f"EXTEND_TIMEOUT_USEC={EXTEND_BY_SECONDS * MICROSECONDS:.0f}"
        if every is not None and self._send(sign):
            self._due = self._clock() + every

    def _tell(self, *lines: str) -> None:
        """Send what must not be lost, behind what could not be sent yet."""
        if self._address is not None:
            self._unsent.append("\n".join(lines))
            self._flush()

    def _flush(self) -> None:
        while self._unsent and self._send(self._unsent[0]):
            self._unsent.popleft()

    def _send(self, text: str) -> bool:
        if self._address is None:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(text.encode(errors="replace"), self._address)
        except OSError as error:
            if not self._warned:
                self._warned = True
                log.warning("the service manager cannot be told how things stand: %s", error)
            return False
        return True


def _address(name: str) -> bytes | None:
    if not name:
        return None
    if name[0] not in "/@" or len(name) < 2 or not hasattr(socket, "AF_UNIX"):
        log.warning("NOTIFY_SOCKET is neither a path nor an abstract socket of this system: nothing is told")
        return None
    encoded = os.fsencode(name)
    return b"\0" + encoded[1:] if name[0] == "@" else encoded


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())

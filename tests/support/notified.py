"""Stands in for the service manager: a datagram socket that keeps what a process tells of itself."""

import os
import select
import socket
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self

from tests.support.processes import TIMEOUT_SECONDS

MOST_BYTES: Final = 65_536
Told = dict[str, str]


class Listener:
    """Listens at a path or, with a leading `@`, at an abstract name, until it is closed."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)

    def waiting(self) -> list[Told]:
        """Give what has come, oldest first."""
        told = []
        while (one := self._next()) is not None:
            told.append(one)
        return told

    def wait_for(
        self, likes: Callable[[Told], bool], timeout: float = TIMEOUT_SECONDS
    ) -> tuple[Told, list[Told]]:
        """Give the first datagram that a function likes, and those before it; they are read away."""
        over, before = monotonic() + timeout, list[Told]()
        while True:
            one = self._next()
            if one is None:
                left = over - monotonic()
                assert left > 0, f"nothing of the kind was told: {before}"
                select.select([self._socket], [], [], left)
            elif likes(one):
                return one, before
            else:
                before.append(one)

    def close(self) -> None:
        """Listen no longer."""
        self._socket.close()
        if not self.name.startswith("@"):
            os.unlink(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> Told | None:
        try:
            datagram = self._socket.recv(MOST_BYTES).decode()
        except BlockingIOError:
            return None
        pairs = (line.partition("=") for line in datagram.split("\n"))
        return {name: value for name, _, value in pairs}

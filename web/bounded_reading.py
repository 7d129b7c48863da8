"""Reads from a client that may be slow, or may never stop."""

import io
import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class BoundedReader(io.RawIOBase):
    """Reads from a socket until a moment on the clock, and no more than so many bytes.

    A timeout of the socket alone bounds each read and not their sum: a client could send a byte now and
    then and stay for ever.
    """

    def __init__(
        self, connection: socket.socket, most_bytes: int, until: float, clock: Callable[[], float] = monotonic
    ) -> None:
        super().__init__()
        self._connection = connection
        self._left = most_bytes
        self._until = until
        self._clock = clock

    @property
    def exhausted(self) -> bool:
        """Whether the bytes were used up, so that something may be cut off."""
        return self._left <= 0

    def buffered(self) -> io.BufferedReader:
        """Give the same with a buffer."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what is there, at least one byte; 0 at the end. Raises TimeoutError past the moment."""
        if self.exhausted:
            return 0
        seconds = self._until - self._clock()
        if seconds <= 0:
            raise TimeoutError("the client took too long")
        self._connection.settimeout(seconds)
        n = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= n
        return n

    def read_away(self, most_bytes: int, until: float) -> None:
        """Read and forget, until the client has ended or one of the new bounds is reached."""
        self._left, self._until = most_bytes, until
        place = bytearray(4096)
        while self.readinto(place):
            pass

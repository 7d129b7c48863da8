"""Dials for a connection, since that blocks; ends when it has answered."""

from collections.abc import Callable
from typing import Any, ClassVar

import pykka

from actors.address import Address
from actors.dial_failures import DialFailed as Failure
from actors.transport import Transport
from core.line import BUSY_SECONDS
from messages.ingestion import Dialed, DialFailed

Dial = Callable[[], Transport]
"""Blocks until connected; raises `actors.dial_failures.DialFailed`."""
StartDialer = Callable[[int, Address[Any]], None]
"""Have somebody dial and answer the address with `Dialed` or `DialFailed` of this token."""


class DialerActor(pykka.ThreadingActor):
    """One dialling."""

    use_daemon_thread: ClassVar[bool] = True

    def __init__(self, dial: Dial, token: int, connection: Address[Any]) -> None:
        super().__init__()
        self._dial = dial
        self._token = token
        self._connection = connection

    def on_start(self) -> None:
        """Dial, answer, end."""
        try:
            answer: Dialed | DialFailed = Dialed(self._token, self._dial())
        except Failure as failure:
            answer = DialFailed(self._token, str(failure), _wait_of(failure))
        self._connection.tell(answer)
        self.stop()


def _wait_of(failure: Failure) -> float:
    """Say how long the venue wants to be left alone; one that is busy and gives no time, for a while."""
    if failure.retry_after_seconds is not None:
        return failure.retry_after_seconds
    return BUSY_SECONDS if failure.busy else 0.0


def start_dialer(dial: Dial) -> StartDialer:
    """Give what a connection needs to have itself dialled."""

    def start(token: int, connection: Address[Any]) -> None:
        DialerActor.start(dial, token, connection)

    return start

"""Holds clients to bounds that the server itself does not know: how many, and how long they may take."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CLIENTS: Final = 64
MOST_HEAD_BYTES: Final = 16 * 1024
REQUEST_SECONDS: Final = 10.0
"""For a request to come in, from the connection or the end of the answer before it."""


class ClientProtocol(H11Protocol):
    """One client. Websockets leave it once their handshake has come."""

    _deadline: asyncio.TimerHandle | None = None
    cycle: Any

    def connection_made(self, transport: Any) -> None:
        """Turn away those that are too many: they may come again."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CLIENTS:
            transport.abort()
            return
        self._begin_waiting()

    def data_received(self, data: bytes) -> None:
        """Wait no longer once a request is complete."""
        super().data_received(data)
        if not self._is_coming():
            self._stop_waiting()
        elif self._deadline is None:
            self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _begin_waiting(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        has_left = self.transport.get_protocol() is not self
        if not has_left and self._is_coming():
            self.transport.abort()

    def _is_coming(self) -> bool:
        """Tell whether there is a part of a request, or none yet on a new connection."""
        if self.cycle is None:
            return True
        if self.cycle.response_complete:
            return bool(self.conn.trailing_data[0])
        return bool(self.cycle.more_body)

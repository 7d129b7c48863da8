"""An exchange that accepts whoever comes, and cuts: as often as it is allowed to, then it holds the line.

One thread serves one client after another, so that what is counted in this process is the client's alone.
"""

import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self

from benchmarks.server_side import Peer, accept_key
from tests.support.frames import TEXT, encode_frame

PATIENCE_SECONDS: Final = 60.0
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class CuttingExchange:
    """Cuts each connection once its client has subscribed and was sent a trade."""

    def __init__(self, trade: str) -> None:
        """`trade` is sent to each."""
        self.cuts = 0
        self._frame = encode_frame(TEXT, trade)
        self._allowed = 0
        self._holding = False
        self._ending = False
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut_until(self, cuts: int) -> None:
        """Have it cut until so many were, and wait until the line is up again behind the last."""
        with self._changed:
            self._allowed = cuts
            self._holding = False
            self._changed.notify_all()
            reached = self._changed.wait_for(
                lambda: self.cuts == cuts and self._holding, PATIENCE_SECONDS + cuts / 10
            )
        assert reached, f"{self.cuts} of {cuts} connections were cut"

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="cutting-exchange", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        # Wakes a thread that waits for the next client.
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()
        assert error or not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._ending:
            accepted, _ = self._listener.accept()
            accepted.settimeout(PATIENCE_SECONDS)
            peer = Peer(accepted)
            if not self._ending and accept_key(peer):
                peer.read_text()
                peer.send(self._frame)
                self._hold()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # The file that reads from the socket keeps it open.
            del peer
            accepted.close()

    def _hold(self) -> None:
        """Wait until this connection may be cut."""
        with self._changed:
            if self.cuts == self._allowed:
                self._holding = True
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._ending or self.cuts < self._allowed)
            self.cuts += not self._ending

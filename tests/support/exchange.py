"""A real exchange on 127.0.0.1 that a test scripts: it sends, stalls, cuts, half-closes and garbles.

    with LoopbackExchange() as exchange:
        connect_to(exchange.url)
        client = exchange.wait_for_client()
        client.wait_for_text(lambda text: "subscribe" in text)
        client.send_text('{"price": 1}')
        client.cut()

Or scripted beforehand: `LoopbackExchange(on_connect=lambda client: client.play(frames))`. Every wait
ends in an AssertionError when its time is over. Nothing outlives the `with`: a thread that does not
end, and an exception in a script, fail the test there.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from select import select
from types import TracebackType
from typing import Self

from tests.support.client import Client, ClientGone, wait_until
from tests.support.frames import Frame, capture_texts, encode_frame

__all__ = ["Client", "ClientGone", "Frame", "LoopbackExchange", "capture_texts", "encode_frame"]

Script = Callable[[Client], None]


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer to a handshake."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Give the answer's bytes."""
        lines = [
            f"HTTP/1.1 {self.status} Refused",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return ("\r\n".join([*lines, "Content-Length: 0", "Connection: close"]) + "\r\n\r\n").encode()


class LoopbackExchange:
    """Accepts connections from entering to leaving the context."""

    def __init__(
        self,
        on_connect: Script | None = None,
        *,
        greeting: bytes = b"",
        tls: ssl.SSLContext | None = None,
        answer_pings: bool = True,
        timeout: float = 10.0,
    ) -> None:
        """Set the exchange up.

        `on_connect` is run for each connection, in a thread of its own; `greeting` is sent in the same
        segment as the handshake's answer; `tls` is a server's context (`tests.support.tls` has one);
        `timeout`, in seconds, is that of every wait which is given none.
        """
        self.clients: list[Client] = []
        """Those whose handshake was answered, in order."""
        self.attempts = 0
        """Handshakes that were asked for, whatever the answer."""
        self.connections = 0
        """Handshakes that were accepted."""
        self._on_connect = on_connect
        self._greeting = greeting
        self._answer_pings = answer_pings
        self._timeout = timeout
        self._tls = tls
        self._changed = threading.Condition()
        self._refusals: list[Refusal] = []
        self._silences = 0
        self._waited_for = 0
        self._all: list[Client] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._woken, self._waker = socket.socketpair()
        self.port: int = self._listener.getsockname()[1]
        self._start("accept", self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waker.close()
        self._threads[0].join(self._timeout)
        self._listener.close()
        self._woken.close()
        for client in self._all:
            client.cut()
        for thread in self._threads:
            thread.join(self._timeout)
        for client in self._all:
            client.dispose()
        assert error or not self._failures, f"a script failed: {self._failures[0]!r}"
        alive = [thread.name for thread in self._threads if thread.is_alive()]
        assert error or not alive, f"threads that did not end: {alive}"

    @property
    def url(self) -> str:
        """Give the WebSocket URL; a path may be appended."""
        return f"{'ws' if self._tls is None else 'wss'}://127.0.0.1:{self.port}"

    def refuse(
        self, handshakes: int = 1, status: int = 503, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer the next handshakes with an HTTP status, such as 429 with `{"Retry-After": "3"}`."""
        with self._changed:
            self._refusals += [Refusal(status, headers or {})] * handshakes

    def ignore(self, handshakes: int = 1) -> None:
        """Accept the next connections, read what they ask, and never answer."""
        with self._changed:
            self._silences += handshakes

    def wait_for_client(self, timeout: float | None = None) -> Client:
        """Give the next client that no wait has given yet, once its handshake is answered."""
        self._wait(lambda: len(self.clients) > self._waited_for, timeout, "no (further) client connected")
        self._waited_for += 1
        return self.clients[self._waited_for - 1]

    def wait_for_attempts(self, count: int, timeout: float | None = None) -> None:
        """Wait until so many handshakes were asked for, refused and ignored ones included."""
        self._wait(lambda: self.attempts >= count, timeout, f"fewer than {count} connections were tried")

    def _wait(self, reached: Callable[[], bool], timeout: float | None, otherwise: str) -> None:
        wait_until(self._changed, reached, self._timeout if timeout is None else timeout, otherwise)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"exchange-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select([self._listener, self._woken], [], [])
            if self._woken in ready:
                return
            sock, _ = self._listener.accept()
            client = Client(sock, timeout=self._timeout, answer_pings=self._answer_pings)
            self._all.append(client)
            self._start(f"reader-{len(self._all)}", lambda client=client: self._attend(client))  # type: ignore[misc]

    def _attend(self, client: Client) -> None:
        """Shake hands, start the script, and read until the connection ends."""
        try:
            client.receive_handshake(self._tls)
            if self._answer(client):
                if self._on_connect is not None:
                    self._start(f"script-{client.path}", lambda: self._play(client))
                client.read_frames()
        except ClientGone:
            client.client_has_gone()

    def _answer(self, client: Client) -> bool:
        with self._changed:
            refusal = self._refusals.pop(0) if self._refusals else None
            silent = refusal is None and self._silences > 0
            accepted = refusal is None and not silent
            self._silences -= silent
            self.attempts += 1
            self.connections += accepted
            self._changed.notify_all()
        if refusal is not None:
            client.send_bytes_raw(refusal.encode())
            client.half_close()
        elif accepted:
            client.answer_handshake(self._greeting)
            with self._changed:
                self.clients.append(client)
                self._changed.notify_all()
        return accepted

    def _play(self, client: Client) -> None:
        assert self._on_connect is not None
        try:
            self._on_connect(client)
        except ClientGone:
            pass  # Clients may go while a script still talks.
        except BaseException as error:  # Shown by __exit__: an assertion in a script must fail the test.
            self._failures.append(error)

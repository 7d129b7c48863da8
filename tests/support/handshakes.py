"""A scripted server for what happens before the first frame: TCP, TLS, and the opening handshake."""

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.tls import server_context

PATIENCE_SECONDS = 20

Answer = Callable[[bytes], bytes]
Script = Callable[[socket.socket], None]


class Server:
    """A server that treats one connection after the other as the script says."""

    def __init__(self, script: Script, tls: bool) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = False
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def url(self, rest: str = "/") -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}{rest}"

    def _serve(self) -> None:
        while not self._stopped:
            connected, _ = self._listener.accept()
            connected.settimeout(PATIENCE_SECONDS)
            with suppress(OSError), connected:
                if self._tls:
                    with server_context().wrap_socket(connected, server_side=True) as wrapped:
                        self._script(wrapped)
                elif not self._stopped:
                    self._script(connected)

    def stop(self) -> None:
        self._stopped = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()


@contextmanager
def serving(script: Script, *, tls: bool = False) -> Iterator[Server]:
    server = Server(script, tls)
    try:
        yield server
    finally:
        server.stop()


def read_request(peer: socket.socket) -> bytes:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        received = peer.recv(4096)
        if not received:
            raise ConnectionError("the client left")
        request += received
    return request


def listen(peer: socket.socket) -> None:
    while peer.recv(4096):
        pass


def agreed(request: bytes, *extra: str) -> bytes:
    """The answer that agrees to a handshake."""
    key = next(
        line[19:] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: ")
    )
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    accept = "Sec-WebSocket-Accept: " + base64.b64encode(digest).decode()
    lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", accept, *extra)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def answering(answer: Answer, requests: list[bytes] | None = None) -> Script:
    """Answer a request in one segment, then wait until the client leaves."""

    def script(peer: socket.socket) -> None:
        request = read_request(peer)
        if requests is not None:
            requests.append(request)
        answered = answer(request)
        peer.sendall(answered)
        if answered.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in answered:
            listen(peer)

    return script


def saying(status: str, *lines: str) -> Script:
    return answering(lambda _: "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode())

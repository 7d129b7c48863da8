"""The barest client: a socket on which the load generator begins to send. No WebSocket library."""

import base64
import json
import os
import socket
from urllib.parse import urlsplit


def subscribed(url: str, symbols: tuple[str, ...]) -> socket.socket:
    """Connect to ws://host:port/..., subscribe to trades, and give the socket at the first of them."""
    place = urlsplit(url)
    connected = socket.create_connection((place.hostname, place.port))
    key = base64.b64encode(os.urandom(16)).decode()
    connected.sendall(
        f"GET {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connected.recv(1)
    connected.sendall(_masked(subscription(symbols).encode()))
    head = connected.recv(2)
    acknowledged = json.loads(connected.recv(head[1]))
    if acknowledged.get("result", 1) is not None:
        raise OSError(f"not subscribed: {acknowledged}")
    return connected


def subscription(symbols: tuple[str, ...]) -> str:
    """Give the request."""
    streams = [f"{symbol.lower()}@aggTrade" for symbol in symbols]
    return json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1})


def _masked(payload: bytes) -> bytes:
    """Frame a text under a mask of zeros, which leaves it as it is."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((0x80 | size,)) + bytes(4) + payload
    if size < 2**16:
        return b"\x81\xfe" + size.to_bytes(2, "big") + bytes(4) + payload
    return b"\x81\xff" + size.to_bytes(8, "big") + bytes(4) + payload

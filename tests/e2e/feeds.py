"""A generic feed on the loopback exchange: its configuration, its ticks, and when all of them have come."""

import json
from collections.abc import Iterable
from itertools import count

from tests.support.client import Client
from tests.support.frames import PING, PONG

_TOKENS = count()


def feed(url: str, *symbols: str, venue: str = "generic", more: str = "") -> str:
    """Give the table of a feed."""
    lines = (
        "[[feeds]]",
        f'venue = "{venue}"',
        f'url = "{url}"',
        f"symbols = {json.dumps(symbols)}",
        more,
        "",
    )
    return "\n".join(lines)


def trade(symbol: str, number: int, price: float | None = None) -> str:
    """Give a trade; prices repeat themselves after a while and are never far from each other."""
    fields = {
        "symbol": symbol,
        "price": 100.0 + number % 7 / 8 if price is None else price,
        "size": 1 + number % 3,
        "side": "buy" if number % 2 else "sell",
        "timestamp": 1_768_487_400_000 + number,
        "id": number,
    }
    return json.dumps(fields)


def quote(symbol: str, number: int) -> str:
    """Give a quote; like the trades."""
    bid = 100.0 + number % 7 / 8
    fields = {
        "symbol": symbol,
        "bid": bid,
        "ask": bid + 0.25,
        "timestamp": 1_768_487_400_000 + number,
        "id": number,
    }
    return json.dumps(fields)


def send_all(client: Client, texts: Iterable[str | bytes], timeout: float = 40.0) -> None:
    """Send messages, and wait until the other side has read them: it answers in order."""
    client.play(texts)
    token = f"read-{next(_TOKENS)}".encode()
    client.send_frame(PING, token)
    client.wait_for_frame(lambda frame: frame.opcode == PONG and frame.payload == token, timeout)

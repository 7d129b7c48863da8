"""What the doctor looks at in a feed: whether its venue can be reached, step by step, and whose clock is off.

Behind a proxy only the last step is there to be taken: the proxy looks names up and connects.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from actors.dialing import DialFailed, dial
from actors.transport import Transport
from actors.wiring import feed_dialect
from cli.doctor_clock import delays, offset
from cli.findings import Finding, ok
from core.settings import Feed
from venues.dialect import Dialect

STEP_SECONDS: Final = 5.0
"""For each step; the configuration's own timeout where it is shorter."""
LOOK_SECONDS: Final = 3.0
_PORTS: Final = {"ws": 80, "wss": 443}
_Address = tuple[int, Any]
"""A family of addresses, and one of them."""


class _Failed(Exception):
    """A step did not succeed; the text says which and what to do."""

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    port: int
    is_secure: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def venue(feed: Feed, look_seconds: float = LOOK_SECONDS) -> Iterator[Finding]:
    """Look at a feed's venue; the clock only where it can be reached."""
    subject = f"feed {feed.name}"
    if feed.venue == "demo" and not feed.url:
        yield ok(subject, "the built-in exchange, which a run starts itself")
        return
    dialect = feed_dialect(feed, feed.url.reveal())
    seconds = min(STEP_SECONDS, feed.connect_timeout_seconds)
    try:
        place = _place(dialect.url())
        is_direct = not feed.proxy and not _environment_has_proxy(place)
        steps = _steps(place, seconds) if is_direct else []
        began = time.monotonic()
        transport = _dialed(feed, dialect, place, seconds)
        steps.append(f"WebSocket {_ms(began)}")
    except _Failed as error:
        yield Finding(subject, "FAIL", str(error), error.advice)
        return
    through = "" if is_direct else " through a proxy"
    yield ok(subject, f"{place}{through}: {', '.join(steps)}")
    with closing(transport):
        yield offset(f"clock {feed.name}", delays(feed, dialect, transport, look_seconds))


def _environment_has_proxy(place: _Place) -> bool:
    """Tell whether the environment names one that the connection would go through."""
    scheme = "https" if place.is_secure else "http"
    return scheme in getproxies() and not proxy_bypass(place.host) and not _is_this_machine(place.host)


def _is_this_machine(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _place(url: str) -> _Place:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in _PORTS:
        raise _Failed("its url is none", "write it like wss://host/path")
    return _Place(host, port or _PORTS[parts.scheme], parts.scheme == "wss")


def _steps(place: _Place, seconds: float) -> list[str]:
    """Take the steps before the handshake one by one, so that it can be told which of them fails."""
    began = time.monotonic()
    addresses = _resolved(place, seconds)
    steps = [f"DNS {_ms(began)}"]
    began = time.monotonic()
    with _connected(place, addresses, seconds) as connected:
        steps.append(f"TCP {_ms(began)}")
        if place.is_secure:
            began = time.monotonic()
            _secured(place, connected)
            steps.append(f"TLS {_ms(began)}")
    return steps


def _resolved(place: _Place, seconds: float) -> list[_Address]:
    """Look a name up; the system's resolver has no timeout of its own, so a thread waits for it."""
    found: list[_Address] = []
    failures: list[str] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            found.extend((family, address) for family, _, _, _, address in answers)
        except (OSError, UnicodeError) as error:
            failures.append(getattr(error, "strerror", None) or "no such name")

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        reason = failures[0] if failures else f"no answer within {seconds:g} s"
        advice = "look at the spelling of its url and at the machine's resolver"
        raise _Failed(f"DNS: the name of {place} cannot be looked up: {reason}", advice)
    return found


def _connected(place: _Place, addresses: list[_Address], seconds: float) -> socket.socket:
    reason = ""
    for family, address in addresses:
        connected = socket.socket(family, socket.SOCK_STREAM)
        connected.settimeout(seconds)
        try:
            connected.connect(address)
        except OSError as error:
            connected.close()
            reason = error.strerror or f"no answer within {seconds:g} s"
        else:
            return connected
    advice = "look at firewalls, and whether the feed needs a proxy"
    raise _Failed(f"TCP: {place} cannot be connected to: {reason}", advice)


def _secured(place: _Place, connected: socket.socket) -> None:
    try:
        context = ssl.create_default_context()
        context.wrap_socket(connected, server_hostname=place.host).close()
    except ssl.SSLCertVerificationError as error:
        advice = "look at the machine's date and certificates, and whether something sits in between"
        raise _Failed(f"TLS: the certificate of {place} is refused: {error.verify_message}", advice) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "no answer in time"
        raise _Failed(f"TLS: {place}: {reason}", "look at whether its url should be ws:// instead") from None


def _dialed(feed: Feed, dialect: Dialect, place: _Place, seconds: float) -> Transport:
    try:
        return dial(
            dialect.url(),
            timeout_seconds=seconds,
            headers={name: value.reveal() for name, value in feed.headers.items()},
            proxy=feed.proxy.reveal() or None,
        ).transport
    except DialFailed as error:
        raise _Failed(f"WebSocket: {error}", "look at its url, headers and proxy") from None


def _ms(began: float) -> str:
    return f"{(time.monotonic() - began) * 1_000:,.0f} ms"

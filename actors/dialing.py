"""Make a WebSocket connection: the part that blocks, for the short-lived actor that dials.

`websocket-client` parses the URL, finds the proxy, speaks TLS and shakes hands. It reads the server's
answer byte by byte, so that nothing of what follows is left in a buffer of its own; then its socket
is taken from it.
"""

import ipaddress
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookies import CookieError
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import websocket

from actors.dial_failures import DialFailed, failure, refused
from actors.transport import SocketTransport

__all__ = ["DialFailed", "Dialed", "dial"]

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OUR_HEADERS: Final = re.compile(r"host|connection|upgrade|sec-websocket-(?!protocol$).*", re.IGNORECASE)
_CUT_PAUSE_SECONDS: Final = 0.1

# The library knows no other way to leave the environment's proxy out: a proxy that every host is exempt from.
_NO_PROXY: Final = {"http_proxy_host": "none.invalid", "http_proxy_port": 80, "http_no_proxy": ["*"]}

# CookieError comes from a garbled Set-Cookie; RuntimeError from the library's cookie jar, which all
# dialling threads share, when another one changes it.
_LIBRARY_ERRORS: Final = (OSError, ValueError, RuntimeError, CookieError, websocket.WebSocketException)


@dataclass(frozen=True, slots=True)
class Dialed:
    """A connection whose handshake is done."""

    transport: SocketTransport
    """What the server sent behind its handshake is still to be read; the receiver owns it."""
    peer: str
    """Host and port, as in the URL."""


def dial(
    url: str,
    *,
    timeout_seconds: float,
    headers: Mapping[str, str] | None = None,
    proxy: str | None = None,
    ca_file: str | None = None,
) -> Dialed:
    """Connect to a ws:// or wss:// URL and shake hands; blocks for about twice `timeout_seconds` at most.

    `proxy` is `http://[user:password@]host:port`; None is the environment's (`https_proxy`, `no_proxy`),
    or none if the URL's host is this machine. `ca_file` replaces the system's certificates. A user and
    password in the URL are sent as basic authorization. Looking up a name takes as long as the
    system's resolver lets it. Raises DialFailed and nothing else.
    """
    target = _parse(url, ("ws", "wss"), "the URL")
    place = _place(target)
    options = _proxy_options(proxy, target.hostname or "")
    lines = _header_lines(headers or {}, target)
    client: Any = websocket.WebSocket(
        sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        sslopt=_tls_options(target, ca_file),
        enable_multithread=False,
    )
    client.settimeout(timeout_seconds)
    with _deadline(client, timeout_seconds) as overdue:
        try:
            client.connect(url, header=lines, suppress_origin=True, redirect_limit=0, **options)
        except _LIBRARY_ERRORS as error:
            raise _explained(error, client, place, overdue.is_set()) from None
    connected, client.sock = client.sock, None
    try:
        _check_agreement(client.handshake_response.headers, lines, place)
    except DialFailed:
        connected.close()
        raise
    return Dialed(SocketTransport(connected), place)


def _explained(error: Exception, client: Any, place: str, overdue: bool) -> DialFailed:
    if overdue:
        return failure(TimeoutError(), place)
    if client.handshake_response is not None:
        return refused(client.handshake_response.status, {}, place)
    return failure(error, place)


@contextmanager
def _deadline(client: Any, seconds: float) -> Iterator[threading.Event]:
    """Cut a handshake short; the library's own timeout starts anew with each byte that trickles in."""
    done, overdue = threading.Event(), threading.Event()
    watch = threading.Thread(target=_cut, args=(client, seconds, done, overdue), daemon=True)
    watch.start()
    try:
        yield overdue
    finally:
        done.set()
        watch.join()


def _cut(client: Any, seconds: float, done: threading.Event, overdue: threading.Event) -> None:
    while not done.wait(_CUT_PAUSE_SECONDS if overdue.is_set() else seconds):
        overdue.set()
        if (connected := client.sock) is not None:
            with suppress(OSError):
                # SSLSocket's own shutdown would drop the encryption under the reading thread.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _parse(url: str, schemes: tuple[str, ...], what: str) -> SplitResult:
    """Take a URL apart; the failure's text quotes nothing of it."""
    expected = " or ".join(f"{scheme}://host[:port]" for scheme in schemes)
    if not url.isascii() or not url.isprintable() or " " in url:
        raise DialFailed(f"{what} holds a space or a character beyond ASCII")
    try:
        parts = urlsplit(url)
        valid = (
            parts.scheme in schemes and url.startswith(parts.scheme) and parts.hostname and parts.port != 0
        )
    except ValueError:
        valid = False
    if not valid:
        raise DialFailed(f"{what} does not look like {expected}")
    return parts


def _place(target: SplitResult) -> str:
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "wss" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _proxy_options(proxy: str | None, host: str) -> dict[str, Any]:
    if proxy is None:
        return dict(_NO_PROXY) if _is_this_machine(host) else {}
    parts = _parse(proxy, ("http",), "the proxy's URL")
    options: dict[str, Any] = {"http_proxy_host": parts.hostname, "http_proxy_port": parts.port or 80}
    if parts.username:
        options["http_proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    return options


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _header_lines(headers: Mapping[str, str], target: SplitResult) -> list[str]:
    """Check the caller's headers and add what is missing; a failure names the header, never its value."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or _OUR_HEADERS.fullmatch(name):
            raise DialFailed(f"the header {name!r} cannot be set")
        if not value.isascii() or not value.isprintable():
            raise DialFailed(f"the value of the header {name!r} holds more than printable ASCII")
    given = {name.lower() for name in headers}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if "user-agent" not in given:
        lines.append("User-Agent: tapeline")
    if target.username and "authorization" not in given:
        credentials = f"{unquote(target.username)}:{unquote(target.password or '')}"
        lines.append(f"Authorization: Basic {b64encode(credentials.encode()).decode()}")
    return lines


def _tls_options(target: SplitResult, ca_file: str | None) -> dict[str, Any]:
    if target.scheme != "wss":
        return {}
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "no certificate is in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise DialFailed(f"the certificates in {ca_file} cannot be read: {reason}") from None
    # A cut must not look like an orderly end.
    return {"context": context, "suppress_ragged_eofs": False}


def _check_agreement(answered: Mapping[str, str], lines: list[str], place: str) -> None:
    """Refuse an answer that agrees to what was not offered (RFC 6455 section 4.1)."""
    if "sec-websocket-extensions" in answered:
        raise DialFailed(f"{place} uses an extension that was not offered")
    offered = any(line.lower().startswith("sec-websocket-protocol:") for line in lines)
    if "sec-websocket-protocol" in answered and not offered:
        raise DialFailed(f"{place} uses a subprotocol that was not offered")

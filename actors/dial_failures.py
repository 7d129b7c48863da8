"""Say in one line why a connection could not be made, without any secret of the URL or the headers."""

import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import websocket

from core.errors import TapelineError


class DialFailed(TapelineError):
    """The connection could not be made; the text says why in one line and holds no secret.

    `retry_after_seconds` is how long the server asks us to stay away, None if it did not say. `busy`:
    it has had too many requests.
    """

    def __init__(self, text: str, retry_after_seconds: float | None = None, *, busy: bool = False) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds
        self.busy = busy


def failure(error: Exception, place: str) -> DialFailed:
    """Put what the library or the system raised while connecting to `place` (host:port) into words.

    Never the error's own text where it may quote a header, a URL or what the server sent.
    """
    match error:
        case websocket.WebSocketBadStatusException():
            return refused(error.status_code, error.resp_headers or {}, place)
        case websocket.WebSocketTimeoutException() | TimeoutError():
            return DialFailed(f"{place} did not answer in time")
        case websocket.WebSocketAddressException() | UnicodeError():
            return DialFailed(f"the name of {place}, or of its proxy, cannot be resolved")
        case websocket.WebSocketProxyException():
            return DialFailed(f"the proxy opened no tunnel to {place}{_proxy_status(error)}")
        case websocket.WebSocketConnectionClosedException() | ConnectionResetError() | BrokenPipeError():
            return DialFailed(f"{place} closed the connection during the handshake")
        case websocket.WebSocketException():
            return DialFailed(f"{place} gave an answer that is no WebSocket handshake")
        case OSError():
            return DialFailed(_system_error(error, place))
        case _:
            return DialFailed(
                f"cannot connect to {place}: the proxy's address or the answer's headers are garbled"
            )


def refused(status: int | None, headers: Mapping[str, str], place: str) -> DialFailed:
    """Name the HTTP status that was given in place of a handshake; `headers` have lower-case names."""
    if status is None:
        return DialFailed(f"{place} gave an answer that is no WebSocket handshake")
    named = f"HTTP {status} {_phrase(status)}".rstrip()
    if 300 <= status < 400:
        return DialFailed(f"{place} answered {named}: redirects are not followed, give the URL they lead to")
    busy = status == HTTPStatus.TOO_MANY_REQUESTS
    return DialFailed(f"{place} answered {named}", _retry_after_seconds(headers), busy=busy)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _proxy_status(error: Exception) -> str:
    status = str(error).rpartition("failed CONNECT via proxy status: ")[2]
    return (
        f": HTTP {status} {_phrase(int(status))}".rstrip() if status.isdecimal() and len(status) == 3 else ""
    )


def _system_error(error: OSError, place: str) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate of {place} is not accepted: {error.verify_message}"
        case ssl.SSLEOFError():
            return f"{place} closed the connection during the handshake"
        case ssl.SSLError():
            return f"TLS with {place} failed: {error.reason or 'unknown error'}"
        case ConnectionRefusedError():
            return f"{place} refused the connection"
        case _:
            return f"cannot connect to {place}: {error.strerror or 'unknown error'}"


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After (RFC 9110 section 10.2.3): seconds, or a date, held against the answer's own."""
    value = headers.get("retry-after", "")
    if value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        until = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return max(0.0, until.total_seconds())

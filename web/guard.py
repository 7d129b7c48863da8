"""Stands in front of all that is served: who may ask what, and what browsers may do with the answer."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from web.names import Names
from web.sessions import Sessions

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOGIN: Final = "/login"
OPEN_PATHS: Final = frozenset({LOGIN, "/healthz"})
"""What needs no token: the form that asks for it, and what tells a prober nothing but that we live."""

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        # The page's framework writes its first state into an inline script, and compiles its components'
        # templates in the browser; both without a nonce.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        # Its components set style attributes.
        "style-src 'self' 'unsafe-inline'",
        # Icons and charts are drawn as data: URLs; blob: is how a chart is saved as a picture.
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        # Covers the page's websocket, too.
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    # Not no-referrer: then browsers would post the form with an Origin of null.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_OURS: Final = frozenset(name for name, _ in SECURITY_HEADERS)
POLICY_VIOLATION: Final = 1008
"""The status that a websocket is closed with (RFC 6455 section 7.4.1)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a request gets instead of an answer."""

    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Guard:
    """An ASGI application around another one, websockets included."""

    def __init__(self, app: App, names: Names, sessions: Sessions) -> None:
        self._app = app
        self._names = names
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass, and answer the rest."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.text})
        elif refusal is None:
            await self._app(scope, receive, _secured(send))
        else:
            await _refuse(refusal, _secured(send))

    def _refusal(self, scope: Scope) -> Refusal | None:
        hosts = _values(scope, b"host")
        server = (scope.get("server") or (None,))[0]
        if len(hosts) != 1 or not self._names.has(hosts[0], server):
            return Refusal(403, "the Host header names another server; see monitor.hosts")
        unsafe = scope["type"] == "websocket"
        if scope["type"] == "http" and scope["method"] != "GET":
            if scope["path"] != LOGIN:
                return Refusal(405, "there is nothing here but to GET", ((b"allow", b"GET"),))
            if scope["method"] != "POST":
                return Refusal(405, "this is to be got or posted to", ((b"allow", b"GET, POST"),))
            unsafe = True
        if unsafe and not self._is_ours(_values(scope, b"origin"), hosts[0]):
            return Refusal(403, "the Origin header names another page")
        return None if self._may_look(scope) else self._ask_for_token(scope)

    def _is_ours(self, origins: list[str], host: str) -> bool:
        return len(origins) == 1 and self._names.is_origin(origins[0], host)

    def _may_look(self, scope: Scope) -> bool:
        if scope["type"] == "http" and scope["path"] in OPEN_PATHS:
            return True
        return self._sessions.lets_in(_raw(scope, b"authorization"), _raw(scope, b"cookie"))

    def _ask_for_token(self, scope: Scope) -> Refusal:
        """Lead a browser that wants a page to the form; all else hears what is missing."""
        wants_page = any("text/html" in value for value in _values(scope, b"accept"))
        if wants_page and not _raw(scope, b"authorization"):
            return Refusal(303, "log in first", ((b"location", LOGIN.encode()),))
        return Refusal(401, "a token is needed", ((b"www-authenticate", b'Bearer realm="tapeline"'),))


def _raw(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for value in _raw(scope, name)]


def _secured(send: Send) -> Send:
    """Have every answer carry the security headers; what may be kept is for the application to say."""

    async def secured(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(key, value) for key, value in message.get("headers", ()) if key.lower() not in _OURS]
            if not any(key.lower() == b"cache-control" for key, _ in own):
                own.append((b"cache-control", b"no-store"))
            message["headers"] = [*own, *SECURITY_HEADERS]
        await send(message)

    return secured


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps({"error": refusal.text}).encode() + b"\n"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *refusal.headers,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

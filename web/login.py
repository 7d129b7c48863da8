"""The form that asks for the token, and gives a cookie for it."""

from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.requests import ClientDisconnect

from web.guard import LOGIN
from web.sessions import SESSION_SECONDS, Sessions

MOST_BYTES: Final = 4_096
_FORM: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tapeline</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; }}
form {{ display: grid; gap: .75rem; width: min(22rem, 90vw); }}
input, button {{ font: inherit; padding: .5rem; }}
</style></head>
<body><main><form method="post" action="{action}">
<h1>Tapeline</h1>
<label for="token">Token (the setting monitor.token)</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<p role="alert">{told}</p>
<button>Log in</button>
</form></main></body></html>
"""


def login_routes(sessions: Sessions) -> APIRouter:
    """Give the routes of the form."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(LOGIN)
    async def form() -> Response:
        return _form() if sessions.required else RedirectResponse("/", 303)

    @routes.post(LOGIN)
    async def log_in(request: Request) -> Response:
        token = await _token(request)
        if token is None or not sessions.knows(token):
            return _form("That is not the token.", 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            sessions.cookie_name, sessions.begin(), max_age=SESSION_SECONDS, httponly=True, samesite="strict"
        )
        return answer

    return routes


def _form(told: str = "", status: int = 200) -> Response:
    return HTMLResponse(_FORM.format(action=LOGIN, told=told), status)


async def _token(request: Request) -> bytes | None:
    """Read the form's one field; None where the form is too long or another."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return None
    except ClientDisconnect:
        return None
    try:
        (token,) = parse_qs(body, strict_parsing=True, max_num_fields=2)[b"token"]
    except (ValueError, KeyError):
        return None
    return token

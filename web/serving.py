"""The application of the page's process: API, metrics, health, the login, and whatever page there is."""

import logging
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from core.version import VERSION
from web.api import PREFIX, api_routes
from web.guard import App, Guard
from web.health import not_alive, not_ready, not_told
from web.login import login_routes
from web.metrics import Exposition
from web.names import Names
from web.newest import Newest
from web.sessions import Sessions
from web.wire import Hello, document

log = logging.getLogger("tapeline.page")

PAGE_MODULE = "web.page"
PLACEHOLDER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tapeline</title></head>
<body><h1>Tapeline</h1><ul>
<li><a href="/api/v1/status">how it stands</a></li>
<li><a href="/api/v1/symbols">symbols</a></li>
<li><a href="/api/v1/openapi.json">the API</a></li>
<li><a href="/metrics">metrics</a></li>
</ul></body></html>
"""


def application(model: Newest, hello: Hello, *, page: bool = True) -> App:
    """Put everything that is served together, with the guard in front.

    With the page only once a process: its framework knows no more than one application.
    """
    sessions = Sessions(hello.token, hello.port)
    app = FastAPI(
        title="Tapeline",
        version=VERSION,
        description="What the pipeline is at. To read only; times are UTC epoch nanoseconds.",
        openapi_url=f"{PREFIX}/openapi.json",
        # Those pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # A redirect would name the host that the client named.
        redirect_slashes=False,
    )
    app.add_exception_handler(StarletteHTTPException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(api_routes(model))
    app.include_router(login_routes(sessions))
    _add_plain_routes(app, model, Exposition(model, hello.pid))
    if page:
        _mount_page(app, model)
    return Guard(app, Names.of(hello.host, hello.port, hello.hosts), sessions)


def _add_plain_routes(app: FastAPI, model: Newest, exposition: Exposition) -> None:
    """Add what programs ask for that know nothing of the API."""

    @app.get(PREFIX + "/{rest:path}", include_in_schema=False)
    async def nothing(rest: str) -> Response:
        raise HTTPException(404, "the API has no such path")

    @app.get("/status", include_in_schema=False)
    async def status() -> Response:
        reasons = not_told(model)
        if reasons:
            raise HTTPException(503, "; ".join(reasons))
        return Response(document(model.view.status), media_type="application/json")

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return _probed(not_alive(model))

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return _probed(not_ready(model))

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        body, media_type = exposition.written(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)


def _mount_page(app: FastAPI, model: Newest) -> None:
    """Add the page behind all else, since it takes whatever path is left."""
    try:
        page: Any = import_module(PAGE_MODULE)
    except ImportError as error:
        log.error("there is no page, only the API and the metrics: %s", error)
    else:
        page.mount(app, model)
        return

    @app.get("/", include_in_schema=False)
    async def placeholder() -> Response:
        return Response(PLACEHOLDER, media_type="text/html; charset=utf-8")


def _probed(reasons: Sequence[str]) -> Response:
    if reasons:
        return PlainTextResponse("".join(f"{reason}\n" for reason in reasons), 503)
    return PlainTextResponse("ok\n")


async def _told(_: Request, error: Exception) -> Response:
    """Tell of an error in the way of the API; nothing of the request is repeated."""
    assert isinstance(error, StarletteHTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = sorted({f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()})
    return JSONResponse({"error": "; ".join(faults)}, 422)

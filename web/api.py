"""The API: what the pipeline is at, as JSON. Described by `/api/v1/openapi.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Query

from web import api_models as told
from web.health import not_ready, not_told
from web.newest import Newest

PREFIX: Final = "/api/v1"
MOST_ROWS: Final = 1_000
MOST_OFFSET: Final = 1_000_000

SymbolColumn = Enum(  # type: ignore[misc]
    "SymbolColumn", {name: name for name in told.Symbol.model_fields}, type=str
)
ActorColumn = Enum("ActorColumn", {name: name for name in told.Actor.model_fields}, type=str)  # type: ignore[misc]
Search = Annotated[
    str, Query(max_length=128, description="Only those whose name has this in it, in any case.")
]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many to give.")]
Offset = Annotated[int, Query(ge=0, le=MOST_OFFSET, description="How many to leave out before these.")]
Descending = Annotated[bool, Query(description="Largest first.")]
Row = Mapping[str, Any]


def api_routes(model: Newest) -> APIRouter:
    """Give the routes of the API."""
    routes = APIRouter(
        prefix=PREFIX,
        responses={
            503: {"model": told.Problem, "description": "The pipeline does not tell how it stands."},
        },
    )
    wrong: dict[int | str, dict[str, Any]] = {
        422: {"model": told.Problem, "description": "A parameter is none that can be."}
    }

    def status() -> Row:
        reasons = not_told(model)
        if reasons:
            raise HTTPException(503, "; ".join(reasons))
        return model.view.status

    @routes.get("/status", response_model=told.Overview)
    async def overview() -> Any:
        """How the pipeline stands, in short."""
        return _overview(model, status())

    @routes.get("/ledger", response_model=told.Ledger)
    async def ledger() -> Any:
        """Where every record is, at the last consistent cut of the ledger."""
        found = status().get("ledger")
        if found is None:
            raise HTTPException(503, "nothing was counted yet")
        return found

    @routes.get("/lines", response_model=list[told.Line])
    async def lines() -> Any:
        """The connections to venues."""
        return status()["lines"]

    @routes.get("/stores", response_model=list[told.Store])
    async def stores() -> Any:
        """The stores that have told of their breakers."""
        return status()["stores"]

    @routes.get("/alerts", response_model=list[told.Alert])
    async def alerts() -> Any:
        """The newest alerts, oldest first."""
        return status()["alerts"]

    @routes.get("/actors", response_model=told.Actors, responses=wrong)
    async def actors(
        search: Search = "",
        sort: ActorColumn = ActorColumn("child"),  # noqa: B008
        descending: Descending = False,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Any:
        """Actors, a page at a time."""
        rows = [row for row in status()["actors"] if search.lower() in row["child"].lower()]
        return _page("actors", _sorted(rows, sort.value, descending), limit, offset)

    @routes.get("/symbols", response_model=told.Symbols, responses=wrong)
    async def symbols(
        search: Search = "",
        feed: Annotated[str | None, Query(max_length=64, description="Only those of this feed.")] = None,
        sort: SymbolColumn = SymbolColumn("symbol"),  # noqa: B008
        descending: Descending = False,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Any:
        """Symbols that any tick came of, a page at a time."""
        rows = [
            row
            for row in status()["symbols"]
            if feed in (None, row["feed"]) and search.lower() in row["symbol"].lower()
        ]
        return _page("symbols", _sorted(rows, sort.value, descending), limit, offset)

    @routes.get(
        "/symbols/{feed}/{symbol:path}/recent",
        response_model=told.RecentColumns,
        responses={
            **wrong, 404: {"model": told.Problem, "description": "No tick came of such a symbol."}
        },
    )  # fmt: skip
    async def recent(
        feed: Annotated[str, Path(max_length=64)],
        symbol: Annotated[str, Path(max_length=128)],
        n: Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many ticks.")] = 100,
    ) -> Any:
        """The newest ticks of a symbol, column by column, refused ones among them."""
        status()
        found = await model.recent(feed, symbol, n)
        if found is None:
            raise HTTPException(404, "no tick of such a symbol is known, or its detector does not answer")
        return asdict(found)

    return routes


def _overview(model: Newest, status: Row) -> dict[str, Any]:
    lines: Sequence[Row] = status["lines"]
    reasons = not_ready(model)
    copied = ("session", "started_ns", "recovery", "reload", "latency", "settings")
    return {
        **{name: status[name] for name in copied},
        "connected": model.connected,
        "at_ns": model.view.at_ns,
        "ready": not reasons,
        "not_ready_because": reasons,
        "ticks_per_second": model.view.moments[-1].ticks_per_second,
        "symbols": len(status["symbols"]),
        "lines": {"up": sum(line["state"] == "up" for line in lines), "total": len(lines)},
        "balanced": None if status["ledger"] is None else status["ledger"]["balanced"],
    }


def _sorted(rows: Sequence[Row], column: str, descending: bool) -> list[Row]:
    """Sort by a column; rows without a value come last, either way."""
    there = [row for row in rows if row[column] is not None]
    absent = [row for row in rows if row[column] is None]
    return [*sorted(there, key=lambda row: row[column], reverse=descending), *absent]


def _page(name: str, rows: Sequence[Row], limit: int, offset: int) -> dict[str, Any]:
    return {"total": len(rows), "limit": limit, "offset": offset, name: rows[offset : offset + limit]}

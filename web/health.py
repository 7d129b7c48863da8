"""Whether the pipeline is alive, and whether it is ready: what a prober asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from web.newest import ALIVE_SECONDS, Newest


def not_alive(model: Newest) -> Sequence[str]:
    """Give why the pipeline does not count as alive; nothing where it does."""
    silent = model.silent_seconds
    if silent < ALIVE_SECONDS:
        return ()
    if silent == float("inf"):
        return ("the pipeline has not been heard of yet",)
    return (f"the pipeline was last heard of {silent:.0f} s ago",)


def not_told(model: Newest) -> Sequence[str]:
    """Give why there is no status to be had."""
    dead = not_alive(model)
    if dead or model.status_seconds < ALIVE_SECONDS:
        return dead
    return ("the monitor does not answer",)


def not_ready(model: Newest) -> Sequence[str]:
    """Give all that keeps the pipeline from taking and storing data."""
    reasons = [*not_told(model)]
    if reasons:
        return reasons
    status = model.view.status
    lines = _rows(status, "lines")
    reasons += [f"the line {row['line']} is {row['state']}" for row in lines if row["state"] != "up"]
    if not lines:
        reasons.append("no line has been connected yet")
    reasons += [
        f"the breaker of the store {row['store']} is open"
        for row in _rows(status, "stores")
        if row["state"] == "open"
    ]
    recovery = status.get("recovery")
    if recovery is not None and not recovery["ended"]:
        reasons.append("a killed run is being recovered")
    return reasons


def _rows(status: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = status.get(name) or ()
    return rows

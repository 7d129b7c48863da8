"""One line of log on how everything stands, for where there is no terminal to draw on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cli.wording import count, duration, part, plain, rate, recovering, rows, whole

COUNTED = ("stored", "rejected", "duplicate", "shed", "dead_letter", "spooled", "in_flight")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the line before left off."""

    received: int
    seconds_running: float


def mark(status: Mapping[str, Any], seconds_running: float) -> Mark:
    """Give what the next line's rate is counted from."""
    return Mark(whole(_total(status).get("received")), seconds_running)


def line(status: Mapping[str, Any], seconds_running: float, since: Mark | None = None) -> str:
    """Say in one line how everything stands; the rate is that since the mark, else since the start."""
    parts = [duration(seconds_running), *_ledger(status, seconds_running, since or Mark(0, 0.0))]
    recovery = part(status, "recovery")
    if recovery and recovery.get("ended") is False:
        parts.append(recovering(recovery))
    lines = rows(status, "lines")
    parts.append(f"lines {sum(row.get('state') == 'up' for row in lines)}/{len(lines)} up")
    parts += [
        f"{plain(row.get('store'), 40)}: breaker {plain(row.get('state'), 20)}"
        for row in rows(status, "stores")
        if row.get("state") != "closed"
    ]
    actors = rows(status, "actors")
    parts.append(f"restarts {count(sum(whole(row.get('restarts')) for row in actors))}")
    parts += _named("parked", (row.get("child") for row in actors if row.get("state") == "parked"))
    return ", ".join(parts)


def _ledger(status: Mapping[str, Any], seconds_running: float, since: Mark) -> list[str]:
    total = _total(status)
    if not total:
        return ["nothing counted yet"]
    received, elapsed = whole(total.get("received")), seconds_running - since.seconds_running
    per_second = (received - since.received) / elapsed if elapsed > 0 else None
    parts = [f"received {count(received)} ({rate(per_second)}/s)"]
    parts += [f"{name.replace('_', ' ')} {count(total.get(name))}" for name in COUNTED]
    balanced = part(status, "ledger").get("balanced")
    return parts if balanced is not False else [*parts, "NOT BALANCED"]


def _total(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return part(part(status, "ledger"), "total")


def _named(what: str, names: Iterable[object]) -> list[str]:
    shown = [plain(name, 40) for name in names]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return [f"{what} {' '.join(shown[:3])}{more}"] if shown else []

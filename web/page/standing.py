"""The page's first look: what runs, how fast, and what needs attention."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.wording import count, duration, number, part, plain, rate, recovering, rows, time_of_day, whole
from web.model import Model, View
from web.page.cells import Tone, figure, moment_ns

TROUBLED: Final = ("restarting", "parked", "failed")
MOST_NAMED: Final = 3
NS: Final = 1e9


def figures(view: View) -> list[dict[str, str]]:
    """Give the header's figures."""
    status = view.status
    lines, started_ns = rows(status, "lines"), moment_ns(status.get("started_ns"))
    up = sum(line.get("state") == "up" for line in lines)
    all_up: Tone = "good" if up == len(lines) else "bad"
    return [
        figure("Running", duration((view.at_ns - started_ns) / NS) if started_ns else "-"),
        figure("Ticks/s", rate(_ticks_per_second(view))),
        figure("Symbols", count(len(rows(status, "symbols")))),
        figure("Lines up", f"{up} of {len(lines)}" if lines else "-", all_up if lines else ""),
        figure("Restarts", count(sum(whole(actor.get("restarts")) for actor in rows(status, "actors")))),
        figure("As of (UTC)", time_of_day(view.at_ns or None)),
    ]


def _ticks_per_second(view: View) -> float:
    if view.moments:
        return view.moments[-1].ticks_per_second
    return sum(number(symbol.get("ticks_per_second")) or 0.0 for symbol in rows(view.status, "symbols"))


def banner(model: Model) -> str:
    """Say that the pipeline is not heard of; empty while it is."""
    at_ns = model.view.at_ns
    if not at_ns:
        return "Waiting for the pipeline's first word."
    if model.connected:
        return ""
    return (
        f"No word from the pipeline since {time_of_day(at_ns)} UTC. What you see is from then; trying again."
    )


def in_a_word(banner: str, attention: Sequence[tuple[str, Tone]]) -> tuple[str, Tone]:
    """Say how it is, in a word."""
    if banner:
        return "Not connected", "bad"
    if any(tone == "bad" for _, tone in attention):
        return "In trouble", "bad"
    return ("Needs a look", "warn") if attention else ("Running well", "good")


def attention(status: Mapping[str, Any]) -> list[tuple[str, Tone]]:
    """Give what needs attention, the worst first; nothing where all is well."""
    found = [
        *_unbalanced(part(status, "ledger")),
        *_stores(status),
        *_lines(status),
        *_actors(status),
        *_progress(status),
    ]
    return sorted(found, key=lambda item: item[1] != "bad")


def _unbalanced(ledger: Mapping[str, Any]) -> list[tuple[str, Tone]]:
    if not ledger or ledger.get("balanced") is True:
        return []
    return [("The ledger does not balance", "bad")]


def _stores(status: Mapping[str, Any]) -> list[tuple[str, Tone]]:
    found: list[tuple[str, Tone]] = []
    for store in rows(status, "stores"):
        name, state, spooled = plain(store.get("store"), 40), store.get("state"), store.get("spooled_rows")
        if state != "closed":
            tone: Tone = "bad" if state == "open" else "warn"
            found.append((f"Store {name}: breaker {plain(state, 20)}, {count(spooled)} rows spooled", tone))
    return found


def _lines(status: Mapping[str, Any]) -> list[tuple[str, Tone]]:
    down = [plain(line.get("line"), 60) for line in rows(status, "lines") if line.get("state") != "up"]
    return [(f"{_named('line', down)} not up", "bad")] if down else []


def _actors(status: Mapping[str, Any]) -> list[tuple[str, Tone]]:
    actors = [actor for actor in rows(status, "actors") if actor.get("state") in TROUBLED]
    states = Counter(plain(actor.get("state"), 20) for actor in actors)
    found: list[tuple[str, Tone]] = []
    for state in states:
        names = [plain(actor.get("child"), 60) for actor in actors if actor.get("state") == state]
        found.append((f"{_named('actor', names)} {state}", "warn" if state == "restarting" else "bad"))
    return found


def _progress(status: Mapping[str, Any]) -> list[tuple[str, Tone]]:
    found: list[tuple[str, Tone]] = []
    recovery, reload = part(status, "recovery"), part(status, "reload")
    if recovery and recovery.get("ended") is False:
        found.append((recovering(recovery).capitalize(), "warn"))
    if reload.get("error"):
        found.append((f"The last reload was refused: {plain(reload['error'])}", "warn"))
    return found


def _named(what: str, names: list[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{len(names):,} {what}s"
    return f"{what.capitalize()} {', '.join(names)}"

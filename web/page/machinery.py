"""Lines, stores and the supervision tree, one row each; what is in trouble comes first among its kind."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cli.wording import NOTHING, amount, count, duration, number, part, plain, rows, whole
from web.model import View
from web.page.cells import BREAKER_TONES, STATE_TONES, Cell, Row, Tone, moment_ns, raised, row
from web.page.since import Since
from web.page.standing import TROUBLED

MOST_SHOWN: Final = 8
"""Of a group of actors; of more, those that are troubled or behind are named and the others counted."""
MOST_TROUBLED: Final = 20
FULLEST: Final = 3
MOST_LINES: Final = 50
GROUPS: Final = ("connection", "normalizer", "detector", "writer")
NS: Final = 1_000_000_000
ACCOUNT: Final = ("stored", "rejected", "shed", "dead_letter", "in_flight")
Actor = Mapping[str, Any]


def line_rows(view: View, since: Since) -> list[Row]:
    """Give the lines, those first that are not up."""
    lines = sorted(rows(view.status, "lines"), key=lambda line: line.get("state") == "up")
    shown = [_line(line, since, view.at_ns) for line in lines[:MOST_LINES]]
    return [*shown, *_more("lines", len(lines) - MOST_LINES, 4)]


def line_summary(status: Mapping[str, Any]) -> str:
    """Say what the lines have lost and how often they came back."""
    events = part(part(status, "ledger"), "events")
    return f"{count(events.get('gap'))} gaps, {count(events.get('reconnect'))} reconnects since the start"


def _line(line: Mapping[str, Any], since: Since, now_ns: int) -> Row:
    name, state = plain(line.get("line"), 60), plain(line.get("state"), 20)
    wait = number(line.get("wait_seconds"))
    return row(
        name,
        (name, ""),
        (state, STATE_TONES.get(state, "muted")),
        (_age(line, since, now_ns), ""),
        (f"{amount(wait, 1)} s" if state == "waiting" and wait is not None else NOTHING, ""),
        (plain(line.get("text")), "muted"),
    )


def _age(line: Mapping[str, Any], since: Since, now_ns: int) -> str:
    told_ns = moment_ns(line.get("since_ns"))
    began_ns, exact = (told_ns, True) if told_ns else since.of(plain(line.get("line"), 60))
    if not began_ns:
        return NOTHING
    return ("" if exact else "> ") + duration((now_ns - began_ns) / NS)


def store_rows(status: Mapping[str, Any]) -> list[Row]:
    """Give the stores with breaker and account; those that were removed in the running pipeline come last."""
    accounts = part(part(status, "ledger"), "stores")
    there = {plain(store.get("store"), 40): store for store in rows(status, "stores")}
    ranked = sorted(there, key=lambda name: there[name].get("state") == "closed")
    found = [_store(name, plain(there[name].get("state"), 20), there[name], accounts) for name in ranked]
    return found + [
        _store(plain(name, 40), "removed", {}, accounts) for name in accounts if name not in there
    ]


def _store(name: str, state: str, store: Mapping[str, Any], accounts: Mapping[str, Any]) -> Row:
    account = part(accounts, name)
    spooled = whole(store.get("spooled_rows")) or whole(account.get("spooled"))
    return row(
        name,
        (name, ""),
        (state, BREAKER_TONES.get(state, "muted")),
        (f"{spooled:,}", raised(spooled)),
        *((count(account.get(place)), "") for place in ACCOUNT),
    )


def actor_rows(status: Mapping[str, Any]) -> list[Row]:
    """Give the supervision tree: the supervisor, its groups, and in each those worth a line of their own."""
    actors = rows(status, "actors")
    if not actors:
        return []
    groups: dict[str, list[Actor]] = {}
    for actor in actors:
        groups.setdefault(_group(_raw(actor, "child")), []).append(actor)
    ranked = sorted(groups, key=lambda name: (not _troubled(groups[name]), _place(name)))
    rest = (one for name in ranked for one in _branch(name, groups[name]))
    return [_summed("supervisor", "supervisor", actors, "root"), *rest]


def _troubled(actors: Sequence[Actor]) -> bool:
    return any(actor.get("state") in TROUBLED for actor in actors)


def _place(name: str) -> int:
    return GROUPS.index(name) if name in GROUPS else len(GROUPS)


def _group(child: str) -> str:
    kind = child.split("/", 1)[0]
    return kind if kind in GROUPS else "others"


def _branch(name: str, actors: Sequence[Actor]) -> Iterable[Row]:
    yield _summed(name, f"{name}s" if name != "others" else name, actors, "group")
    shown = list(actors)
    if len(actors) > MOST_SHOWN:
        troubled = [actor for actor in actors if actor.get("state") in TROUBLED]
        behind = sorted(actors, key=lambda actor: -whole(actor.get("waiting")))[:FULLEST]
        behind = [actor for actor in behind if whole(actor.get("waiting")) and actor not in troubled]
        shown = [*troubled[:MOST_TROUBLED], *behind]
    yield from (_actor(actor) for actor in sorted(shown, key=_rank))
    yield from _more(f"{name}s" if name != "others" else name, len(actors) - len(shown), 4)


def _rank(actor: Actor) -> tuple[bool, str]:
    return actor.get("state") not in TROUBLED, _raw(actor, "child")


def _raw(actor: Actor, name: str) -> str:
    # To write out thousands of names, of which few are shown, would take most of the page's time.
    value = actor.get(name)
    return value if isinstance(value, str) else ""


def _summed(key: str, name: str, actors: Sequence[Actor], kind: str) -> Row:
    states = Counter(_raw(actor, "state") for actor in actors)
    words = ", ".join(f"{n:,} {plain(state, 20)}" for state, n in states.most_common())
    worst = _worst(states)
    return row(f"+{key}", (name.capitalize(), ""), (words, worst), *_sums(actors), ("", ""), kind=kind)


def _worst(states: Iterable[str]) -> Tone:
    tones = {STATE_TONES.get(state, "muted") for state in states}
    order: tuple[Tone, ...] = ("bad", "warn", "good")
    return next((tone for tone in order if tone in tones), "muted")


def _sums(actors: Sequence[Actor]) -> tuple[Cell, Cell]:
    restarts = sum(whole(actor.get("restarts")) for actor in actors)
    waiting = sum(whole(actor.get("waiting")) for actor in actors)
    return (f"{waiting:,}", ""), (f"{restarts:,}", raised(restarts))


def _actor(actor: Actor) -> Row:
    name, state = plain(actor.get("child"), 80), plain(actor.get("state"), 20)
    tone = STATE_TONES.get(state, "muted")
    return row(
        name, (name, ""), (state, tone), *_sums([actor]), (plain(actor.get("text")), "muted"), kind="leaf"
    )


def _more(what: str, n: int, empty_cells: int) -> list[Row]:
    empty: Cell = ("", "")
    return (
        [row(f"more {what}", (f"{n:,} more {what}", "muted"), *[empty] * empty_cells, kind="leaf")]
        if n > 0
        else []
    )

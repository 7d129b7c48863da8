"""What differs between two configurations, and what of it a running pipeline takes on.

Feeds and stores are known by their names, whatever their order. An entry that becomes another one under its
old name (another venue, another database) keeps everything it has until the next start.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from core.errors import SettingsError
from core.settings import (
    SECRET_KEYS,
    TABLES,
    Breaker,
    Detector,
    Feed,
    Settings,
    Store,
    Supervision,
    Table,
    Writer,
)
from core.settings_errors import lines
from core.settings_loading import shared
from core.settings_text import toml

NEXT_START: Final = "takes effect at the next start"
LIVE: Final[Mapping[str, frozenset[str]]] = {
    "detector": frozenset(Detector.model_fields),
    "writer": frozenset(Writer.model_fields),
    "breaker": frozenset(Breaker.model_fields),
    "supervision": frozenset(Supervision.model_fields),
    "alerts": frozenset({"every_seconds"}),
    "actors": frozenset({"detectors", "mailbox_ticks", "mailbox_total_mb", "frames_mb"}),
    "feeds": frozenset({"symbols", "stale_seconds", "acknowledge_seconds", "connect_timeout_seconds"}),
    "stores": frozenset({"batch_rows", "flush_ms"}),
}
"""By table, the keys that change while the pipeline runs; stores may also come and go."""
IDENTITY: Final[Mapping[str, tuple[str, ...]]] = {
    "feeds": ("venue", "url"),
    "stores": ("kind", "path", "url", "org", "bucket"),
}
"""Keys without which a feed or a store is another one."""
WHY_NOT: Final[Mapping[str, str]] = {
    "data_dir": "the run holds the lock of its directory",
    "feeds.": "the run is laid out for its feeds",
    "feeds": "the feed's lines are made with it",
    "feeds.connections": "symbols are dealt to the connections",
    "feeds.overload": "mailboxes and gates are made for it",
    "actors.normalizers": "symbols are dealt to the normalizers",
    "actors.recent_ticks": "the memory is shared out",
    "actors.recent_total_mb": "the memory is shared out",
    "actors.cpus": "threads inherit it",
    "actors": "the actors are made with it",
    "journal": "the journal is open",
    "spool": "the spools are open",
    **dict.fromkeys(
        (f"stores.{key}" for key in IDENTITY["stores"]),
        "under another name it is another store, and there at once",
    ),
    "stores": "the store is open with it",
    "monitor": "the port is listened on",
    "alerts": "the webhook is asked with it",
    "demo": "the exchange is started with it",
}
"""Why a table's other keys, or one key, wait for the next start; `feeds.`: why a feed does."""
SHOWN_SYMBOLS: Final = 10
_UNORDERED: Final = frozenset({"symbols", "channels"})
_ENTRY: Final = re.compile(r"(feeds|stores)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs. No text of it holds a secret."""

    path: str
    """Like `detector.warn_z`, `feeds.demo.symbols`; `stores.archive` for a store that comes or goes."""
    before: str
    """As TOML; empty where `after` says all."""
    after: str
    live: bool
    """Whether a running pipeline takes it on."""
    reason: str = ""
    """Why it does not."""

    def __str__(self) -> str:
        """Say it in a line."""
        what = f"{self.before} -> {self.after}" if self.before else self.after
        why = f": {self.reason}" if self.reason else ""
        return f"{self.path}: {what}" if self.live else f"{self.path}: {what} ({NEXT_START}{why})"


def changes(before: Settings, after: Settings) -> tuple[Change, ...]:
    """Give every setting that differs, in the order of the configuration's tables."""
    return tuple(_changes(before, after))


def merged(before: Settings, after: Settings) -> Settings:
    """Give `before` with those changes that a running pipeline takes on.

    Raises SettingsError where the two halves do not go together: a feed that lost symbols but still has its
    connections, of which there are now too many.
    """
    document = {
        name: _merged(name, getattr(before, name), getattr(after, name)) for name in Settings.model_fields
    }
    errors = list(shared(document))
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        errors += lines(error)
    # Raised here and not in the handler above, whose exception holds secrets.
    if errors:
        raise SettingsError(tuple(_told(error, document) for error in errors))
    return settings


def liveness(table: str, key: str = "") -> str:
    """Say why a key of a table waits for the next start; empty if it does not. Without a key: entries."""
    if key in LIVE.get(table, ()) or (table, key) == ("stores", ""):
        return ""
    return WHY_NOT.get(f"{table}.{key}", WHY_NOT[table])


def _changes(before: Settings, after: Settings) -> Iterator[Change]:
    for name in Settings.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if name in IDENTITY:
            yield from _entries(name, old, new)
        elif name in TABLES:
            yield from _keys(name, name, old, new)
        elif old != new:
            yield _change(name, "", name, old, new, WHY_NOT[name])


def _entries(table: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    names, waiting = {entry.name: entry for entry in after}, _waiting(table, before, after)
    for old in before:
        path, new = f"{table}.{old.name}", names.pop(old.name, None)
        if new is not None:
            yield from _keys(path, table, old, new, _other(table, old, new))
        else:
            reason = waiting.get(old.name, "")
            yield Change(path, "", "removed", not reason, reason)
    for name, new in names.items():
        reason = waiting.get(name, "")
        yield Change(f"{table}.{name}", "", f"added ({_kind(new)})", not reason, reason)


def _keys(path: str, table: str, before: Table, after: Table, other: str = "") -> Iterator[Change]:
    """Compare the keys of a table; `other` names one that makes it another one."""
    for key in type(before).model_fields:
        old, new = getattr(before, key), getattr(after, key)
        if _differ(key, old, new):
            why_not = liveness(table, key) or (f"{other} changes with it" if other else "")
            yield _change(f"{path}.{key}", table, key, old, new, why_not)


def _change(path: str, table: str, key: str, old: Any, new: Any, why_not: str) -> Change:
    live = not why_not
    if key in SECRET_KEYS:
        return Change(path, "", "changed", live, why_not)
    if (table, key) == ("feeds", "symbols"):
        return Change(path, "", _dealt(old, new), live, why_not)
    return Change(path, _text(old), _text(new), live, why_not)


def _merged(name: str, old: Any, new: Any) -> Any:
    if name in IDENTITY:
        return _merged_entries(name, old, new)
    if name in TABLES:
        return _merged_keys(name, old, new)
    return old


def _merged_entries(table: str, before: Sequence[Any], after: Sequence[Any]) -> list[dict[str, Any]]:
    names, waiting = {entry.name: entry for entry in after}, _waiting(table, before, after)
    merged = []
    for old in before:
        new = names.pop(old.name, None)
        if new is not None:
            merged.append(dict(old) if _other(table, old, new) else _merged_keys(table, old, new))
        elif old.name in waiting:
            merged.append(dict(old))
    return merged + [dict(new) for name, new in names.items() if name not in waiting]


def _merged_keys(table: str, before: Table, after: Table) -> dict[str, Any]:
    live = {key: getattr(after, key) for key in LIVE.get(table, ())}
    if "symbols" in live:
        live["symbols"] = _kept_in_order(getattr(before, "symbols", ()), live["symbols"])
    return {**dict(before), **live}


def _kept_in_order(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Give the symbols of `after`; those that were there before come first, as they were."""
    wanted, known = set(after), set(before)
    return (*(symbol for symbol in before if symbol in wanted), *(s for s in after if s not in known))


def _other(table: str, before: Table, after: Table) -> str:
    """Give the first key by which the entry is another one; empty if it is the same."""
    return next((key for key in IDENTITY[table] if getattr(before, key) != getattr(after, key)), "")


def _waiting(table: str, before: Sequence[Any], after: Sequence[Any]) -> dict[str, str]:
    """Give the names that come or go at the next start only, each with the reason.

    All feeds; and a store that takes the place of one that goes, as a renamed one does: two writers would
    meet there.
    """
    gone, come = ([one for one in some if one.name not in {each.name for each in others}]
                  for some, others in ((before, after), (after, before)))  # fmt: skip
    if table == "feeds":
        return {feed.name: liveness(table) for feed in (*gone, *come)}
    return {
        store.name: f"{verb} {other.name}, which is at its place"
        for some, others, verb in ((gone, come, "it makes room for"), (come, gone, "it succeeds"))
        for store in some
        for other in others
        if _places(store) & _places(other)
    }


def _places(store: Store) -> set[tuple[str, ...]]:
    """Give what a store has for itself; file systems need not tell upper from lower case."""
    spool = ("spool", store.name.casefold())
    if store.kind == "null":
        return {spool}
    if store.kind == "lake":
        return {spool, ("lake", store.path.casefold())}
    return {spool, (store.kind, store.url.reveal(), store.org, store.bucket)}


def _differ(key: str, old: Any, new: Any) -> bool:
    return set(old) != set(new) if key in _UNORDERED else bool(old != new)


def _kind(entry: Feed | Store) -> str:
    return entry.venue if isinstance(entry, Feed) else entry.kind


def _dealt(before: Sequence[str], after: Sequence[str]) -> str:
    """Say which symbols come and which go."""
    sides = (("added", after, set(before)), ("removed", before, set(after)))
    told = ((word, [symbol for symbol in some if symbol not in others]) for word, some, others in sides)
    return "; ".join(f"{word} {_listed(symbols)}" for word, symbols in told if symbols)


def _listed(symbols: Sequence[str]) -> str:
    shown = ", ".join(symbols[:SHOWN_SYMBOLS])
    left = len(symbols) - SHOWN_SYMBOLS
    return f"{shown} and {left:,} more" if left > 0 else shown


def _text(value: Any) -> str:
    match value:
        case None:
            return "as in [writer]"
        case bool() | int() | float() | str() | Mapping() | tuple():
            return toml(value)
    return toml(str(value))


def _told(error: str, document: Mapping[str, Any]) -> str:
    """Name a feed or a store in an error instead of numbering it, and say that a mixture is meant."""
    named = _ENTRY.sub(lambda found: f"{found[1]}.{document[found[1]][int(found[2])]['name']}", error)
    return f"what can change at once does not go with what cannot: {named}"

"""The ledger: every record that came in is in exactly one place.

    received + recovered + carried_in
        = stored + rejected + duplicate + shed + dead_letter + spooled + in_flight

Counted where things happen, as `Counts`: how many, by (feed, name). A name may carry a reason behind a
dot (`rejected.critical_z`), which adds to the name before it. What happens upstream of the writers is
shared by all stores; what a writer does is its store's own.

Stores come and go while a run goes on. Whoever sends records to the writers counts them, once as `sent`
and once for each store that got them; those that a store did not get, since it was not there, are shed as
far as it is concerned, with the reason `store_absent`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

CountKey = tuple[str, str]
"""Feed, and what is counted."""
Counts = dict[CountKey, int]
FrozenCounts = Mapping[CountKey, int]
"""Counts in a message."""

SOURCES: Final = ("received", "recovered", "carried_in")
PLACES: Final = ("stored", "rejected", "duplicate", "shed", "dead_letter", "spooled", "in_flight")
FRAME_PLACES: Final = ("decoded", "control", "ignored", "shed_frames", "in_flight_frames")
EVENTS: Final = ("gap", "reconnect", "stale_time", "warn")
"""Told even where there were none."""
SENT: Final = "sent"
"""Records that left for the writers, however many stores there were."""


def add(into: Counts, feed: str, name: str, n: int = 1) -> None:
    """Count n more, in place."""
    into[feed, name] = into.get((feed, name), 0) + n


def sent_to(store: str) -> str:
    """Give the name of the count of records that left for one store."""
    return f"sent_to.{store}"


def total(parts: Iterable[Mapping[tuple[str, str], int]]) -> Counts:
    """Add counts up."""
    result: Counts = {}
    for part in parts:
        for (feed, name), n in part.items():
            add(result, feed, name, n)
    return result


@dataclass(frozen=True, slots=True)
class Ledger:
    """The accounts of one moment: `shared` from everything upstream, and one of each store."""

    shared: Counts
    stores: Mapping[str, Counts]

    @property
    def balanced(self) -> bool:
        """Whether every account and the frames line balance, for every feed and store."""
        stores = tuple(self.stores) or (None,)
        return all(_balances(self._account(feed, store)) for store in stores for feed in self.feeds) and all(
            _frames_balance(self._frames(feed)) for feed in self.feeds
        )

    @property
    def feeds(self) -> tuple[str, ...]:
        """Names of all feeds that anything was counted for."""
        counts = (self.shared, *self.stores.values())
        return tuple(sorted({feed for part in counts for feed, name in part if feed}))

    def counts(self) -> Iterator[tuple[str | None, str, str, int]]:
        """Give every count as store, feed, name, n; the store is None for what all of them share."""
        for (feed, name), n in self.shared.items():
            if name != SENT and not name.startswith(f"{SENT}_to."):
                yield None, feed, name, n
        for store in self.stores:
            for (feed, name), n in self._own(store).items():
                yield store, feed, name, n

    def as_json(self) -> dict[str, Any]:
        """Give the object that `--json` prints; `total` is all feeds against the first store."""
        first = next(iter(self.stores), None)
        everything = total([self.shared, self._own(first)])
        return {
            "balanced": self.balanced,
            "total": self._account_of_all(first),
            "reasons": _reasons(everything),
            "frames": _sum(("frames", *FRAME_PLACES), map(self._frames, self.feeds)),
            "feeds": {
                feed: {**self._account(feed, first), "frames": self._frames(feed)} for feed in self.feeds
            },
            "stores": {store: self._account_of_all(store) for store in self.stores},
            "events": _events(everything),
        }

    def _account(self, feed: str, store: str | None) -> dict[str, int]:
        own = self._own(store)
        return {
            name: _count(self.shared, feed, name) + _count(own, feed, name) for name in (*SOURCES, *PLACES)
        }

    def _own(self, store: str | None) -> Counts:
        """Give what a store's writer counted, and what was never sent to it."""
        if store is None:
            return {}
        own = dict(self.stores.get(store, {}))
        for (feed, name), n in self.shared.items():
            if name in (SENT, sent_to(store)):
                add(own, feed, "shed.store_absent", n if name == SENT else -n)
        return own

    def _frames(self, feed: str) -> dict[str, int]:
        return {name: _count(self.shared, feed, name) for name in ("frames", *FRAME_PLACES)}

    def _account_of_all(self, store: str | None) -> dict[str, int]:
        return _sum((*SOURCES, *PLACES), (self._account(feed, store) for feed in self.feeds))


def _sum(names: Iterable[str], accounts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    added = list(accounts)
    return {name: sum(account[name] for account in added) for name in names}


def _count(counts: Counts, feed: str, name: str) -> int:
    dotted = f"{name}."
    return sum(
        n
        for (of, counted), n in counts.items()
        if of == feed and (counted == name or counted.startswith(dotted))
    )


def _balances(account: dict[str, int]) -> bool:
    """Tell whether both sides agree; a place that holds less than nothing is a fault in itself."""
    came, is_somewhere = (sum(account[name] for name in side) for side in (SOURCES, PLACES))
    return came == is_somewhere and min(account.values()) >= 0


def _frames_balance(account: dict[str, int]) -> bool:
    return min(account.values()) >= 0 and account["frames"] == sum(account[name] for name in FRAME_PLACES)


def _events(counts: Counts) -> dict[str, int]:
    events = dict.fromkeys(EVENTS, 0)
    for (_, name), n in counts.items():
        if name.startswith("event."):
            event = name.removeprefix("event.")
            events[event] = events.get(event, 0) + n
    return events


def _reasons(counts: Counts) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for (_, name), n in counts.items():
        place, dot, reason = name.partition(".")
        if dot and n and place in PLACES:
            reasons[reason] = reasons.get(reason, 0) + n
    return dict(sorted(reasons.items()))

"""Who hangs: signs of life, as seen from another thread, held against a deadline."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

EVERY_DEADLINES: Final = 0.2
"""A look that often within the shortest deadline; what is told as hung is at most so much late."""
SLOWEST_SECONDS: Final = 1.0
FASTEST_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look saw of an actor that is in a handler."""

    name: str
    beat: Hashable
    """Another one after every sign of life."""
    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Watch:
    """How long each actor has been seen without a sign of life: an immutable value.

    Time counts only from look to look, and of each interval no more than twice what there should be between
    them. So a process that was stopped, or a machine that was asleep, makes nobody hang: the watch was held
    up as well.
    """

    seen: Mapping[str, tuple[Hashable, float]] = field(default_factory=lambda: MappingProxyType({}))
    """By actor: its last beat, and the seconds for which it has stayed the same."""
    at: float | None = None
    """When the last look was, in monotonic seconds."""

    def look(
        self, sights: Iterable[Sight], now: float, interval_seconds: float
    ) -> "tuple[Watch, tuple[str, ...]]":
        """Look again; give the names of those beyond their deadlines. Those not seen are in no handler."""
        passed = 0.0 if self.at is None else min(max(0.0, now - self.at), 2 * interval_seconds)
        seen: dict[str, tuple[Hashable, float]] = {}
        hung = []
        for sight in sights:
            beat, seconds = self.seen.get(sight.name, (None, 0.0))
            seconds = seconds + passed if beat == sight.beat else 0.0
            seen[sight.name] = (sight.beat, seconds)
            if seconds >= sight.deadline_seconds:
                hung.append(sight.name)
        return Watch(MappingProxyType(seen), now), tuple(hung)


def interval_of(shortest_deadline_seconds: float) -> float:
    """Give the time between two looks."""
    return min(SLOWEST_SECONDS, max(FASTEST_SECONDS, shortest_deadline_seconds * EVERY_DEADLINES))

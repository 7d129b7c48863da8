"""Rate limit of alerts: the first of its kind and place goes out, then one an interval, with a count."""

from dataclasses import dataclass

Place = tuple[str, str | None, str | None]
"""Kind, feed, symbol."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is remembered of a place: when its last alert went out, and how many were kept back since."""

    last_ns: int
    held_back: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an alert goes out, how many of its place it stands for besides itself, and what to remember."""

    send: bool
    held_back: int
    window: Window


def decide(before: Window | None, now_ns: int, every_ns: int, occurrences: int = 1) -> Decision:
    """Tell whether to send an alert that stands for so many occurrences.

    A clock that stepped back begins a new interval, so that no place falls silent for long.
    """
    if before is not None and 0 <= now_ns - before.last_ns < every_ns:
        return Decision(False, 0, Window(before.last_ns, before.held_back + occurrences))
    held_back = (before.held_back if before is not None else 0) + occurrences - 1
    return Decision(True, held_back, Window(now_ns))

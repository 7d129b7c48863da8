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
    """Whether an alert goes out, how many of its place were kept back before it, and what to remember."""

    send: bool
    held_back: int
    window: Window


def decide(before: Window | None, now_ns: int, every_ns: int, occurrences: int = 1) -> Decision:
    """Tell whether to send an alert that stands for so many occurrences, which its text counts itself.

    A clock that stepped back begins a new interval, so that no place falls silent for long.
    """
    if before is not None and 0 <= now_ns - before.last_ns < every_ns:
        return Decision(False, 0, Window(before.last_ns, before.held_back + occurrences))
    return Decision(True, before.held_back if before is not None else 0, Window(now_ns))


def last_word(window: Window, now_ns: int, every_ns: int) -> Decision | None:
    """Give what is still to be told of a place that has fallen silent: how many were kept back, if any."""
    if not window.held_back or 0 <= now_ns - window.last_ns < every_ns:
        return None
    return Decision(True, window.held_back, Window(window.last_ns))

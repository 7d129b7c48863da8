"""Durations as a user writes them: 30s, 1.5h, 1h30m, 500ms."""

import re
from fractions import Fraction
from typing import Final

from core.suggest import quote

SECOND_NS: Final = 1_000_000_000
UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
    "d": 86_400 * SECOND_NS,
    "w": 7 * 86_400 * SECOND_NS,
}
_END_NS: Final = 2**63
_NUMBER: Final = r"\d{1,18}(?:\.\d{1,18})?"
_PART: Final = re.compile(rf"({_NUMBER})({'|'.join(UNITS_NS)})", re.ASCII)
_PARTS: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_SECONDS: Final = re.compile(_NUMBER, re.ASCII)


def duration_ns(text: str) -> int:
    """Give a duration such as 30s, 1.5h, 1h30m, 500ms or plain seconds in ns; ValueError if it is none.

    What is below a nanosecond is cut off; the rest must be above 0 and fit into int64.
    """
    ns = int(Fraction(text) * SECOND_NS) if _SECONDS.fullmatch(text) else sum_ns(text)
    if ns is None:
        raise ValueError(f"{quote(text)} is not a duration; write it like 30s, 5m, 1h or 500ms")
    if not 0 < ns < _END_NS:
        raise ValueError(f"{quote(text)} must be more than 0 and less than 292 years")
    return ns


def duration_text(ns: int) -> str:
    """Write a duration above 0 in units, the largest first; `duration_ns` reads it back."""
    parts = []
    for unit in sorted(UNITS_NS, key=UNITS_NS.__getitem__, reverse=True):
        count, ns = divmod(ns, UNITS_NS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts)


def sum_ns(text: str) -> int | None:
    """Add up numbers that each have a unit; None if the text is anything else."""
    if not _PARTS.fullmatch(text):
        return None
    return int(sum(Fraction(number) * UNITS_NS[unit] for number, unit in _PART.findall(text)))

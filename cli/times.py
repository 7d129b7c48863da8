"""Times, durations and intervals as a user writes them, and times as a user reads them."""

import re
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from core.suggest import quote
from venues.parsing import SECOND_NS, Unreadable, time_ns

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
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1)


def duration_ns(text: str) -> int:
    """Give a duration such as 30s, 1.5h, 1h30m, 500ms or plain seconds in ns; ValueError if it is none.

    What is below a nanosecond is cut off; the rest must be above 0 and fit into int64.
    """
    ns = int(Fraction(text) * SECOND_NS) if _SECONDS.fullmatch(text) else _sum_ns(text)
    if ns is None:
        raise ValueError(f"{quote(text)} is not a duration; write it like 30s, 5m, 1h or 500ms")
    if not 0 < ns < _END_NS:
        raise ValueError(f"{quote(text)} must be more than 0 and less than 292 years")
    return ns


def point_ns(text: str, now_ns: int) -> int:
    """Give a point in time as UTC epoch ns, exactly; ValueError if it is none from 1970 to 2262.

    It is an ISO 8601 date or time (UTC unless it has an offset), an epoch number in s, ms, us or ns
    (told by its magnitude), `now`, or a duration before or after now: `-1h`, `+5m`, `now-1h`.
    """
    try:
        ns = _relative_ns(text, now_ns)
        if ns is None:
            ns = time_ns(f"{text}T00:00" if _DATE.fullmatch(text) else text)
    except Unreadable:
        raise ValueError(
            f"{quote(text)} is not a time from 1970 to 2262; write it like 2026-01-15, "
            "2026-01-15T14:30:00.5Z, 1768487400 (s, ms, us or ns), -1h or now"
        ) from None
    if not 0 <= ns < _END_NS:
        raise ValueError(f"{quote(text)} is not a time from 1970 to 2262")
    return ns


def utc_text(ns: int) -> str:
    """Write an epoch time as ISO 8601, with 0, 3, 6 or 9 digits of the second: as many as it needs.

    Any int64 can be written; `point_ns` reads back those from 1970 on.
    """
    seconds, fraction = divmod(ns, SECOND_NS)
    digits = f"{fraction:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}{'.' if digits else ''}{digits}Z"


def _relative_ns(text: str, now_ns: int) -> int | None:
    offset = text.removeprefix("now")
    if offset == "" and text:
        return now_ns
    ns = _sum_ns(offset[1:]) if offset[:1] in ("+", "-") else None
    return None if ns is None else now_ns + (-ns if offset[0] == "-" else ns)


def _sum_ns(text: str) -> int | None:
    """Add up numbers that each have a unit; None if the text is anything else."""
    if not _PARTS.fullmatch(text):
        return None
    return int(sum(Fraction(number) * UNITS_NS[unit] for number, unit in _PART.findall(text)))

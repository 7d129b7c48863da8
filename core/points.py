"""Points in time as a user writes them, and as a user reads them."""

import re
from datetime import UTC, datetime, timedelta
from operator import index
from typing import Final

from core.durations import SECOND_NS, sum_ns
from core.epochs import Unreadable, time_ns
from core.suggest import quote

_END_NS: Final = 2**63
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1)
_UTC_EPOCH: Final = _EPOCH.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
Point = datetime | int | str
"""A point in time as a program writes it: an aware datetime, epoch ns, or text as for `point_ns`."""


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


def moment_ns(point: Point, now_ns: int) -> int:
    """Give a point in time as UTC epoch ns, exactly; ValueError where it is none, or has no time zone.

    An integer is epoch ns, whatever its magnitude. Of a datetime that knows nanoseconds, as pandas's do,
    they count.
    """
    match point:
        case str():
            return point_ns(point, now_ns)
        case datetime():
            ns = _datetime_ns(point)
        case _ if isinstance(point, bool) or not hasattr(point, "__index__"):
            raise ValueError(
                f"{quote(repr(point))} is no time; give a datetime with a time zone, epoch ns or text"
            )
        case _:
            ns = index(point)
    if not 0 <= ns < _END_NS:
        raise ValueError(f"{quote(str(point))} is not a time from 1970 to 2262")
    return ns


def _datetime_ns(moment: datetime) -> int:
    if moment.utcoffset() is None:
        raise ValueError(
            f"{quote(str(moment))} has no time zone, so it could be any of 24 hours; "
            "give it one, as in datetime(..., tzinfo=timezone.utc)"
        )
    return (moment - _UTC_EPOCH) // _MICROSECOND * 1_000 + int(getattr(moment, "nanosecond", 0))


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
    ns = sum_ns(offset[1:]) if offset[:1] in ("+", "-") else None
    return None if ns is None else now_ns + (-ns if offset[0] == "-" else ns)

"""Times as venues and users write them: ISO 8601, and epoch numbers in four units."""

import re
from datetime import datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache
from typing import Final

from core.durations import SECOND_NS

_MS_FROM: Final = 10**11
_US_FROM: Final = 10**14
_NS_FROM: Final = 10**17
"""Where the units of epoch numbers begin: in March 1973 each, below which a number is of the unit before."""
_END_NS: Final = 2**63
_FRACTION_NS: Final = (10**9, 10**8, 10**7, 10**6, 10**5, 10**4, 1000, 100, 10, 1)
"""Nanoseconds that the last of so many fraction digits stands for."""
_EPOCH: Final = datetime(1970, 1, 1)
_ONE_SECOND: Final = timedelta(seconds=1)
_WIDE: Final = Context(prec=80)
"""Holds every digit that `_EPOCH_NUMBER` lets through; the default context rounds at 28."""

_EPOCH_NUMBER: Final = re.compile(r"\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_SECOND: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d)?", re.ASCII)
_ISO: Final = re.compile(
    rf"(?P<second>{_SECOND.pattern})(?:(?<=:\d\d:\d\d)[.,](?P<fraction>\d{{1,9}}))?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3])(?::?(?P<minutes>[0-5]\d))?)?",
    re.ASCII,
)


class Unreadable(ValueError):
    """A value that cannot be read; `reason` is one of `core.records.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def epoch_ns(value: int) -> int:
    """Give a whole epoch time in s, ms, us or ns (told by magnitude) as epoch ns, exactly.

    Unreadable (`bad_timestamp`) where it is negative or beyond int64.
    """
    return _in_range(value * _unit_ns(value))


def iso_ns(text: str) -> int:
    """Give an ISO 8601 time of up to 9 fraction digits as epoch ns, exactly; without an offset it is UTC.

    Unreadable (`bad_timestamp`) where it is anything else, before 1970 or beyond int64 (in 2262).
    """
    if text[19:20] == "." and text[-1:] == "Z":
        fraction = text[20:-1]
        if fraction.isascii() and fraction.isdigit() and len(fraction) <= 9:
            return _in_range(_second_ns(text[:19]) + int(fraction) * _FRACTION_NS[len(fraction)])
    match = _ISO.fullmatch(text)
    if match is None:
        raise Unreadable("bad_timestamp")
    fraction = match["fraction"] or "0"
    offset = int(match["hours"] or 0) * 3600 + int(match["minutes"] or 0) * 60
    east_ns = (-offset if match["sign"] == "-" else offset) * SECOND_NS
    return _in_range(_second_ns(match["second"]) - east_ns + int(fraction) * _FRACTION_NS[len(fraction)])


@lru_cache(maxsize=4096)
def _second_ns(text: str) -> int:
    """Give a UTC time without a fraction. A busy market asks for the same second again and again."""
    try:
        if _SECOND.fullmatch(text):
            return (datetime.fromisoformat(text) - _EPOCH) // _ONE_SECOND * SECOND_NS
    except ValueError:
        pass
    raise Unreadable("bad_timestamp")


def time_ns(value: object) -> int:
    """Give a time as epoch ns: ISO 8601 text, or an epoch number (also as text) in s, ms, us or ns.

    A whole number is exact. So is a fraction in text; a JSON fraction is taken as the shortest decimal
    that stands for the same float. Unreadable (`bad_timestamp`) where it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return epoch_ns(value)
    if isinstance(value, str):
        return _decimal_ns(Decimal(value)) if _EPOCH_NUMBER.fullmatch(value) else iso_ns(value)
    if isinstance(value, float) and 0.0 <= value < _END_NS:
        return _decimal_ns(Decimal(repr(value)))
    raise Unreadable("bad_timestamp")


def _decimal_ns(value: Decimal) -> int:
    return _in_range(int(_WIDE.multiply(value, _unit_ns(value))))


def _unit_ns(value: int | Decimal) -> int:
    """Give the nanoseconds in the unit that an epoch number must be of."""
    if value >= _NS_FROM:
        return 1
    if value >= _US_FROM:
        return 1000
    return 1_000_000 if value >= _MS_FROM else SECOND_NS


def _in_range(ns: int) -> int:
    if 0 <= ns < _END_NS:
        return ns
    raise Unreadable("bad_timestamp")

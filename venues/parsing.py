"""Numbers as venues write them; their times are read by `core.epochs`."""

import re
from typing import Final

from core.durations import SECOND_NS
from core.epochs import Unreadable, epoch_ns, iso_ns, time_ns

__all__ = ["SECOND_NS", "Unreadable", "epoch_ns", "iso_ns", "number", "time_ns"]

_DECIMAL: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def number(value: object) -> float:
    """Give a JSON number or a decimal string as a float.

    Unreadable with `bad_price` where it is not finite (also `1e400`, also the words "nan" and "inf"),
    else with `bad_type`: a bool is no number, nor is what only Python's `float` takes ("1_000", " 1 ").
    """
    if isinstance(value, str):
        return _finite(_from_text(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("bad_type")
    try:
        return _finite(float(value))
    except OverflowError:
        raise Unreadable("bad_price") from None


def _from_text(text: str) -> float:
    # The commonest form first: it costs a third of the expression's match.
    if (text.isascii() and text.replace(".", "", 1).isdigit()) or _DECIMAL.fullmatch(text):
        return float(text)
    raise Unreadable("bad_price" if _NOT_FINITE.fullmatch(text) else "bad_type")


def _finite(value: float) -> float:
    if value - value != 0.0:
        raise Unreadable("bad_price")
    return value

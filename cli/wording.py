"""Numbers, times and foreign text as an operator reads them.

Every function takes whatever a status may hold, None and nonsense included, and none of them raises:
a status may come over HTTP from something that is no supervisor, and its texts from venues.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import IO, Any, Final

NOTHING: Final = "-"
"""Stands for a value that is not known or not defined yet."""
SHOWN_CHARACTERS: Final = 200
MOST_DECIMALS: Final = 10
_PLAIN_BELOW: Final = 1e12
_PLAIN_FROM: Final = 1e-8


def plain(text: object, at_most: int = SHOWN_CHARACTERS) -> str:
    """Give a text on one line, cut to so many characters, each unprintable one shown by its number.

    None is no text; anything else that is no string is a question mark.
    """
    if not isinstance(text, str):
        return "" if text is None else "?"
    cut = text if len(text) <= at_most else text[: at_most - 3] + "..."
    return "".join(ch if ch.isprintable() else _number_of(ch) for ch in cut)


def number(value: object) -> float | None:
    """Give a finite number as float; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if isfinite(converted) else None


def whole(value: object) -> int:
    """Give a count; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18 else 0


def count(value: object) -> str:
    """Write a count with thousands separators."""
    return f"{whole(value):,}"


def rate(value: object) -> str:
    """Write events per second: one decimal below ten."""
    per_second = number(value)
    if per_second is None:
        return NOTHING
    return amount(per_second, 1 if abs(per_second) < 9.95 else 0)


def amount(value: object, decimals: int) -> str:
    """Write a number with so many decimals; in powers of ten where that would be a wall of digits."""
    converted = number(value)
    if converted is None:
        return NOTHING
    if converted and not _PLAIN_FROM <= abs(converted) < _PLAIN_BELOW:
        return f"{converted:.4g}"
    written = f"{converted:,.{decimals}f}"
    return written if any(digit in written for digit in "123456789") else written.lstrip("-")


def decimals_of(*values: object) -> int:
    """Give how many decimals show all of the prices: two at least from 1 on, `MOST_DECIMALS` at most."""
    prices = [price for price in map(number, values) if price is not None]
    fewest = 2 if any(abs(price) >= 1 for price in prices) else 0
    return min(MOST_DECIMALS, max([fewest, *map(_decimals, prices)]))


def duration(seconds: object) -> str:
    """Write a time span as h:mm:ss."""
    converted = min(max(number(seconds) or 0.0, 0.0), _PLAIN_BELOW)
    minutes, rest = divmod(int(converted), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def duration_us(microseconds: object) -> str:
    """Write a short duration in the unit that suits it."""
    value = number(microseconds)
    if value is None:
        return NOTHING
    if value < 1e3:
        return f"{value:.0f} µs"
    return f"{value / 1e3:.1f} ms" if value < 1e6 else f"{value / 1e6:.2f} s"


def time_of_day(ts_ns: object) -> str:
    """Write the UTC time of day of an epoch time."""
    if isinstance(ts_ns, bool) or not isinstance(ts_ns, int):
        return "--:--:--"
    seconds = ts_ns // 1_000_000_000 % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def part(mapping: object, key: str) -> Mapping[str, Any]:
    """Give an entry that is a mapping; an empty one where there is none."""
    value = mapping.get(key) if isinstance(mapping, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def rows(mapping: object, key: str) -> list[Mapping[str, Any]]:
    """Give the mappings of an entry that is a list; none where there is none."""
    value = mapping.get(key) if isinstance(mapping, Mapping) else None
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def recovering(progress: Mapping[str, Any]) -> str:
    """Say how far a recovery has read the journal."""
    of_bytes = whole(progress.get("of_bytes"))
    share = 100 * whole(progress.get("read_bytes")) // of_bytes if of_bytes else 0
    return f"recovering {share} % of {of_bytes / 2**20:,.0f} MiB, {count(progress.get('frames'))} frames"


def tolerate(file: IO[str]) -> None:
    """Have a text file escape what its encoding lacks; symbols of venues are in any script."""
    reconfigure = getattr(file, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _number_of(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _decimals(price: float) -> int:
    """Count the decimals of the shortest decimal number that is this float."""
    if price and not _PLAIN_FROM <= abs(price) < _PLAIN_BELOW:
        return 0
    exponent = Decimal(repr(price)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0

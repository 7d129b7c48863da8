"""The scanner's reading of single values, compiled: part of `core.scan_kernel`, which says what it refuses.

A reader takes the text and where a value begins. It gives where the value ends, -1 where it is not of the
form, and with it what was read. The last byte of a frame is a `}`, which ends any number, word or blank
space: only text has to watch for the end.

Decimals are exact: a whole mantissa below 2**53 divided by a power of ten up to 10**22, both of which a
float holds, so that one division rounds correctly (W. D. Clinger, "How to Read Floating Point Numbers
Accurately", 1990).
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

EPOCH, ISO = 1, 2
"""As in `core.shapes`."""

MANTISSA_END: Final = 2**53
ROOM: Final = 10**17
"""Up to here a number has room for one more digit."""
WHOLE_ROOM: Final = (2**63 - 10) // 10
END_NS: Final = 2**63 - 1
POWERS: Final = np.array([float(f"1e{n}") for n in range(23)])
FRACTION_NS: Final = np.array([10**n for n in range(9, -1, -1)], np.int64)

EIGHT: Final = np.uint64(8)
TOP_BYTE: Final = np.uint64(56)
ALL: Final = np.uint64(2**64 - 1)
TRUE, FALSE, NULL = (np.uint64(int.from_bytes(word, "big")) for word in (b"true", b"false", b"null"))

PLAIN: Final = {"error_model": "numpy", "_nrt": False}
"""Without numba's counting of references, which borrowed arrays do not need: it took most of the time."""
INLINE: Final = {**PLAIN, "forceinline": True}


def compiled(*signatures: Any, **options: Any) -> Callable[[F], F]:
    """Compile a function with numba: as `numba.njit`, keeping the type that its callers see."""
    return cast(Callable[[F], F], numba.njit(list(signatures) or None, **options))


def _loading(loaded: Any, bits: int) -> Any:
    """Give a function (text, i) that loads an integer which begins at byte i."""

    def typed(typing: Any, text: Any, i: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            start = context.make_array(signature.args[0])(context, builder, values[0]).data
            place = builder.bitcast(builder.gep(start, [values[1]]), ir.IntType(bits).as_pointer())
            return builder.load(place, align=1)

        return loaded(text, types.int64), code

    return intrinsic(typed)


at = _loading(types.uint8, 8)
eight_at = _loading(types.uint64, 64)


@compiled(**INLINE)
def is_blank(c: int) -> Any:
    """Tell whether a byte is white space to JSON."""
    return c == 32 or c == 10 or c == 13 or c == 9


@compiled(**INLINE)
def skip_blank(text: Any, i: int) -> Any:
    """Give where white space ends."""
    while is_blank(at(text, i)):
        i += 1
    return i


@compiled(**INLINE)
def text_end(text: Any, i: int, end: int) -> Any:
    """Give where the text that begins at i ends (-1: it is not plain ASCII, or has no end) and its hash."""
    packed = np.uint64(0)
    while i < end:
        c = at(text, i)
        if c == 34:
            return i, packed
        if c < 32 or c >= 127 or c == 92:
            break
        packed = ((packed << EIGHT) | (packed >> TOP_BYTE)) ^ np.uint64(c)
        i += 1
    return -1, packed


@compiled(**INLINE)
def skip_text(text: Any, i: int, end: int) -> Any:
    """Give the end of a text with its quotes, -1 where it is none, and the hash of what is in them."""
    if at(text, i) != 34:
        return -1, np.uint64(0)
    i, packed = text_end(text, i + 1, end)
    return i + 1 if i >= 0 else -1, packed


@compiled(**INLINE)
def bare_word(text: Any, i: int) -> Any:
    """Give the end of a bare word and its hash, which tells up to 8 letters."""
    start, packed = i, np.uint64(0)
    while 97 <= at(text, i) <= 122:
        packed = (packed << EIGHT) | np.uint64(at(text, i))
        i += 1
    return i, packed if i - start <= 8 else np.uint64(0)


@compiled(**INLINE)
def is_text(text: Any, i: int, names: Any, start: int, size: int) -> Any:
    """Tell whether the bytes at i are those of `names` from `start` on."""
    same = 0
    while same < size and at(text, i + same) == at(names, start + same):
        same += 1
    return same == size


@compiled(**INLINE)
def is_again(text: Any, i: int, begin: int, size: int) -> Any:
    """Tell whether the bytes at i are those that began at `begin`; up to 8 more may be loaded."""
    while size > 8:
        if eight_at(text, i) != eight_at(text, begin):
            return False
        i, begin, size = i + 8, begin + 8, size - 8
    # The first byte is the lowest one, as on every machine that numba compiles for.
    differ = eight_at(text, i) ^ eight_at(text, begin)
    return differ & (ALL >> np.uint64(64 - 8 * size)) == 0


@compiled(**INLINE)
def digits_of(text: Any, i: int, value: Any, room: int) -> Any:
    """Give the end of the digits at i (-1: too many) and the number that they make behind others."""
    c = np.int64(at(text, i)) - 48
    while 0 <= c <= 9:
        if value > room:
            return -1, 0
        value = value * 10 + c
        i += 1
        c = np.int64(at(text, i)) - 48
    return i, value


@compiled(**INLINE)
def whole(text: Any, i: int, room: int) -> Any:
    """Give a whole number's end (-1: it is none, or too large) and its value."""
    end, value = digits_of(text, i, 0, room)
    if end == i or (at(text, i) == 48 and end > i + 1):
        return -1, 0
    return end, value


@compiled(**INLINE)
def decimal(text: Any, i: int) -> Any:
    """Give a plain decimal's end (-1: it is none, or not surely exact) and its value."""
    i, mantissa = whole(text, i, ROOM)
    places = 0
    if i >= 0 and at(text, i) == 46:
        start = i + 1
        i, mantissa = digits_of(text, start, mantissa, ROOM)
        places = i - start
        if places <= 0:
            return -1, 0.0
    while mantissa >= MANTISSA_END and places > 0 and mantissa % 10 == 0:
        mantissa //= 10
        places -= 1
    if mantissa >= MANTISSA_END or places > 22:
        return -1, 0.0
    return i, np.float64(mantissa) / POWERS[places]


@compiled(**INLINE)
def skip_digits(text: Any, i: int) -> Any:
    """Give where digits end."""
    while 48 <= at(text, i) <= 57:
        i += 1
    return i


@compiled(**INLINE)
def skip_scalar(text: Any, i: int, end: int) -> Any:
    """Give the end of any value but an object, an array or an odd number; -1 where it is one."""
    c = at(text, i)
    if c == 34:
        i, _ = skip_text(text, i, end)
        return i
    if 97 <= c <= 122:
        i, word = bare_word(text, i)
        return i if word in (TRUE, FALSE, NULL) else -1
    # Of so few digits that no parser finds them too many.
    start = i + 1 if c == 45 else i
    i = skip_digits(text, start)
    if not 1 <= i - start <= 18 or (at(text, start) == 48 and i > start + 1):
        return -1
    if at(text, i) == 46:
        start = i + 1
        i = skip_digits(text, start)
        if not 1 <= i - start <= 22:
            return -1
    return i


@compiled(**INLINE)
def epoch_ns(value: int) -> Any:
    """Give an epoch number's ns by its magnitude, as `venues.parsing.epoch_ns`; -1 beyond int64."""
    unit = 1_000_000_000
    if value >= 10**17:
        unit = 1
    elif value >= 10**14:
        unit = 1000
    elif value >= 10**11:
        unit = 1_000_000
    return value * unit if value <= END_NS // unit else -1


@compiled(**INLINE)
def two(text: Any, i: int) -> Any:
    """Give the number that two digits make; -1 where they are none."""
    tens, ones = np.int64(at(text, i)) - 48, np.int64(at(text, i + 1)) - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1


@compiled(**INLINE)
def day_of(year: int, month: int, day: int) -> Any:
    """Give the days since 1970-01-01 of the Gregorian calendar; -1 where there is no such day.

    The year is counted from March on, so that a leap day is its last; 153 days are five months there.
    """
    longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if month == 2:
        longest = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if not (1 <= month <= 12 and 1 <= day <= longest):
        return -1
    y = year if month > 2 else year - 1
    return y * 365 + y // 4 - y // 100 + y // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469


@compiled(**INLINE)
def iso_ns(text: Any, i: int, end: int) -> Any:
    """Give the ns of what stands before end, as `venues.parsing.iso_ns` does; -1 where it is not sure."""
    if not 20 <= end - i <= 30 or end - i == 21 or at(text, end - 1) != 90 or at(text, i + 10) != 84:
        return -1
    if not (at(text, i + 4) == at(text, i + 7) == 45 and at(text, i + 13) == at(text, i + 16) == 58):
        return -1
    century, year = two(text, i), two(text, i + 2)
    hour, minute, second = two(text, i + 11), two(text, i + 14), two(text, i + 17)
    if century < 0 or year < 0 or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return -1
    year += century * 100
    day = day_of(year, two(text, i + 5), two(text, i + 8))
    # int64 ends in the year 2262.
    if day < 0 or not 1970 <= year < 2262:
        return -1
    seconds = day * 86400 + hour * 3600 + minute * 60 + second
    fraction, places = 0, 0
    if end - i > 20:
        places = end - i - 21
        stop, fraction = digits_of(text, i + 20, 0, ROOM)
        if at(text, i + 19) != 46 or stop != end - 1:
            return -1
    return seconds * 1_000_000_000 + fraction * FRACTION_NS[places]


@compiled(**INLINE)
def read_id(text: Any, i: int, may_be_text: bool) -> Any:
    """Give the end of an id, -1 where it is none, and its value."""
    if at(text, i) != 34:
        return whole(text, i, WHOLE_ROOM)
    start = i + 1
    i, number = whole(text, start, WHOLE_ROOM)
    return (i + 1, number) if may_be_text and 0 <= i - start <= 18 and at(text, i) == 34 else (-1, 0)


@compiled(**INLINE)
def read_time(text: Any, i: int, end: int, forms: int) -> Any:
    """Give the end of a time, -1 where it is none, and its ns."""
    if at(text, i) == 34:
        start = i + 1
        i, _ = skip_text(text, i, end)
        ns = iso_ns(text, start, i - 1) if i >= 0 and forms & ISO else -1
    else:
        i, number = whole(text, i, WHOLE_ROOM)
        ns = epoch_ns(number) if forms & EPOCH else -1
    return i if ns >= 0 else -1, ns


@compiled(**INLINE)
def read_number(text: Any, i: int, may_be_zero: bool) -> Any:
    """Give the end of a decimal, in quotes or not, -1 where it is none, and its value."""
    quoted = at(text, i) == 34
    i, value = decimal(text, i + quoted)
    if i < 0 or (value == 0.0 and not may_be_zero):
        return -1, value
    if not quoted:
        return i, value
    return i + 1 if at(text, i) == 34 else -1, value

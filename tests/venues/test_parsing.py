"""Numbers and times as venues write them."""

from datetime import UTC, datetime, timedelta, timezone
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.parsing import Unreadable, epoch_ns, iso_ns, number, time_ns

NS = 1_715_000_000_123_456_789
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def reason(read: object, value: object) -> str:
    """Give the reason why a value cannot be read."""
    assert callable(read)
    with pytest.raises(Unreadable) as caught:
        read(value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7.6110", 7.611),
        ("0", 0.0),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-7", 1e-7),
        ("+2E3", 2000.0),
        (3, 3.0),
        (2.5, 2.5),
        (10**300, 1e300),
    ],
)
def test_a_number_is_read(value: object, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    "value", ["", " 1", "1 ", "1_000", "1,5", "0x10", "١", "²", "1.2.3", ".", "e5", True, None, [1], {}]
)
def test_what_is_no_number_is_of_a_bad_type(value: object) -> None:
    assert reason(number, value) == "bad_type"


@pytest.mark.parametrize(
    "value",
    ["nan", "NaN", "-inf", "+Infinity", "1e400", "9" * 400, 10**400, -(10**400), float("nan"), float("inf")],
)
def test_a_number_that_is_not_finite_is_a_bad_price(value: object) -> None:
    assert reason(number, value) == "bad_price"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_comes_back_from_its_own_text(value: float) -> None:
    assert number(repr(value)) == number(value) == value


@given(st.text(alphabet="0123456789.eE+-_ nanif", max_size=12))
def test_text_is_read_as_python_reads_it_or_not_at_all(text: str) -> None:
    try:
        value = number(text)
    except Unreadable:
        return
    assert isfinite(value)
    assert value == float(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_715_000_000, 1_715_000_000_000_000_000),
        (1_715_000_000_123, 1_715_000_000_123_000_000),
        (1_715_000_000_123_456, 1_715_000_000_123_456_000),
        (NS, NS),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_magnitude_tells_the_unit(value: int, expected: int) -> None:
    assert epoch_ns(value) == time_ns(value) == time_ns(str(value)) == expected


@pytest.mark.parametrize("value", [-1, 2**63, 10**11 - 1, 10**40])
def test_a_number_outside_of_int64_is_no_time(value: int) -> None:
    assert reason(epoch_ns, value) == "bad_timestamp"


@given(st.integers(min_value=10**17, max_value=2**63 - 1))
def test_whole_nanoseconds_are_exact_as_number_and_as_text(ns: int) -> None:
    assert time_ns(ns) == time_ns(str(ns)) == time_ns(f"{ns}.9") == ns


@given(st.integers(min_value=10**18, max_value=9 * 10**18), st.integers(min_value=0, max_value=3))
def test_text_with_a_fraction_is_exact_in_every_unit(ns: int, unit: int) -> None:
    scale = 1000**unit
    assert (
        time_ns(f"{ns // (10**9 // scale)}.{ns % (10**9 // scale):0{9 - 3 * unit}d}" if unit < 3 else str(ns))
        == ns
    )


@given(st.integers(min_value=10**9, max_value=4 * 10**9), st.integers(min_value=0, max_value=999_999))
def test_a_json_fraction_of_seconds_keeps_its_microseconds(seconds: int, micros: int) -> None:
    assert time_ns(float(f"{seconds}.{micros:06d}")) == seconds * 10**9 + micros * 1000


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -1.5, 1e300, True, None, [], {}, "", "soon", "-5"]
)
def test_what_is_neither_text_nor_number_of_a_time_is_refused(value: object) -> None:
    assert reason(time_ns, value) == "bad_timestamp"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-05-06T12:53:20.123456789Z", NS),
        ("2024-05-06T12:53:20.1Z", 1_715_000_000_100_000_000),
        ("2024-05-06 12:53:20,123456789", NS),
        ("2024-05-06t12:53:20z", 1_715_000_000_000_000_000),
        ("2024-05-06T12:53", 1_714_999_980_000_000_000),
        ("2024-05-06T18:23:20.123456789+05:30", NS),
        ("2024-05-06T05:53:20.123456789-0700", NS),
        ("2024-05-06T13:53:20+01", 1_715_000_000_000_000_000),
        ("2262-04-11T23:47:16.854775807Z", 2**63 - 1),
    ],
)
def test_iso_8601_is_read_exactly(text: str, expected: int) -> None:
    assert iso_ns(text) == time_ns(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-06",
        "2024-05-06T12",
        "2024-13-06T12:53:20Z",
        "2024-02-30T12:53:20.5Z",
        "2024-05-06T24:00:00Z",
        "2024-05-06T12:53:60Z",
        "2024-05-06T12:53.5Z",
        "2024-05-06T12:53:20.Z",
        "2024-05-06T12:53:20.1234567890Z",
        "2024-05-06T12:53:20.12_4Z",
        "2024-05-06T12:53:20.١Z",
        "2024-05-06T12:53:20+24:00",
        "2024-05-06T12:53:20Z ",
        "2024-W19-1T12:53:20.5Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00+00:01",
        "2262-04-11T23:47:16.854775808Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "Z",
    ],
)
def test_what_is_not_iso_8601_is_refused(text: str) -> None:
    assert reason(iso_ns, text) == "bad_timestamp"


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2262, 1, 1)),
    st.integers(min_value=-23 * 60, max_value=23 * 60),
)
def test_iso_8601_agrees_with_datetime_at_every_offset(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert iso_ns(aware.isoformat()) == (aware - EPOCH) // timedelta(microseconds=1) * 1000


@given(st.text(alphabet="0123456789-T:.Z+eE ", max_size=30))
def test_a_time_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        ns = time_ns(text)
    except Unreadable as unreadable:
        ns = 0 if unreadable.reason == "bad_timestamp" else -1
    assert 0 <= ns < 2**63


def test_a_number_with_an_exponent_is_taken_as_it_is_written() -> None:
    assert time_ns("1.715000000123456789e9") == NS
    assert time_ns(1.7150000001234568e18) == 1_715_000_000_123_456_800

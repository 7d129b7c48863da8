"""Numbers, times and foreign text in words."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import wording
from tests.support.statuses import HOSTILE, anything


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (65012.3, 2, "65,012.30"),
        (0.0, 2, "0.00"),
        (-0.0, 0, "0"),
        (-0.001, 2, "0.00"),
        (-1.5, 1, "-1.5"),
        (1e300, 2, "1e+300"),
        (1.5e-9, 2, "1.5e-09"),
        (7, 2, "7.00"),
        (None, 2, "-"),
        (nan, 2, "-"),
        (inf, 2, "-"),
        (True, 2, "-"),
        ("1", 2, "-"),
        (10**400, 2, "-"),
    ],
)
def test_amounts_are_written_as_people_write_them(value: object, decimals: int, written: str) -> None:
    assert wording.amount(value, decimals) == written


@pytest.mark.parametrize(
    ("prices", "decimals"),
    [
        ((65012.3, 65012.25, None), 2),
        ((65012.0,), 2),
        ((0.00001234,), 8),
        ((0.1, 0.12, 0.125), 3),
        ((100.0, 0.5), 2),
        ((1 / 3,), 10),
        ((0.0,), 0),
        ((1e20, 1e-20), 2),
        ((), 0),
        ((None, nan), 0),
    ],
)
def test_prices_keep_the_decimals_that_they_have(prices: tuple[object, ...], decimals: int) -> None:
    assert wording.decimals_of(*prices) == decimals


@given(st.integers(0, 10**9), st.integers(0, 6))
def test_a_decimal_price_is_written_with_every_digit(units: int, decimals: int) -> None:
    price = units / 10**decimals
    assert float(wording.amount(price, wording.decimals_of(price)).replace(",", "")) == price


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0:00:00"), (83.9, "0:01:23"), (360_000, "100:00:00"), (-1, "0:00:00"), (None, "0:00:00")],
)
def test_a_duration_is_hours_minutes_seconds(seconds: object, written: str) -> None:
    assert wording.duration(seconds) == written


@pytest.mark.parametrize(
    ("ts_ns", "written"),
    [
        (1_700_000_000_000_000_000, "22:13:20"),
        (0, "00:00:00"),
        (-1, "23:59:59"),
        (None, "--:--:--"),
        (1.5, "--:--:--"),
    ],
)
def test_a_time_is_that_of_the_day_in_utc(ts_ns: object, written: str) -> None:
    assert wording.time_of_day(ts_ns) == written


@pytest.mark.parametrize(
    ("per_second", "written"), [(0, "0.0"), (9.94, "9.9"), (9.96, "10"), (1234.5, "1,234"), (None, "-")]
)
def test_a_rate_has_a_decimal_below_ten(per_second: object, written: str) -> None:
    assert wording.rate(per_second) == written


def test_foreign_text_loses_what_a_terminal_would_obey() -> None:
    assert wording.plain(HOSTILE) == r"[red]x[/red] [/] \x1b[2J\x07\x0d\x0a\u202e\ud800 :smile: 币安"


def test_long_text_is_cut() -> None:
    assert wording.plain("x" * 11, 10) == "xxxxxxx..."
    assert wording.plain("x" * 10, 10) == "x" * 10


@given(anything)
def test_nothing_is_too_strange_to_be_written(value: object) -> None:
    texts = [
        wording.plain(value), wording.count(value), wording.rate(value), wording.amount(value, 2),
        wording.duration(value), wording.time_of_day(value), str(wording.decimals_of(value)),
    ]  # fmt: skip
    assert all(text.isprintable() and len(text) < 2_000 for text in texts)
    assert all(isinstance(row, dict) for row in wording.rows({"x": value}, "x"))
    assert isinstance(wording.part(value, "x"), dict)

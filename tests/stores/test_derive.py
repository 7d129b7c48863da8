"""Ranges of bars, and the SQL of what is computed, against plain Python."""

import math
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.derive import bar_range, bars_sql, derived_columns


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


moments = st.integers(-(2**62), 2**62)
sizes = st.none() | st.floats(0, 1e300)
prices = st.none() | st.floats(-1e300, 1e300)


@settings(deadline=None)
@given(moments, moments, moments, st.integers(1, 2**61))
def test_a_trade_is_in_range_when_its_bar_starts_in_range(
    at: int, start: int, end: int, interval: int
) -> None:
    first, stop = bar_range(start, end, interval)
    assert stop is not None
    assert (first <= at < stop) == (start <= at // interval * interval < end)


def test_no_bar_starts_before_the_first_int64() -> None:
    first, stop = bar_range(None, None, 2**62)
    assert stop is None
    assert first // 2**62 * 2**62 >= -(2**63)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**63) + 2**62, 2**63 - 1), st.integers(1, 2**62))
def test_a_bar_starts_at_a_multiple_of_the_interval_before_1970_too(
    connection: duckdb.DuckDBPyConnection, at: int, interval: int
) -> None:
    trade = "(SELECT 'v' AS venue, 's' AS symbol, $at::BIGINT AS t, 1.0 AS price, NULL::DOUBLE AS size)"
    sql = bars_sql(trade, "t", "$interval", "min(price)", "max(price)")
    ((_, _, start, *_, trades),) = connection.sql(sql, params={"at": at, "interval": interval}).fetchall()
    assert (start, trades) == (at // interval * interval, 1)


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(prices, sizes, prices, sizes)
def test_derived_columns_follow_their_formulas(
    connection: duckdb.DuckDBPyConnection,
    bid: float | None,
    bid_size: float | None,
    ask: float | None,
    ask_size: float | None,
) -> None:
    values = {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size}
    row = ", ".join(f"${name}::DOUBLE AS {name}" for name in values)
    sql = f"SELECT {derived_columns()} FROM (SELECT {row})"
    (found,) = connection.sql(sql, params=values).fetchall()
    mid = spread = spread_bps = microprice = None
    if bid is not None and ask is not None:
        middle = (bid + ask) / 2
        mid, spread = finite(middle), finite(ask - bid)
        spread_bps = finite((ask - bid) / middle * 10000) if middle else None
        if bid_size is not None and ask_size is not None and bid_size + ask_size:
            microprice = finite((bid * ask_size + ask * bid_size) / (bid_size + ask_size))
    assert found == (mid, spread, spread_bps, microprice)

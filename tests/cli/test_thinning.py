"""Thinning: what can be seen of many points can be seen of those that are kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cli.thinning import KEPT_PER_COLUMN, Columns, Series, kept

POINT = st.tuples(st.integers(0, 500), st.floats(-1e6, 1e6))
POINTS = st.lists(POINT, min_size=40, max_size=200).map(sorted)
"""More than are kept without a choice."""


def arrays(points: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray, Columns]:
    """Give times, values, and a few columns over them."""
    times = np.array([at for at, _ in points], np.int64) + 10**18
    values = np.array([value for _, value in points], np.float64)
    return times, values, Columns(int(times[0]), int(times[-1]), 7)


@given(POINTS)
def test_first_last_lowest_and_highest_of_every_column_are_kept(points: list[tuple[int, float]]) -> None:
    times, values, columns = arrays(points)
    places = kept(times, values, columns)
    of_all, of_kept = columns.of(times), columns.of(times[places])
    for column in np.unique(of_all):
        before, after = values[of_all == column], values[places][of_kept == column]
        assert (before[0], before[-1], before.min(), before.max()) == (
            after[0], after[-1], after.min(), after.max(),
        )  # fmt: skip


@given(POINTS)
def test_what_is_kept_is_little_and_in_order(points: list[tuple[int, float]]) -> None:
    times, values, columns = arrays(points)
    places = kept(times, values, columns)
    assert np.all(np.diff(places) > 0)
    assert len(places) <= KEPT_PER_COLUMN * columns.count
    assert (values[places].min(), values[places].max()) == (values.min(), values.max())


@given(POINTS, st.integers(1, 50))
def test_thinning_on_the_way_shows_the_same(points: list[tuple[int, float]], step: int) -> None:
    times, values, columns = arrays(points * 40)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    series = Series(columns)
    for start in range(0, len(times), step * 10):
        series.add(times[start : start + step * 10], values[start : start + step * 10])
    drawn, heights = series.points()
    places = kept(times, values, columns)
    assert series.seen == len(times)
    assert len(drawn) <= KEPT_PER_COLUMN * columns.count
    for column in np.unique(columns.of(times)):
        one = heights[columns.of(drawn) == column]
        other = values[places][columns.of(times[places]) == column]
        assert (one[0], one[-1], one.min(), one.max()) == (other[0], other[-1], other.min(), other.max())


def test_few_points_are_all_kept() -> None:
    times = np.arange(28, dtype=np.int64)
    assert kept(times, np.zeros(28), Columns(0, 27, 7)).tolist() == list(range(28))


def test_what_is_not_there_is_no_point() -> None:
    series = Series(Columns(0, 2, 5))
    series.add(np.arange(3), np.array([1.0, np.nan, 3.0]))
    assert [each.tolist() for each in series.points()] == [[0, 2], [1.0, 3.0]]
    assert series.seen == 2


def test_the_whole_of_time_has_columns_too() -> None:
    times = np.array([0, 2**62, 2**63 - 1], np.int64)
    assert Columns(0, 2**63 - 1, 4).of(times).tolist() == [0, 2, 3]

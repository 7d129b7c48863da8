"""Draw many points with few: of each column of pixels the first, the last, the lowest and the highest.

A line through these covers the same pixels as a line through all of them, so nothing that could be seen is
lost. What was thinned may be thinned again together with more, with the same result as at once.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
KEPT_PER_COLUMN = 4


@dataclass(frozen=True, slots=True)
class Columns:
    """A stretch of time, cut into columns of equal width."""

    start_ns: int
    end_ns: int
    """Inclusive: the last point's time."""
    count: int

    def of(self, times: Int64s) -> Int64s:
        """Give the column of each time."""
        width = max(1, self.end_ns - self.start_ns + 1) / self.count
        return np.clip((times - self.start_ns) / width, 0, self.count - 1).astype(np.int64)


def kept(times: Int64s, values: Floats, columns: Columns) -> npt.NDArray[np.intp]:
    """Give the places of the points to keep, in order; `times` ascend, and no value is NaN.

    All of them are kept where there are no more than four a column.
    """
    count = len(times)
    if count <= KEPT_PER_COLUMN * columns.count:
        return np.arange(count)
    column = columns.of(times)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    lasts = np.append(starts[1:], count) - 1
    # Within each column by value; the sort is stable, so that the first of equals is taken.
    by_value = np.lexsort((values, column))
    return np.unique(np.concatenate((starts, lasts, by_value[starts], by_value[lasts])))


@dataclass(slots=True)
class Series:
    """Points of one line as they come in, thinned whenever there are many."""

    columns: Columns
    seen: int = 0
    """How many there were."""
    _times: list[Int64s] = field(default_factory=list)
    _values: list[Floats] = field(default_factory=list)
    _held: int = 0

    def add(self, times: Int64s, values: Floats) -> None:
        """Take points that are no earlier than those before; those that are NaN are none."""
        valid = ~np.isnan(values)
        times, values = times[valid], values[valid]
        self.seen += len(times)
        self._held += len(times)
        self._times.append(times)
        self._values.append(values)
        if self._held > 16 * KEPT_PER_COLUMN * self.columns.count:
            self.points()

    def points(self) -> tuple[Int64s, Floats]:
        """Give what is to be drawn."""
        times = np.concatenate(self._times) if self._times else np.empty(0, np.int64)
        values = np.concatenate(self._values) if self._values else np.empty(0)
        places = kept(times, values, self.columns)
        self._times, self._values, self._held = [times[places]], [values[places]], len(places)
        return self._times[0], self._values[0]

"""The compiled kernel as a thing: its signature, what it refuses, what it shares with other modules."""

import numpy as np
import pytest

from core import kernels, records, scoring, symbol_state
from core.records import Scores

COLUMNS = ((np.int8, 2), (np.float64, 4))


def arguments(n: int, window: int = 4) -> list[object]:
    state = symbol_state.SymbolState.empty(window)
    columns = [np.ones(n, dtype) for dtype, count in COLUMNS for _ in range(count)]
    numbers, codes = np.empty((1 + kernels.FEATURES, n)), np.empty((2, n), np.int8)
    rules = (2, 2.5, 4.0, 1e-8, 0.0)
    return [state.floats.copy(), state.counters.copy(), *rules, *columns, numbers, codes]


SIZE, NUMBERS = 10, 13


def test_what_the_kernel_shares_with_other_modules_is_the_same_there() -> None:
    for name in ("TRADE", "QUOTE", "OK", "WARN", "REJECT", "NO_REASON", "CROSSED_MARKET", "CRITICAL_Z"):
        assert getattr(kernels, name) == getattr(records, name), name
    for name in ("FEATURES", "RINGS", "COUNTERS"):
        assert getattr(kernels, name) == getattr(symbol_state, name), name
    for name in ("PRICES", "VOLUMES", "SIGNED_VOLUMES", "SPREADS"):
        assert getattr(kernels, name) == getattr(scoring, name), name


def test_features_stand_in_the_order_of_the_columns_of_scores() -> None:
    names = list(Scores.__dataclass_fields__)[3:]
    assert [getattr(kernels, name.upper()) for name in names] == list(range(kernels.FEATURES))


def test_writable_and_read_only_columns_are_taken_by_the_one_compiled_version() -> None:
    writable, read_only = arguments(3), arguments(3)
    for column in read_only[7:13]:
        records.freeze(column)  # type: ignore[arg-type]
    kernels.score_ticks(*writable)  # type: ignore[arg-type]
    kernels.score_ticks(*read_only)  # type: ignore[arg-type]
    np.testing.assert_array_equal(writable[NUMBERS], read_only[NUMBERS])
    assert len(kernels.score_ticks.signatures) == 1  # type: ignore[attr-defined]


def test_nothing_is_ever_compiled_at_a_call() -> None:
    wrong = arguments(3)
    wrong[SIZE] = np.ones(3, np.float32)
    with pytest.raises(TypeError):
        kernels.score_ticks(*wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", range(8, 13))
def test_columns_of_different_lengths_are_refused(place: int) -> None:
    wrong = arguments(3)
    wrong[place] = wrong[place][:2]  # type: ignore[index]
    with pytest.raises(ValueError, match="differ in length"):
        kernels.score_ticks(*wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [13, 14])
def test_results_of_another_length_are_refused(place: int) -> None:
    wrong = arguments(3)
    wrong[place] = arguments(2)[place]
    with pytest.raises(ValueError, match="block's length"):
        kernels.score_ticks(*wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [0, 1])
def test_a_state_of_another_shape_is_refused(place: int) -> None:
    wrong = arguments(3)
    wrong[place] = wrong[place][1:].copy()  # type: ignore[index]
    with pytest.raises(ValueError, match="state"):
        kernels.score_ticks(*wrong)  # type: ignore[arg-type]

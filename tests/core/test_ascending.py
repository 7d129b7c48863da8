"""Numbers that came in ascending order, against a plain list of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.ascending import Ascending

STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.integers(1, 4), min_size=1, max_size=90)), max_size=8
)


@given(STEPS, st.integers(1, 120))
def test_it_finds_what_it_kept_and_nothing_else(steps: list[tuple[int, list[int]]], most: int) -> None:
    """Each step leaves out some ordinals, then takes numbers so far apart; then only the newest are kept."""
    held, model, ordinal, number = Ascending(), [], 0, -50
    for left_out, distances in steps:
        ordinal += left_out
        ids = (number + np.cumsum(distances)).tolist()
        held.append(ordinal, ids)
        model += list(enumerate(ids, ordinal))
        ordinal, number = ordinal + len(ids), ids[-1]
        held.keep(most)
        model = model[-most:]
        assert held.items() == model
        assert len(held) == len(model)
        assert held.highest == number
    kept = {identity: place for place, identity in model}
    for identity in range(-60, number + 5):
        assert held.ordinal_of(identity) == kept.get(identity)


def test_room_is_bounded_by_what_is_kept() -> None:
    held = Ascending()
    for first in range(0, 100_000, 500):
        held.append(first, list(range(first, first + 500)))
        held.keep(1_000)
    assert len(held._ids) <= 4 * 1_500
    assert held.ordinal_of(99_000) == 99_000
    assert held.ordinal_of(98_999) is None

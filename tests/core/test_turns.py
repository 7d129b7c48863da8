"""Asking many a few at a time."""

from hypothesis import given
from hypothesis import strategies as st

from core.turns import in_turn


@given(st.lists(st.integers(), unique=True, max_size=50), st.integers(0, 20), st.integers(0, 1_000))
def test_all_have_had_their_turn_after_as_many_turns_as_it_takes(
    of: list[int], most: int, first: int
) -> None:
    turns = max(1, -(-len(of) // max(1, most)))
    given_out = [one for turn in range(first, first + turns) for one in in_turn(of, most, turn)]
    assert sorted(given_out) == sorted(of)
    assert all(len(in_turn(of, most, turn)) <= max(1, most) for turn in range(turns))

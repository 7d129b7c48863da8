"""Many are asked a few at a time, in turn."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def in_turn(of: Sequence[T], most: int, turn: int) -> Sequence[T]:
    """Give those of a turn, at most so many, at least one; after as many turns as it takes all were given."""
    most = max(1, most)
    pieces = -(-len(of) // most)
    if pieces < 2:
        return of
    start = turn % pieces * most
    return of[start : start + most]

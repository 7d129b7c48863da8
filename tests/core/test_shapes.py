"""What a shape may declare."""

from typing import Any

import pytest

from core.records import BUY, TRADE
from core.shapes import MAX_NAMES, Shape

PLAIN: dict[str, Any] = {"kind": TRADE, "symbol": "s", "price": "p", "size": "q", "id": "i", "seq": "n"}


def test_fields_are_named_by_ours() -> None:
    assert Shape(**PLAIN).named == {"symbol": "s", "price": "p", "size": "q", "id": "i", "seq": "n"}


def test_one_field_may_be_both_id_and_sequence_number() -> None:
    assert Shape(**PLAIN | {"seq": "i"}).seq == "i"


def test_the_frame_and_its_container_may_use_the_same_key() -> None:
    assert Shape(**PLAIN, container="s", ending=("p", "x")).container == "s"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"size": "p"}, "two meanings"),
        ({"time": "i"}, "two meanings"),
        ({"literals": {"p": "x"}}, "two meanings"),
        ({"absent": ("p",)}, "two meanings"),
        ({"ending": ("p", "x")}, "two meanings"),
        ({"container": "d", "ending": ("d", "x")}, "two meanings"),
        ({"absent": tuple(f"k{i}" for i in range(MAX_NAMES))}, "more than"),
        ({"optional": frozenset(("price",))}, "optional"),
        ({"optional": frozenset(("bid_size",))}, "optional"),
        ({"side": "d", "sides": {'"aggressor"': BUY}}, "characters"),
        ({"side": "d", "sides": {'"ü"': BUY}}, "ASCII"),
        ({"side": "d", "sides": {"true": 2}}, "something else"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Shape(**PLAIN | more)

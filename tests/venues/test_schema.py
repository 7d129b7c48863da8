"""Why a message does not fit its type."""

from typing import Any

import pytest
from msgspec import Struct

from venues.parsing import Unreadable
from venues.schema import EpochTime, Number, Whole, fault, parse, parse_object, value_fault


class Print(Struct, rename={"price": "p"}):
    """A message with a field of each type."""

    symbol: str
    price: Number
    id: Whole
    time: EpochTime
    size: Number | None = None


GOOD: dict[str, Any] = {"symbol": "A", "p": "1.5", "id": 7, "time": 1_715_000_000_000}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"p": None}, "missing_field"),
        ({"p": "abc"}, "bad_type"),
        ({"p": True}, "bad_type"),
        ({"p": "nan"}, "bad_price"),
        ({"p": "1e400"}, "bad_price"),
        ({"p": float("inf")}, "bad_price"),
        ({"p": 10**400}, "bad_price"),
        ({"size": "-inf"}, "bad_price"),
        ({"time": "soon"}, "bad_timestamp"),
        ({"time": -1}, "bad_timestamp"),
        ({"id": 2**63}, "bad_type"),
        ({"symbol": 5}, "bad_type"),
        ({"symbol": 5, "id": None}, "missing_field"),
    ],
)
def test_the_field_that_does_not_fit_gives_the_reason(change: dict[str, Any], reason: str) -> None:
    assert fault(Print, GOOD | change) == reason


def test_a_value_that_fits_has_no_fault() -> None:
    assert value_fault(Number, "1.5") is None
    assert value_fault(Number | None, None) is None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"NaN", "malformed_json"),
        (b'{"a":"\xff"}', "malformed_json"),
        (b'"\\ud800"', "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
    ],
)
def test_what_cannot_be_parsed_has_a_reason(frame: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(frame)
    assert caught.value.reason == reason


def test_numbers_too_large_for_a_float_are_infinite() -> None:
    assert parse(b"[1e400,-1e400]") == [float("inf"), float("-inf")]
    assert parse(b"9" * 5000) == float("inf")


def test_an_integer_of_too_many_digits_does_not_hide_the_rest_of_an_event() -> None:
    digits = b"9" * 5000
    frame = b' {"data":{"p":' + digits + b',"s":"A"},"deep":{"x":{"y":[' + digits + b"]}},"
    frame += b'"list":[' + digits + b"]}"
    assert parse(frame) == {"data": {"p": float("inf"), "s": "A"}, "deep": {"x": {}}, "list": []}


def test_an_object_is_wanted_where_one_is() -> None:
    assert parse_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(Unreadable) as caught:
        parse_object(b"[1]")
    assert caught.value.reason == "bad_type"

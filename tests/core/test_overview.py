"""How everything stands, as values that JSON can hold."""

import json
from math import nan

import pytest

from core.ledger import Counts
from core.overview import cut_ledger, symbol_row
from core.standing import Standing


def test_a_line_of_the_table_is_something_that_json_can_hold() -> None:
    row = symbol_row("f", "S", Standing(last=1.5, z=nan, ticks=3, rejects=1), 2.5)
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        "feed": "f", "symbol": "S", "last": 1.5, "bid": None, "ask": None, "spread_mean": None, "vwap": None,
        "momentum": None, "z": None, "ticks": 3, "rejects": 1, "ticks_per_second": 2.5,
    }  # fmt: skip


@pytest.mark.parametrize("value", [nan, float("inf"), float("-inf")])
def test_what_is_no_number_is_shown_as_absent(value: float) -> None:
    assert symbol_row("f", "S", Standing(momentum=value), 0.0)["momentum"] is None


def test_the_ledger_of_a_cut_keeps_the_stores_apart() -> None:
    """Upstream counts are shared; a writer's, with what it holds, are its store's own."""

    def counts(**given: int) -> Counts:
        return {("f", name): n for name, n in given.items()}

    reports = {
        "connection": (counts(received=5), counts()),
        "detector": (counts(dead_letter=1), counts(in_flight=1)),
        "writer/a": (counts(stored=3), counts()),
        "writer/b": (counts(stored=1), counts(in_flight=2)),
    }
    writers = {"writer/a": "a", "writer/b": "b", "writer/silent": "silent"}
    ledger = cut_ledger(reports, writers)
    assert ledger.shared == counts(received=5, dead_letter=1, in_flight=1)
    assert ledger.stores == {"a": counts(stored=3), "b": counts(stored=1, in_flight=2)}
    assert ledger.balanced


def test_a_store_that_was_removed_comes_last_and_lacks_what_was_not_sent_to_it() -> None:
    reports: dict[str, tuple[Counts, Counts]] = {
        "detector": (
            {("f", "received"): 9, ("f", "sent"): 9, ("f", "sent_to.a"): 9, ("f", "sent_to.b"): 4},
            {},
        ),
        "writer/a": ({("f", "stored"): 9}, {}),
    }
    ledger = cut_ledger(reports, {"writer/a": "a"}, {"b": {("f", "stored"): 4}})
    assert ledger.balanced
    told = ledger.as_json()
    assert list(told["stores"]) == ["a", "b"]
    assert (told["stores"]["a"]["shed"], told["stores"]["b"]["shed"]) == (0, 5)

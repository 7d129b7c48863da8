"""The canonical tables."""

import pytest

from core.errors import PermanentStoreError, UsageError
from stores.derive import DERIVED_SQL
from stores.schema import DERIVED, RESULTS, TABLES, TIES, TIMES, check_rows, result
from tests.stores.making import empty, ticks

TICKS = """
    venue symbol kind ts_event_ns ts_recv_ns price size side bid bid_size ask ask_size venue_id verdict z vwap
    spread_mean momentum imbalance volatility session line frame item
"""
PROMISED = {
    "ticks": f"{TICKS} mid spread spread_bps microprice",
    "rejects": f"{TICKS} reason raw",
    "gaps": "venue symbol line cause first_missing last_missing ts_recv_ns session frame item",
    "alerts": "ts_ns kind feed symbol actor text held_back",
    "dead_letters": "venue symbol session line frame item ts_recv_ns actor error raw",
    "bars": "venue symbol ts_ns open high low close volume vwap trades",
}


def test_the_columns_are_those_that_users_were_promised() -> None:
    assert {name: schema.names for name, schema in RESULTS.items()} == {
        name: columns.split() for name, columns in PROMISED.items()
    }
    assert TABLES["ticks"].names == TICKS.split()
    assert [TABLES[name] for name in TABLES if name != "ticks"] == [
        RESULTS[name] for name in TABLES if name != "ticks"
    ]


def test_every_column_is_described_and_typed_as_promised() -> None:
    for schema in RESULTS.values():
        for field in schema:
            assert (field.metadata or {})[b"comment"]
            if field.name.endswith("_ns") or field.name in ("session", "frame"):
                assert str(field.type) == "int64"
            assert str(field.type) in {"string", "int64", "int32", "double", "binary"}
            assert (field.name == "item") == (str(field.type) == "int32")


def test_times_ties_and_derived_columns_name_columns_that_exist() -> None:
    for table, schema in TABLES.items():
        assert {*TIMES[table], *TIES[table]} <= set(schema.names)
    assert list(DERIVED_SQL) == DERIVED.names


def test_rows_are_checked_against_their_table() -> None:
    check_rows("ticks", ticks())
    with pytest.raises(PermanentStoreError, match="not of the schema of gaps"):
        check_rows("gaps", empty("alerts"))


def test_an_unknown_result_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="there are alerts, bars, dead_letters, gaps, rejects, ticks"):
        result("tick")

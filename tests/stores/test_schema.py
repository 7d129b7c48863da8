"""The canonical tables."""

import pytest

from core.errors import PermanentStoreError, UsageError
from stores.derive import DERIVED_SQL
from stores.schema import DERIVED, RESULTS, TABLES, TIES, TIMES, check_rows, result
from tests.stores.making import empty, ticks

TICK_COLUMNS = (
    "venue symbol kind ts_event_ns ts_recv_ns price size side bid bid_size ask ask_size venue_id verdict z vwap "
    "spread_mean momentum imbalance volatility session line frame item"
).split()  # fmt: skip


def test_the_columns_are_those_that_users_were_promised() -> None:
    assert TABLES["ticks"].names == TICK_COLUMNS
    assert TABLES["rejects"].names == [*TICK_COLUMNS, "reason", "raw"]
    assert TABLES["gaps"].names == (
        "venue symbol line cause first_missing last_missing ts_recv_ns session frame item".split()
    )
    assert TABLES["alerts"].names == "ts_ns kind feed symbol actor text held_back".split()
    assert TABLES["dead_letters"].names == (
        "venue symbol session line frame item ts_recv_ns actor error raw".split()
    )
    assert RESULTS["ticks"].names == [*TICK_COLUMNS, "mid", "spread", "spread_bps", "microprice"]
    assert RESULTS["bars"].names == "venue symbol ts_ns open high low close volume vwap trades".split()


def test_every_column_is_described_and_typed_as_promised() -> None:
    for schema in RESULTS.values():
        for field in schema:
            assert field.metadata[b"comment"]
            wanted = "int64" if field.name.endswith("_ns") or field.name in ("session", "frame") else None
            assert str(field.type) == (wanted or str(field.type))
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

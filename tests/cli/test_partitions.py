"""Partitions: names that give the symbol back, and rows that are all somewhere, in their order."""

from datetime import date
from urllib.parse import unquote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.partitions import NULL, Partition, parted, symbol_name, symbol_of
from core.errors import UsageError
from stores.schema import BARS, TICKS

SYMBOLS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
DAY_NS = 86_400 * 10**9


@given(st.none() | SYMBOLS | st.sampled_from([NULL, ".", "..", "a/b", "a=b", "%2F", "BTC USD", "比特币"]))
def test_a_name_gives_its_symbol_back_and_is_one_name(symbol: str | None) -> None:
    name = symbol_name(symbol)
    assert symbol_of(name) == symbol
    assert name.isascii()
    assert not set("/\\\0:*? ") & set(name)
    assert (symbol is None) == (name == f"symbol={NULL}")
    assert symbol is None or unquote(name.removeprefix("symbol=")) == symbol


@given(SYMBOLS, SYMBOLS)
def test_two_symbols_have_two_names(one: str, other: str) -> None:
    assert (symbol_name(one) == symbol_name(other)) == (one == other)


def test_a_symbol_that_no_file_system_takes_is_told() -> None:
    with pytest.raises(UsageError, match="too long for the name of a directory"):
        symbol_name("🚀" * 30)


def test_the_path_is_as_hive_has_it() -> None:
    assert Partition(date(2026, 1, 15), "BTC/USD").path == "date=2026-01-15/symbol=BTC%2FUSD"


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from(["A", "B", "C/D"]),
            st.none() | st.integers(0, 3 * DAY_NS),
            st.integers(0, 3 * DAY_NS),
        ),
        max_size=30,
    )
)
def test_every_row_is_in_its_partition_once_and_in_order(
    rows: list[tuple[str | None, int | None, int]],
) -> None:
    table = [
        {"symbol": symbol, "ts_event_ns": event, "ts_recv_ns": received, "frame": frame}
        for frame, (symbol, event, received) in enumerate(rows)
    ]
    batch = pa.RecordBatch.from_pylist(table, schema=TICKS)
    found = dict(parted("ticks", batch))
    expected: dict[Partition, list[int]] = {}
    for frame, (symbol, event, received) in enumerate(rows):
        day = (received if event is None else event) // DAY_NS
        expected.setdefault(Partition(date(1970, 1, 1 + day), symbol), []).append(frame)
    assert {partition: part["frame"].to_pylist() for partition, part in found.items()} == expected
    assert all("symbol" not in part.schema.names for part in found.values())


def test_bars_go_by_their_start() -> None:
    batch = pa.RecordBatch.from_pylist([{"symbol": "A", "ts_ns": DAY_NS}], schema=BARS)
    assert [partition.path for partition, _ in parted("bars", batch)] == ["date=1970-01-02/symbol=A"]

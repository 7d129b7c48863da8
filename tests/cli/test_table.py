"""Rows for people."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from cli.table import table
from stores.schema import ALERTS, REJECTS, RESULTS, TICKS

T0 = 1_768_487_400_000_000_000


def lines_of(schema: pa.Schema, rows: list[dict[str, Any]], width: int | None = None) -> list[str]:
    batches = pa.Table.from_pylist(rows, schema=schema).to_batches()
    return b"".join(table(schema, batches, width)).decode().split("\n")[:-1]


TRADE = {
    "venue": "demo",
    "symbol": "BTC-USD",
    "kind": "trade",
    "ts_event_ns": T0,
    "price": 67123.45,
    "size": 0.1 + 0.2,
}
QUOTE = {
    "venue": "demo",
    "symbol": "ETH-USD",
    "kind": "quote",
    "ts_event_ns": T0 + 1,
    "bid": 3300.0,
    "ask": 3300.1,
}


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    schema = pa.schema([TICKS.field(name) for name in ("symbol", "ts_event_ns", "price", "size", "bid")])
    assert lines_of(schema, [TRADE, QUOTE]) == [
        "symbol   ts_event_ns                        price  size   bid",
        "-------  ------------------------------  --------  ----  ----",
        "BTC-USD  2026-01-15T14:30:00Z            67123.45   0.3",
        "ETH-USD  2026-01-15T14:30:00.000000001Z                  3300",
    ]


def test_without_a_width_every_column_is_shown() -> None:
    assert lines_of(TICKS, [TRADE])[0].split() == TICKS.names


def test_a_width_leaves_out_empty_columns_and_names_them() -> None:
    head, _, row, _, note = lines_of(TICKS, [TRADE], 200)
    assert head.split() == ["venue", "symbol", "kind", "ts_event_ns", "price", "size"]
    assert row.split() == ["demo", "BTC-USD", "trade", "2026-01-15T14:30:00Z", "67123.45", "0.3"]
    assert note.startswith("not shown, as empty or too wide: ts_recv_ns, side, bid,")


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    head = lines_of(TICKS, [TRADE | {"line": "demo/0/A", "session": 1}], 48)[0]
    assert head.split() == ["symbol", "kind", "ts_event_ns", "price"]


def test_the_receive_time_stands_in_where_there_is_no_event_time() -> None:
    row = {"venue": "demo", "symbol": "A", "ts_recv_ns": T0}
    assert lines_of(TICKS, [row], 30)[0].split() == ["symbol", "ts_recv_ns"]


def test_a_long_text_is_cut_to_what_is_left() -> None:
    row = {
        "ts_ns": T0,
        "kind": "warn",
        "feed": "demo",
        "symbol": "BTC-USD",
        "actor": "a",
        "text": "word " * 30,
    }
    head, _, line, *_ = lines_of(ALERTS, [row], 80)
    assert head.split() == ["ts_ns", "kind", "symbol", "text"]
    assert len(line) == 80
    assert line.endswith("…")


def test_nothing_in_a_cell_can_steer_the_terminal() -> None:
    row = {"reason": "malformed_json", "raw": b'\x1b[31m\xff\n"', "venue": "\u202ex\x07"}
    cells = lines_of(REJECTS, [row], 120)[2].split()
    assert cells == ["\\u202ex\\x07", "malformed_json", '\\x1b[31m\\xff\\x0a"']


def test_wide_characters_take_two_cells() -> None:
    schema = pa.schema([TICKS.field("symbol"), TICKS.field("kind")])
    lines = lines_of(schema, [{"symbol": "日本株", "kind": "trade"}, {"symbol": "A", "kind": "quote"}])
    assert lines[2:] == ["日本株  trade", "A       quote"]


def test_later_rows_widen_a_column() -> None:
    schema = pa.schema([TICKS.field("symbol"), TICKS.field("kind")])
    rows = [{"symbol": "A", "kind": "trade"}] * 1_000 + [{"symbol": "LONGER-NAME", "kind": "trade"}]
    lines = lines_of(schema, rows)
    assert (lines[2], lines[-1]) == ("A       trade", "LONGER-NAME  trade")


def test_of_nothing_a_table_is_a_header() -> None:
    for schema in RESULTS.values():
        header, rule = lines_of(schema, [])
        assert header.split() == schema.names
        assert set(rule) == {"-", " "}


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5), st.integers(40, 120))
def test_no_line_is_wider_than_the_terminal(texts: list[str], width: int) -> None:
    rows = [{"ts_ns": T0, "kind": "warn", "actor": "a", "text": text, "held_back": 3} for text in texts]
    lines = lines_of(ALERTS, rows, width)
    shown = lines[: 2 + len(rows)]
    assert len(lines) >= len(shown) == 2 + len(rows)
    assert max(map(cell_len, shown)) <= width

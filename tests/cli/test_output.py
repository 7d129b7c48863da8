"""Rows for other programs: CSV, JSON lines and Parquet."""

import csv as standard_csv
import io
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.output import csv, json_lines, parquet, sliced
from stores.schema import RESULTS, TICKS

COLUMNS: dict[str, pa.DataType] = {
    "ts_ns": pa.int64(),
    "item": pa.int32(),
    "price": pa.float64(),
    "text": pa.utf8(),
    "raw": pa.binary(),
}
SCHEMA = pa.schema(COLUMNS)
AWKWARD_TEXT = st.text(st.sampled_from("\",\r\n'; \x00\\aé日\U0001f600"), max_size=6)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float),
        st.none() | AWKWARD_TEXT | st.text(max_size=6),
        st.none() | st.binary(max_size=6),
    ),
    max_size=8,
)
SIZES = st.integers(1, 4)


def table_of(rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def batches_of(rows: list[tuple[Any, ...]], size: int = 3) -> Iterator[pa.RecordBatch]:
    yield from table_of(rows).to_batches(max_chunksize=size)


def csv_text(rows: list[tuple[Any, ...]], size: int = 3) -> str:
    return b"".join(csv(SCHEMA, batches_of(rows, size))).decode()


class TestCsv:
    @pytest.mark.slow
    @settings(deadline=None)
    @given(ROWS, SIZES)
    def test_is_read_back_by_the_standard_library(self, rows: list[tuple[Any, ...]], size: int) -> None:
        header, *read = standard_csv.reader(io.StringIO(csv_text(rows, size), newline=""), strict=True)
        assert header == SCHEMA.names
        assert len(read) == len(rows)
        for fields, (ts_ns, item, price, text, raw) in zip(read, rows, strict=True):
            assert fields[0] == ("" if ts_ns is None else str(ts_ns))
            assert fields[1] == str(item)
            assert fields[2] == "" if price is None else same_float(float(fields[2]), price)
            assert fields[3] == (text or "")
            assert b64decode(fields[4], validate=True) == (raw or b"")

    def test_tells_an_empty_text_from_null(self) -> None:
        assert csv_text([(None, 1, None, "", b""), (None, 1, None, None, None)]).splitlines()[1:] == [
            ',1,,"",""',
            ",1,,,",
        ]

    def test_quotes_only_what_needs_it(self) -> None:
        lines = csv_text([(1, 2, 0.5, "BTC-USD", b"a"), (1, 2, 0.5, 'say "a, b"', b"")])
        assert lines.splitlines()[1:] == ["1,2,0.5,BTC-USD,YQ==", '1,2,0.5,"say ""a, b""",""']

    def test_writes_floats_so_that_they_look_like_floats(self) -> None:
        rows: list[tuple[Any, ...]] = [(1, 1, price, None, None) for price in (3.0, -0.0, 1e22, 5e-324, 0.1)]
        fields = [line.split(",")[2] for line in csv_text(rows).splitlines()[1:]]
        assert fields == ["3.0", "-0.0", "1e+22", "5e-324", "0.1"]

    def test_writes_what_is_not_finite_as_python_reads_it(self) -> None:
        rows: list[tuple[Any, ...]] = [(1, 1, price, None, None) for price in (math.nan, math.inf, -math.inf)]
        fields = [line.split(",")[2] for line in csv_text(rows).splitlines()[1:]]
        assert fields == ["nan", "inf", "-inf"]

    def test_of_nothing_is_a_header(self) -> None:
        for schema in RESULTS.values():
            assert b"".join(csv(schema, [])).decode() == ",".join(schema.names) + "\n"


class TestJson:
    @pytest.mark.slow
    @settings(deadline=None)
    @given(ROWS, SIZES)
    def test_is_read_back_by_the_standard_library(self, rows: list[tuple[Any, ...]], size: int) -> None:
        lines = b"".join(json_lines(SCHEMA, batches_of(rows, size))).decode().split("\n")
        assert lines.pop() == ""
        assert len(lines) == len(rows)
        for line, (ts_ns, item, price, text, raw) in zip(lines, rows, strict=True):
            read = json.loads(line)
            assert list(read) == SCHEMA.names
            assert (read["ts_ns"], read["item"], read["text"]) == (ts_ns, item, text)
            assert read["price"] is None if price is None else same_float(read["price"], price)
            assert read["raw"] == (None if raw is None else b64encode(raw).decode())

    def test_has_null_for_what_is_not_finite(self) -> None:
        rows: list[tuple[Any, ...]] = [(1, 1, price, None, None) for price in (math.nan, math.inf, -math.inf)]
        lines = b"".join(json_lines(SCHEMA, batches_of(rows))).splitlines()
        assert [json.loads(line)["price"] for line in lines] == [None, None, None]

    def test_of_nothing_is_empty(self) -> None:
        assert b"".join(json_lines(SCHEMA, [])) == b""


class TestParquet:
    @pytest.mark.slow
    @settings(deadline=None)
    @given(ROWS, SIZES)
    def test_is_read_back_whole(self, rows: list[tuple[Any, ...]], size: int) -> None:
        read = pq.read_table(io.BytesIO(b"".join(parquet(SCHEMA, batches_of(rows, size)))))
        assert read.equals(table_of(rows))

    def test_keeps_the_comments_of_columns(self) -> None:
        read = pq.read_schema(io.BytesIO(b"".join(parquet(TICKS, []))))
        assert read.equals(TICKS, check_metadata=True)

    def test_gathers_small_batches(self) -> None:
        rows: list[tuple[Any, ...]] = [(n, n, None, None, None) for n in range(50)]
        file = pq.ParquetFile(io.BytesIO(b"".join(parquet(SCHEMA, batches_of(rows, 1)))))
        assert file.num_row_groups == 1


class TestSlices:
    @pytest.mark.slow
    @settings(deadline=None)
    @given(ROWS, SIZES)
    def test_together_are_what_was_cut(self, rows: list[tuple[Any, ...]], size: int) -> None:
        slices = list(sliced(batches_of(rows, size)))
        assert pa.Table.from_batches(slices, SCHEMA).equals(table_of(rows))
        assert all(batch.num_rows for batch in slices)

    def test_of_wide_rows_are_short(self) -> None:
        wide = pa.record_batch({"raw": pa.array([bytes(1 << 20)] * 20)})
        assert max(batch.nbytes for batch in sliced([wide])) <= 16 << 20

    def test_of_narrow_rows_are_bounded_too(self) -> None:
        narrow = pa.record_batch({"item": pa.array(range(40_000), pa.int32())})
        assert [batch.num_rows for batch in sliced([narrow])] == [16_384, 16_384, 7_232]


def same_float(one: float, other: float) -> bool:
    return one == other and math.copysign(1.0, one) == math.copysign(1.0, other)

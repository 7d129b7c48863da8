"""Rows as binary COPY, against the format spelled out value by value."""

import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.postgres_binary import HEADER, TRAILER, encoded

VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.utf8(): st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    pa.binary(): st.binary(max_size=8),
}
FORMATS = {pa.int32(): "!i", pa.int64(): "!q", pa.float64(): "!d"}


def plain(kind: pa.DataType, value: Any) -> bytes:
    """Encode one field."""
    if value is None:
        return struct.pack("!i", -1)
    if kind in FORMATS:
        content = struct.pack(FORMATS[kind], value)
    else:
        content = value.replace("\0", "\ufffd").encode() if isinstance(value, str) else value
    return struct.pack("!i", len(content)) + content


def plainly(rows: pa.Table) -> bytes:
    """Encode row by row."""
    columns = [[plain(field.type, value) for value in rows[field.name].to_pylist()] for field in rows.schema]
    return b"".join(
        struct.pack("!h", len(columns)) + b"".join(fields) for fields in zip(*columns, strict=True)
    )


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Draw tables, some of several chunks, with columns that have NULLs or not, or one value only."""
    kinds = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=6))
    lengths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
    chunks = []
    for length in lengths:
        columns = []
        for kind in kinds:
            value = VALUES[kind]
            values = draw(st.sampled_from([value, st.none() | value, st.just(draw(value)), st.none()]))
            columns.append(pa.array(draw(st.lists(values, min_size=length, max_size=length)), kind))
        chunks.append(pa.table(columns, names=[str(i) for i in range(len(kinds))]))
    return pa.concat_tables(chunks)


@given(tables(), st.integers(0, 15), st.integers(0, 15))
def test_the_bytes_are_those_of_the_format(rows: pa.Table, start: int, length: int) -> None:
    part = rows.slice(start, length)
    assert bytes(encoded(part)) == plainly(part)


def test_what_a_null_hides_is_not_written() -> None:
    content = pa.py_buffer(b"secret")
    offsets = pa.py_buffer(struct.pack("=3i", 0, 3, 6))
    hidden = pa.Array.from_buffers(pa.utf8(), 2, [pa.py_buffer(b"\x02"), offsets, content])
    assert hidden.to_pylist() == [None, "ret"]
    assert bytes(encoded(pa.table([hidden], names=["a"]))) == plainly(pa.table([hidden], names=["a"]))


def test_no_rows_are_no_bytes() -> None:
    assert bytes(encoded(pa.table([pa.array([], pa.utf8())], names=["a"]))) == b""


def test_a_file_begins_and_ends_as_the_manual_says() -> None:
    assert b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0) == HEADER
    assert struct.pack("!h", -1) == TRAILER


def test_a_column_of_another_type_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="date32"):
        encoded(pa.table([pa.array([1], pa.date32())], names=["a"]))

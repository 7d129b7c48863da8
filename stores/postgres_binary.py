"""Rows of Arrow as PostgreSQL's binary COPY takes them, column by column instead of value by value.

The format (PostgreSQL's manual, COPY, "Binary Format"): a header; per row the number of its fields as
int16, and per field its length as int32 (-1: NULL) and its bytes, all big-endian; a trailer.

Every row has its own length, so a field begins anywhere. A view with a stride of one byte has an item at
every byte, and writes one field of all rows in one assignment.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_NULL: Final = -1
_PREFIX: Final = 4
_NUMBERS: Final = {pa.int32(): 4, pa.int64(): 8, pa.float64(): 8}
_TEXTS: Final = (pa.utf8(), pa.binary())
_NUL: Final = "\0"
_REPLACEMENT: Final = "\ufffd"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column's fields, in row order; those that are NULL are only in `null`."""

    rows: int
    null: npt.NDArray[np.bool_] | None
    """Which rows are NULL; None where none is, or all are."""
    lengths: int | npt.NDArray[np.int32]
    """In bytes; a number where all are as long, which is -1 where all are NULL."""
    content: npt.NDArray[Any]
    """An item a field where all are as long, else the bytes of all."""

    def is_even(self) -> bool:
        """Tell whether the fields of all rows take as many bytes."""
        return self.null is None and isinstance(self.lengths, int)

    def sizes(self) -> int | Places:
        """Give how many bytes each row's field takes, its length included."""
        if self.null is None and isinstance(self.lengths, int):
            return _PREFIX + max(self.lengths, 0)
        sizes = np.full(self.rows, _PREFIX, np.int64)
        sizes[slice(None) if self.null is None else ~self.null] += self.lengths
        return sizes

    def item_size(self) -> int:
        """Give how many bytes are written at once."""
        return _PREFIX + (max(self.lengths, 0) if isinstance(self.lengths, int) else 0)


def encoded(rows: pa.Table) -> memoryview:
    """Give the rows as the middle of a COPY, between HEADER and TRAILER.

    The columns are int32, int64, float64, utf8 or binary: int4, int8, float8, text and bytea to PostgreSQL.
    Its text cannot hold NUL, which becomes U+FFFD, as halves of surrogate pairs do.
    """
    if not rows.num_rows:
        return memoryview(b"")
    columns = [_column(column) for column in rows.columns]
    sizes = [column.sizes() for column in columns]
    ends = np.cumsum(sum(sizes, np.full(rows.num_rows, 2, np.int64)))
    total = int(ends[-1])
    # What follows the last byte is room for the last items of the views.
    out = np.empty(total + sum(column.item_size() for column in columns), np.uint8)
    at = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    _everywhere(out, ">i2")[at] = len(columns)
    at += 2
    for even, group in groupby(zip(columns, sizes, strict=True), key=lambda each: each[0].is_even()):
        if even:
            even_ones = [column for column, _ in group]
            _put_even(out, at, even_ones)
            at += sum(column.item_size() for column in even_ones)
        else:
            for column, size in group:
                _put(out, at, column)
                at += size
    return out.data[:total]


def _put_even(out: npt.NDArray[np.uint8], at: Places, columns: list[_Column]) -> None:
    """Write neighbouring columns in one piece a row: most columns of most rows can be."""
    layout: list[tuple[str, npt.DTypeLike]] = []
    for number, column in enumerate(columns):
        layout += [(f"length{number}", ">i4"), (f"content{number}", column.content.dtype.newbyteorder(">"))]
    fields = np.empty(len(at), layout)
    for number, column in enumerate(columns):
        fields[f"length{number}"], fields[f"content{number}"] = column.lengths, column.content
    whole = fields.view(f"V{fields.dtype.itemsize}")
    _everywhere(out, whole.dtype)[at] = whole


def _put(out: npt.NDArray[np.uint8], at: Places, column: _Column) -> None:
    if column.null is not None:
        _everywhere(out, ">i4")[at[column.null]] = _NULL
        at = at[~column.null]
    if isinstance(column.lengths, int):
        _put_even(out, at, [column])
    else:
        _everywhere(out, ">i4")[at] = column.lengths
        before = np.cumsum(column.lengths, dtype=np.int64) - column.lengths
        out[np.repeat(at + _PREFIX - before, column.lengths) + np.arange(len(column.content))] = (
            column.content
        )


def _everywhere(out: npt.NDArray[np.uint8], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """View the bytes as items that begin at every byte, and so overlap."""
    dtype = np.dtype(kind)
    return np.ndarray((len(out) - dtype.itemsize + 1,), dtype, buffer=out, strides=(1,))


def _column(column: Any) -> _Column:
    array: Any = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    null = None
    if array.null_count == len(array):
        return _Column(len(array), None, _NULL, np.empty(len(array), "V0"))
    if array.null_count:
        null = array.is_null().to_numpy(zero_copy_only=False)
        array = array.drop_null()
    if array.type in _NUMBERS:
        return _Column(len(column), null, _NUMBERS[array.type], array.to_numpy())
    if array.type in _TEXTS:
        return _Column(len(column), null, *_texts(array))
    raise TypeError(f"no column of {array.type} is stored")


def _texts(array: Any) -> tuple[int | npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Give the lengths and contents of fields of which none is NULL."""
    offsets, content = _buffers(array)
    if array.type == pa.utf8() and not content.all():
        offsets, content = _buffers(pc.replace_substring(array, _NUL, _REPLACEMENT))
    lengths = np.diff(offsets)
    if not len(lengths) or not lengths[0] or (lengths != lengths[0]).any():
        return lengths, content
    return int(lengths[0]), content.view(f"V{lengths[0]}")


def _buffers(array: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    _, offsets, content = array.buffers()
    starts = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4)
    size = int(starts[-1] - starts[0])
    if not size:
        return starts, np.empty(0, np.uint8)
    return starts, np.frombuffer(content, np.uint8, size, int(starts[0]))

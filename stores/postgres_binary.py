"""Rows of Arrow as PostgreSQL's binary COPY takes them, column by column instead of value by value.

The format (PostgreSQL's manual, COPY, "Binary Format"): a header; per row the number of its fields as
int16, and per field its length as int32 (-1: NULL) and its bytes, all big-endian; a trailer.

Every row has its own length, so a field begins anywhere. A view with a stride of one byte has an item at
every byte, and writes one field of all rows in one assignment.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_NULL: Final = -1
_PREFIX: Final = 4
_NUMBERS: Final = {pa.int32(): ">i4", pa.int64(): ">i8", pa.float64(): ">f8"}
_TEXTS: Final = (pa.utf8(), pa.binary())
_NUL: Final = "\0"
_REPLACEMENT: Final = "\ufffd"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column's fields, in row order; those that are NULL are only in `null`."""

    rows: int
    null: npt.NDArray[np.bool_] | None
    """Which rows are NULL; None where none is."""
    lengths: int | npt.NDArray[np.int32]
    """In bytes; a number where all are as long."""
    content: npt.NDArray[Any]
    """An item a field where all are as long, else the bytes of all."""

    def sizes(self) -> int | Places:
        """Give how many bytes each row's field takes, its length included."""
        if self.null is None and isinstance(self.lengths, int):
            return _PREFIX + self.lengths
        sizes = np.full(self.rows, _PREFIX, np.int64)
        sizes[slice(None) if self.null is None else ~self.null] += self.lengths
        return sizes

    def item_size(self) -> int:
        """Give how many bytes are written at once."""
        return _PREFIX + (self.lengths if isinstance(self.lengths, int) else 0)


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
    out = np.empty(total + max(column.item_size() for column in columns), np.uint8)
    at = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    _everywhere(out, ">i2")[at] = len(columns)
    at += 2
    for column, size in zip(columns, sizes, strict=True):
        _put(out, at, column)
        at += size
    return out.data[:total]


def _put(out: npt.NDArray[np.uint8], at: Places, column: _Column) -> None:
    lengths, content = column.lengths, column.content
    if column.null is not None:
        _everywhere(out, ">i4")[at[column.null]] = _NULL
        at = at[~column.null]
    if isinstance(lengths, int):
        # The length and its field are written in one piece.
        fields = np.empty(len(at), [("length", ">i4"), ("content", content.dtype)])
        fields["length"], fields["content"] = lengths, content
        whole = fields.view(f"V{fields.dtype.itemsize}")
        _everywhere(out, whole.dtype)[at] = whole
    else:
        _everywhere(out, ">i4")[at] = lengths
        before = np.cumsum(lengths, dtype=np.int64) - lengths
        out[np.repeat(at + _PREFIX - before, lengths) + np.arange(len(content))] = content


def _everywhere(out: npt.NDArray[np.uint8], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """View the bytes as items that begin at every byte, and so overlap."""
    dtype = np.dtype(kind)
    return np.ndarray((len(out) - dtype.itemsize + 1,), dtype, buffer=out, strides=(1,))


def _column(column: Any) -> _Column:
    array: Any = column.combine_chunks()
    null = None
    if array.null_count:
        null = array.is_null().to_numpy(zero_copy_only=False)
        array = array.drop_null()
    if array.type in _NUMBERS:
        kind = np.dtype(_NUMBERS[array.type])
        return _Column(len(column), null, kind.itemsize, array.to_numpy().astype(kind))
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

"""Rows as InfluxDB's line protocol, in bulk, and texts back from it.

    ticks,kind=trade,line=spot/0/A,run=live-1,symbol=BTC-USD,venue=demo price=1,frame=7i 1700000000000000707

A point is identified by its measurement, its tags and its time, and a second point of the same identity
replaces the first. So that rows are kept apart, and a row that is written again falls upon itself, identity
is made of the row's origin, and of nothing that depends on the batch:

- the line is a tag, and so is the session as `run`: live or replay, and its number modulo 16, for a tag
  must not have ever more values;
- the point's time is the row's, of which the digits below a millisecond give way to the row's place on its
  line, (101 · frame + item) mod 10^6. Many rows have one time, and a venue's clock rarely tells more than
  milliseconds; those of one millisecond stay in the order in which they came. A row without an origin (of
  `alerts`) has a checksum of what it says instead. The row's own times are fields, and all that our reader
  goes by.

Two rows fall together only if line, run, symbol, kind and millisecond are the same and the place is so by
chance. Of rows less than 9,900 frames apart, among the first 101 items of their frames, no two do; of others
one pair in 10^6.

What the protocol cannot carry is written otherwise. Line breaks and other control characters, and `%`, are
`%` and two hexadecimal digits (so is `\\` in tags, where it would escape what follows); an empty tag is a
lone `%`. Infinite floats are left out, and are noted with -0 (which JSON readers make 0 of) in the
field `odd`, as `price=inf`. Bytes are base64. NULL is an absent tag or field.
"""

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stores.schema import BYTES, FLOAT, TABLES, TEXT, TIES, TIMES

ODD: Final = "odd"
RUN: Final = "run"
PLACES_NS: Final = 10**6
"""A row and its point have the same whole number of these in their times."""
EARLIEST_NS: Final = -(2**63 // PLACES_NS) * PLACES_NS
LATEST_NS: Final = 2**63 // PLACES_NS * PLACES_NS - 1
"""The first and last times that InfluxDB takes, in whole milliseconds; times beyond become these."""

_RUNS: Final = 16
_FRAME_PLACES: Final = 101
_ROWS_AT_ONCE: Final = 10_000
_HIDDEN_IN_FIELDS: Final = re.compile(r"[%\x00-\x1f\x7f]")
_HIDDEN_IN_TAGS: Final = re.compile(r"[%\x00-\x1f\x7f\\]")
_NEEDS_CARE: Final = r'[%\x00-\x1f\x7f\\"]'
_HEXADECIMAL: Final = re.compile(r"%([0-9A-F]{2})")
_EMPTY_TAG: Final = "%"
_AROUND: Final = {TEXT: ('"', '"'), BYTES: ('"', '"'), FLOAT: ("", "")}
"""What stands before and behind a field's value; behind a whole number an `i`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a table are tags, and which are fields."""

    tags: tuple[str, ...]
    """In the order in which the server keeps them. Only what has few values: each combination is a series."""
    fields: tuple["pa.Field[Any]", ...]


def _layout(table: str, *tags: str) -> Layout:
    fields = [field for field in TABLES[table] if field.name not in tags]
    # A line must begin with a field that is never NULL.
    fields.sort(key=lambda field: field.name not in ("session", "ts_ns"))
    return Layout(tuple(sorted(tags)), tuple(fields))


LAYOUTS: Final[Mapping[str, Layout]] = {
    "ticks": _layout("ticks", "kind", "line", "symbol", "venue"),
    # Symbols that were refused may be anything, and so ever more.
    "rejects": _layout("rejects", "line", "venue"),
    "gaps": _layout("gaps", "cause", "line", "symbol", "venue"),
    "alerts": _layout("alerts", "actor", "feed", "kind", "symbol"),
    "dead_letters": _layout("dead_letters", "line", "venue"),
}


def bodies(table: str, rows: pa.Table, limit_bytes: int) -> Iterator[bytes]:
    """Give the rows as lines, whole ones, so many bytes at most a body; a longer line has its own."""
    for start in range(0, rows.num_rows, _ROWS_AT_ONCE):
        yield from _cut(lines(table, rows.slice(start, _ROWS_AT_ONCE)), limit_bytes)


def lines(table: str, rows: pa.Table) -> Any:
    """Give each row as a line that ends with its only line feed: an Arrow array of text."""
    layout = LAYOUTS[table]
    columns = {name: rows[name].combine_chunks() for name in rows.column_names}
    tags = {name: _tag(columns[name]) for name in layout.tags}
    if "session" in columns:
        tags[RUN] = _runs(_numbers(columns["session"]))
    parts: list[Any] = [table]
    for name in sorted(tags):
        parts += _named(f",{name}=", tags[name])
    for number, field in enumerate(layout.fields):
        column = columns[field.name]
        if column.null_count < len(column):
            before, behind = _AROUND.get(field.type, ("", "i"))
            parts += _named(f"{',' if number else ' '}{field.name}={before}", _value(column), behind)
    if (odd := _odd({name: column for name, column in columns.items() if column.type == FLOAT})) is not None:
        parts += _named(f',{ODD}="', odd, '"')
    return _joined(*parts, " ", pa.array(_times(table, columns)).cast(TEXT), "\n")


def _named(before: str, values: Any, behind: str = "") -> list[Any]:
    """Give what is joined to lines for one tag or field: as it stands where no value is NULL."""
    if isinstance(values, str) or not values.null_count:
        return [before, values, behind]
    return [pc.binary_join_element_wise(before, values, behind, "", null_handling="emit_null")]


def _joined(*parts: Any) -> Any:
    """Join texts, some of them the same for all rows, in one pass; NULL is left out."""
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return pc.binary_join_element_wise(*merged, "", null_handling="skip")


def run_of(session: int) -> str:
    """Give the tag that narrows a search for a session down."""
    return f"{'replay' if session < 0 else 'live'}-{session % _RUNS}"


def hidden(text: str, *, tag: bool) -> str:
    """Give a text as it is kept in a tag or in a field: without what the protocol cannot carry."""
    if tag and not text:
        return _EMPTY_TAG
    return (_HIDDEN_IN_TAGS if tag else _HIDDEN_IN_FIELDS).sub(lambda found: f"%{ord(found[0]):02X}", text)


def shown(text: str) -> str:
    """Give the text that `hidden` was given."""
    if text == _EMPTY_TAG:
        return ""
    return _HEXADECIMAL.sub(lambda found: chr(int(found[1], 16)), text) if "%" in text else text


def _times(table: str, columns: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    times = np.clip(_numbers(pc.coalesce(*(columns[name] for name in TIMES[table]))), EARLIEST_NS, LATEST_NS)
    if "frame" in columns:
        places = _numbers(columns["frame"]) * _FRAME_PLACES + _numbers(columns["item"])
    else:
        places = _checksums(columns, (*TIMES[table], *TIES[table]))
    return times - times % PLACES_NS + places % PLACES_NS


def _checksums(columns: Mapping[str, Any], names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    said = zip(*(columns[name].to_pylist() for name in names), strict=True)
    texts = ("\x1f".join("" if word is None else str(word) for word in row) for row in said)
    return np.array([zlib.crc32(text.encode()) for text in texts], np.int64)


def _runs(sessions: npt.NDArray[np.int64]) -> Any:
    if len(sessions) and (sessions == sessions[0]).all():
        return run_of(int(sessions[0]))
    known, places = np.unique(sessions, return_inverse=True)
    return pa.array(np.array([run_of(int(session)) for session in known], object)[places], TEXT)


def _numbers(column: Any) -> npt.NDArray[np.int64]:
    return np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def _tag(column: Any) -> Any:
    """Give a tag's values, as one text where all rows have the same."""
    words = column.dictionary_encode()
    kept = [_escaped_tag(hidden(word, tag=True)) for word in words.dictionary.to_pylist()]
    if len(kept) == 1 and not column.null_count:
        return kept[0]
    return pa.array(kept, TEXT).take(words.indices)


def _escaped_tag(text: str) -> str:
    return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def _value(column: Any) -> Any:
    """Give what stands behind the field's name, but for what is around it; NULL where it is left out."""
    if column.type == TEXT:
        return _careful(column)
    if column.type == BYTES:
        encoded = [None if raw is None else base64.b64encode(raw).decode() for raw in column.to_pylist()]
        return pa.array(encoded, TEXT)
    if column.type == FLOAT and not pc.all(pc.is_finite(column)).as_py():
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, FLOAT))
    return column.cast(TEXT)


def _careful(column: Any) -> Any:
    if not pc.any(pc.match_substring_regex(column, _NEEDS_CARE)).as_py():
        return column
    words = column.dictionary_encode()
    kept = [
        hidden(word, tag=False).replace("\\", "\\\\").replace('"', '\\"')
        for word in words.dictionary.to_pylist()
    ]
    return pa.array(kept, TEXT).take(words.indices)


def _odd(columns: Mapping[str, Any]) -> Any:
    """Give the names and values of the floats that do not arrive as a field; None where all do."""
    notes: dict[int, list[str]] = {}
    for name, column in columns.items():
        values = column.fill_null(1.0).to_numpy(zero_copy_only=False)
        odd = ~np.isfinite(values) | ((values == 0) & np.signbit(values))
        for row in np.flatnonzero(odd).tolist():
            notes.setdefault(row, []).append(f"{name}={values[row]}")
    if not notes:
        return None
    rows = len(next(iter(columns.values())))
    return pa.array([" ".join(notes[row]) if row in notes else None for row in range(rows)], TEXT)


def _cut(text: Any, limit_bytes: int) -> Iterator[bytes]:
    """Cut an array of text into bodies, between its elements."""
    _, offsets, content = text.buffers()
    ends = np.frombuffer(offsets, np.int32)[text.offset + 1 : text.offset + len(text) + 1]
    start = int(np.frombuffer(offsets, np.int32)[text.offset])
    while len(ends):
        count = max(int(np.searchsorted(ends, start + limit_bytes, side="right")), 1)
        stop = int(ends[count - 1])
        yield content[start:stop].to_pybytes()
        start, ends = stop, ends[count:]

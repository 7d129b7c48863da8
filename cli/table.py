"""Rows as a table for people: aligned columns, readable times, and on a terminal no wider than it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from rich.cells import cell_len, set_cell_size

from cli.output import sliced
from cli.times import utc_text
from cli.wording import plain

_TIMES: Final = ("ts_event_ns", "ts_ns", "ts_recv_ns")
_FIRST: Final = (
    *("symbol", "kind", "cause", "reason", "text", "error", "price", "size", "bid", "ask"),
    *("open", "high", "low", "close", "volume", "raw", "side", "verdict", "z", "venue", "mid", "vwap"),
)
"""What a narrow terminal shows rather than the rest, in this order, behind the time."""
_MAY_BE_CUT: Final = ("text", "error", "raw")
_SHORTEST_CUT: Final = 20
_BETWEEN: Final = "  "
_SHOWN_CHARACTERS: Final = 200
_SHOWN_RAW: Final = 60
_PAGE_ROWS: Final = 1_000
_DIGITS: Final = 10
Cells = Mapping[str, Sequence[str]]


def table(schema: pa.Schema, batches: Iterable[pa.RecordBatch], width: int | None = None) -> Iterator[bytes]:
    """Write an aligned table in UTF-8: NULL is empty, floats are rounded to 10 digits, times are UTC.

    With a width, columns that are empty or do not fit are left out and named below. Column widths are
    those of the first 1,000 rows; what follows may widen them, but not beyond a given width.
    """
    numbers = {field.name for field in schema if _is_number(field)}
    widths: dict[str, int] = {}
    for cells in _pages(schema, batches):
        if not widths:
            widths = _chosen(cells, width)
            yield _head(widths, numbers)
        if width is None:
            widths = {name: max(wide, _width(cells[name])) for name, wide in widths.items()}
        yield _lines(zip(*(cells[name] for name in widths), strict=True), widths, numbers)
    if not widths:
        widths = _chosen({name: [name] for name in schema.names}, width)
        yield _head(widths, numbers)
    if left_out := [name for name in schema.names if name not in widths]:
        yield f"\nnot shown, as empty or too wide: {', '.join(left_out)}\n".encode()


def _pages(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Cells]:
    for batch in sliced(batches):
        for start in range(0, batch.num_rows, _PAGE_ROWS):
            columns = zip(schema, batch.slice(start, _PAGE_ROWS).columns, strict=True)
            yield {field.name: _shown(field, column) for field, column in columns}


def _is_number(field: Any) -> bool:
    """Tell what is aligned to the right."""
    is_number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    return is_number and not _is_time(field)


def _is_time(field: Any) -> bool:
    return bool(field.name.endswith("_ns") and pa.types.is_int64(field.type))


def _shown(field: Any, column: Any) -> list[str]:
    return ["" if value is None else _cell(value, _is_time(field)) for value in column.to_pylist()]


def _cell(value: Any, is_time: bool) -> str:
    match value:
        case int():
            return utc_text(value) if is_time else str(value)
        case float():
            return f"{value:.{_DIGITS}g}"
        case bytes():
            # One more than is shown, so that what was cut looks it.
            return plain(value[: _SHOWN_RAW + 1].decode("utf-8", "backslashreplace"), _SHOWN_RAW)
    text = str(value)
    return text if text.isprintable() and len(text) <= _SHOWN_CHARACTERS else plain(text, _SHOWN_CHARACTERS)


def _width(cells: Sequence[str]) -> int:
    return max(map(_cell_width, cells))


def _cell_width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)


def _chosen(cells: Cells, width: int | None) -> dict[str, int]:
    """Give the columns to show, with their widths, in the order of the cells."""
    widths = {name: _width([name, *column]) for name, column in cells.items()}
    if width is None:
        return widths
    filled = [name for name, column in cells.items() if any(column)]
    chosen: dict[str, int] = {}
    room = width + len(_BETWEEN)
    for name in sorted(filled, key=lambda name: _rank(name, filled)):
        wanted = widths[name] + len(_BETWEEN)
        if name in _MAY_BE_CUT and wanted > room >= _SHORTEST_CUT:
            wanted = room
        if wanted <= room:
            chosen[name] = wanted - len(_BETWEEN)
            room -= wanted
    return {name: chosen[name] for name in cells if name in chosen}


def _rank(name: str, filled: Sequence[str]) -> int:
    if name == next((time for time in _TIMES if time in filled), None):
        return -1
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _head(widths: Mapping[str, int], numbers: set[str]) -> bytes:
    return _lines([list(widths), ["-" * width for width in widths.values()]], widths, numbers)


def _lines(rows: Iterable[Sequence[str]], widths: Mapping[str, int], numbers: set[str]) -> bytes:
    places = [(width, name in numbers) for name, width in widths.items()]
    lines = (
        _BETWEEN.join(_aligned(cell, *place) for cell, place in zip(row, places, strict=True)) for row in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines).encode()


def _aligned(cell: str, width: int, to_the_right: bool) -> str:
    missing = width - _cell_width(cell)
    if missing < 0:
        return f"{set_cell_size(cell, width - 1)}…"
    return " " * missing + cell if to_the_right else cell + " " * missing

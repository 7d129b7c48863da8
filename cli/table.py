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
    "symbol", "kind", "cause", "reason", "text", "error", "price", "size", "bid", "ask", "open", "high", "low",
    "close", "volume", "side", "verdict", "z", "venue", "mid", "vwap",
)  # fmt: skip
"""What a narrow terminal shows rather than the rest, in this order, behind the time."""
_BETWEEN: Final = "  "
_SHOWN_CHARACTERS: Final = 200
_SHOWN_RAW_BYTES: Final = 60
_SHORTEST_CUT: Final = 20
"""A text that does not fit is cut to what is left, but not below this."""
_PAGE_ROWS: Final = 1_000
_DIGITS: Final = 10
Cells = Mapping[str, Sequence[str]]


def table(schema: pa.Schema, batches: Iterable[pa.RecordBatch], width: int | None = None) -> Iterator[bytes]:
    """Write an aligned table in UTF-8: NULL is empty, floats are rounded to 10 digits, times are UTC.

    With a width, columns that are empty or do not fit are left out and named below. Widths are those of
    the first 1,000 rows; later ones may only widen them.
    """
    numbers = {field.name for field in schema if not _is_text(field)}
    widths: dict[str, int] = {}
    for cells in _pages(schema, batches):
        is_first = not widths
        names = _chosen(cells, width) if is_first else widths
        widths = {
            name: max(names[name], _width(cells[name])) if width is None else names[name] for name in names
        }
        yield _lines(cells, widths, numbers, is_first)
    if not widths:
        widths = {name: len(name) for name in schema.names}
        yield _lines({}, widths, numbers, True)
    yield _left_out([name for name in schema.names if name not in widths])


def _pages(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Cells]:
    for batch in sliced(batches):
        for start in range(0, batch.num_rows, _PAGE_ROWS):
            page = batch.slice(start, _PAGE_ROWS)
            yield {
                field.name: _shown(field, column) for field, column in zip(schema, page.columns, strict=True)
            }


def _is_text(field: Any) -> bool:
    return _is_time(field) or not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))


def _is_time(field: Any) -> bool:
    return bool(field.name.endswith("_ns") and pa.types.is_integer(field.type))


def _shown(field: Any, column: Any) -> list[str]:
    return ["" if value is None else _cell(value, _is_time(field)) for value in column.to_pylist()]


def _cell(value: Any, is_time: bool) -> str:
    match value:
        case int():
            return utc_text(value) if is_time else str(value)
        case float():
            return f"{value:.{_DIGITS}g}"
        case bytes():
            return plain(value[: _SHOWN_RAW_BYTES + 1].decode("utf-8", "backslashreplace"), _SHOWN_RAW_BYTES)
    return plain(str(value), _SHOWN_CHARACTERS)


def _width(cells: Sequence[str]) -> int:
    return max(map(cell_len, cells))


def _chosen(cells: Cells, width: int | None) -> dict[str, int]:
    """Give the columns to show, with their widths, in the order of the cells."""
    widths = {name: max(len(name), _width(column)) for name, column in cells.items()}
    if width is None:
        return widths
    filled = [name for name, column in cells.items() if any(column)]
    chosen: dict[str, int] = {}
    room = width + len(_BETWEEN)
    for name in sorted(filled, key=lambda name: _rank(name, filled)):
        wanted = widths[name] + len(_BETWEEN)
        if wanted > room and wanted > _SHORTEST_CUT and name in ("text", "error", "raw"):
            wanted = max(_SHORTEST_CUT, room)
        if wanted <= room:
            chosen[name] = wanted - len(_BETWEEN)
            room -= wanted
    return {name: chosen[name] for name in cells if name in chosen}


def _rank(name: str, filled: Sequence[str]) -> int:
    if name == next((time for time in _TIMES if time in filled), None):
        return -1
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _lines(cells: Cells, widths: Mapping[str, int], numbers: set[str], with_header: bool) -> bytes:
    rows: list[Sequence[str]] = list(zip(*(cells[name] for name in widths), strict=True)) if cells else []
    if with_header:
        rows = [list(widths), ["-" * width for width in widths.values()], *rows]
    lines = (
        _BETWEEN.join(
            _aligned(cell, width, name in numbers)
            for cell, (name, width) in zip(row, widths.items(), strict=True)
        ).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _aligned(cell: str, width: int, to_the_right: bool) -> str:
    missing = width - cell_len(cell)
    if missing < 0:
        return set_cell_size(cell, width - 1) + "…"
    return " " * missing + cell if to_the_right else cell + " " * missing


def _left_out(names: Sequence[str]) -> bytes:
    if not names:
        return b""
    return f"\nnot shown, since empty or too wide: {', '.join(names)}\n".encode()

"""Statistics of a lake's files: what lets a query skip them, ours and that of any other tool.

Every column that Delta Lake keeps bounds of gets them: for a column without, delta-rs's own dataset
claims bounds of NULL, and a filter on it finds no row at all.
"""

import json
import math
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
from deltalake import DeltaTable

from stores.lake_files import LakeFiles
from stores.schema import BYTES, TABLES, TEXT, TIMES

DATE: Final = pa.field("date", pa.date32())
"""The partition: the date (UTC) of a row's time."""
_Columns = dict[str, list[Any]]
_PREFIX: Final = 32
_LAST_CHARACTER: Final = "\U0010ffff"


def statistics(rows: pa.Table, written: pq.FileMetaData) -> str:
    """Give a file's statistics as the JSON of its add action; what the file tells is not sought again."""
    columns = _chunks(written)
    bounds = {field.name: _bounds(rows, columns, field) for field in rows.schema if field.type != BYTES}
    told = {
        "numRecords": rows.num_rows,
        "minValues": {name: bound[0] for name, bound in bounds.items() if bound is not None},
        "maxValues": {name: bound[1] for name, bound in bounds.items() if bound is not None},
        "nullCount": {name: rows[name].null_count for name in rows.schema.names},
    }
    return json.dumps(told, allow_nan=False)


def dataset_of(handle: DeltaTable, table: str, files: LakeFiles) -> pa_dataset.Dataset:
    """Give a table's rows as of the handle's last look; a column that an older file lacks is NULL there."""
    schema = pa.schema((*TABLES[table], DATE))
    bounded = [name for name in (*TIMES[table], "session", "line", "frame") if name in schema.names]
    wanted = [f"{kind}.{name}" for kind in ("null_count", "min", "max") for name in bounded]
    actions: pa.Table = pa.table(handle.get_add_actions(flatten=True))
    columns = [name for name in ("path", f"partition.{DATE.name}", *wanted) if name in actions.column_names]
    filesystem = files.filesystem
    layout = pa_dataset.ParquetFileFormat()
    fragments = [
        layout.make_fragment(file["path"], filesystem, _guarantee(file, bounded))
        for file in actions.select(columns).to_pylist()
    ]
    return pa_dataset.FileSystemDataset(fragments, schema, layout, filesystem)


def _guarantee(file: dict[str, Any], bounded: list[str]) -> pc.Expression:
    """Say what is true of every row of a file."""
    date = pa.scalar(file[f"partition.{DATE.name}"], DATE.type)
    sure: pc.Expression = pa_dataset.field(DATE.name) == date
    for name in bounded:
        least, most = file.get(f"min.{name}"), file.get(f"max.{name}")
        if file.get(f"null_count.{name}") == 0 and least is not None and most is not None:
            column = pa_dataset.field(name)
            # Arrow concludes more from one value than from bounds that are equal.
            sure &= column == least if least == most else (column >= least) & (column <= most)
    return sure


def _bounds(rows: pa.Table, columns: _Columns, field: "pa.Field[Any]") -> tuple[Any, Any] | None:
    least, most = _extremes(columns[field.name]) or _sought(rows[field.name])
    if least is None or (isinstance(least, float) and not (math.isfinite(least) and math.isfinite(most))):
        return None
    if isinstance(least, str):
        return least[:_PREFIX], most if len(most) <= _PREFIX else most[:_PREFIX] + _LAST_CHARACTER
    return least, most


def _chunks(written: pq.FileMetaData) -> _Columns:
    """Give each column's statistics, one a row group."""
    groups = [written.row_group(number) for number in range(written.num_row_groups)]
    names = written.schema.names
    return {name: [group.column(place).statistics for group in groups] for place, name in enumerate(names)}


def _extremes(chunks: list[Any]) -> tuple[Any, Any] | None:
    """Give the least and greatest value, None where a row group does not tell: it keeps no long texts."""
    bounded = [chunk for chunk in chunks if chunk is not None and chunk.has_min_max]
    if not bounded or len(bounded) < len(chunks):
        return None
    return min(chunk.min for chunk in bounded), max(chunk.max for chunk in bounded)


def _sought(column: Any) -> tuple[Any, Any]:
    plain = column.cast(TEXT) if pa.types.is_dictionary(column.type) else column
    found: Any = pc.min_max(plain).as_py()
    return found["min"], found["max"]

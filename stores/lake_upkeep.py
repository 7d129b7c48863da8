"""Upkeep of a lake table: many small files become few, old dates go, and what nobody needs is deleted.

delta-rs's own compaction is not used: it puts no transaction identifier into its commit, and of two that
start from the same state both succeed, after which every row is there twice. Ours is a commit like any
other, so a predecessor that hangs in a compaction cannot finish it. What it merges it sorts by symbol, so
that a query for one symbol skips the row groups of the rest.

A date whose last row is older than rows are to be kept goes as a whole, in a commit that names its files no
more. Files are deleted an hour after they fell out of use: a query may run that long. The transaction
identifiers are kept for ever: a checkpoint carries them all, and no retention is set for them.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
from deltalake.transaction import AddAction, RemoveAction

from stores.lake_table import DAY_NS, LakeTable, repeated
from stores.schema import TABLES, TEXT, TIES
from stores.times import times_of

RETENTION_HOURS: Final = 1
_EPOCH: Final = date(1970, 1, 1).toordinal()
_CODED: Final = pa.dictionary(pa.int32(), TEXT)
_SORTED_BYTES: Final = 2**30
"""Rows that take more memory are merged as they come: sorting needs as much again, and a column of text
cannot be sorted beyond twice this. Only rows that compress unusually well get there."""

File = dict[str, Any]
"""`path`, `size_bytes`, `modification_time`, and `partition` with the date."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """When upkeep is due, and how much it does at a time."""

    small_files: int = 100
    """So many files are added before they are made one."""
    target_bytes: int = 32 * 2**20
    """Files of this size are left alone, and no more than this is read in one go."""
    target_rows: int = 500_000
    """No more rows than this are merged in one go, and files of half as many are left alone: rows that
    compress well are many in few bytes, and their writer waits for as long as they take, about a second."""
    vacuum_seconds: float = 3600.0
    """So long after files were deleted, and dates looked at, they are again."""
    retention_days: int = 0
    """After so many days dates are removed; 0 for never."""


def compact(table: LakeTable, upkeep: Upkeep, now_ms: int) -> int:
    """Merge small files of the same date, in one commit; give how many files went.

    What the bounds leave for another turn stays in `table.unmerged`.
    """
    table.refresh()
    actions: list[AddAction | RemoveAction] = []
    removed = 0
    groups, left = _groups(table, upkeep)
    for day, files in groups:
        rows = _read(table, [file["path"] for file in files])
        actions.append(table.new_file(_by_symbol(table.name, rows), day, data_change=False))
        actions += [_removal(file, now_ms, data_change=False) for file in files]
        removed += len(files)
    if actions:
        table.commit(actions)
    table.unmerged = left
    return removed


def expire(table: LakeTable, retention_days: int, now_ns: int) -> int:
    """Remove the dates (UTC) that ended more than so many days ago, in one commit; give how many went.

    A row's date is that of its own time, so what arrives too late goes at the next turn.
    """
    table.refresh()
    oldest = date.fromordinal(_EPOCH + now_ns // DAY_NS - retention_days)
    gone = [file for file in _files(table) if file["partition"]["date"] < oldest]
    if gone:
        table.commit([_removal(file, now_ns // 10**6, data_change=True) for file in gone])
    return len({file["partition"]["date"] for file in gone})


def vacuum(table: LakeTable) -> int:
    """Delete the files that fell out of use more than an hour ago; give how many."""
    table.refresh()
    before = table.handle.version()
    deleted = table.handle.vacuum(RETENTION_HOURS, dry_run=False, full=True)
    table.files.sync_commits(before + 1, table.handle.version())
    return len(deleted)


def shorten_log(table: LakeTable) -> None:
    """Put the state into a checkpoint, and delete the commits before it that are old enough."""
    table.refresh()
    table.handle.create_checkpoint()
    table.files.sync_checkpoint(table.handle.version())
    table.handle.cleanup_metadata()


def _groups(table: LakeTable, upkeep: Upkeep) -> tuple[list[tuple[np.datetime64, list[File]]], int]:
    """Choose what to merge: the smallest files of each date, within the bounds, oldest first.

    Tells as well how many files of those dates are left for another turn.
    """
    small: dict[Any, list[File]] = defaultdict(list)
    for file in sorted(_files(table), key=lambda file: file["size_bytes"]):
        if file["size_bytes"] < upkeep.target_bytes and file["num_records"] < upkeep.target_rows // 2:
            small[file["partition"]["date"]].append(file)
    groups = []
    bytes_left, rows_left, waiting = upkeep.target_bytes, upkeep.target_rows, 0
    for day, files in sorted(small.items(), key=lambda item: -len(item[1])):
        sizes = accumulate(file["size_bytes"] for file in files)
        rows = accumulate(file["num_records"] for file in files)
        chosen = [
            file
            for file, size, count in zip(files, sizes, rows, strict=True)
            if size <= bytes_left and count <= rows_left
        ]
        if len(chosen) > 1:
            bytes_left -= sum(file["size_bytes"] for file in chosen)
            rows_left -= sum(file["num_records"] for file in chosen)
            waiting += len(files) - len(chosen)
            chosen.sort(key=lambda file: (file["modification_time"], file["path"]))
            groups.append((np.datetime64(day, "D"), chosen))
        elif len(files) > 1:
            waiting += len(files)
    return groups, waiting


def _files(table: LakeTable) -> list[File]:
    actions: list[File] = pa.table(table.handle.get_add_actions()).to_pylist()
    return actions


def _read(table: LakeTable, paths: list[str]) -> pa.Table:
    """Read files with words as codes, which take a fraction of the memory, and so of the time, of text."""
    words = repeated(table.name)
    schema = pa.schema([
        field.with_type(_CODED) if field.name in words else field for field in TABLES[table.name]
    ])  # fmt: skip
    layout = pa_dataset.ParquetFileFormat(
        read_options=pa_dataset.ParquetReadOptions(dictionary_columns=words)
    )
    files = pa_dataset.dataset(paths, schema=schema, format=layout, filesystem=table.files.filesystem)
    return files.to_table().unify_dictionaries()


def _by_symbol(name: str, rows: pa.Table) -> pa.Table:
    """Order rows by symbol, then time, then what orders rows of one time."""
    if rows.nbytes > _SORTED_BYTES:
        return rows
    keys = ("symbol", *(tie for tie in TIES[name] if tie != "symbol"))
    keyed = pa.table({"time": times_of(name, rows), **{key: _ranks(rows[key]) for key in keys}})
    first, *ties = keys
    return rows.take(pc.sort_indices(keyed, [(key, "ascending") for key in (first, "time", *ties)]))


def _ranks(column: Any) -> Any:
    """Give numbers of the same order as words; numbers as they are."""
    if column.type != _CODED or not column.num_chunks:
        return column
    words = column.chunk(0).dictionary
    ranks = pc.rank(words, "ascending", tiebreaker="dense")
    return pa.chunked_array([ranks.take(chunk.indices) for chunk in column.chunks])


def _removal(file: File, now_ms: int, *, data_change: bool) -> RemoveAction:
    return RemoveAction(
        path=file["path"],
        data_change=data_change,
        deletion_timestamp=now_ms,
        partition_values={"date": str(file["partition"]["date"])},
        size=file["size_bytes"],
    )

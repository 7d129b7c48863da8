"""Upkeep of a lake table: many small files become few, and what nobody needs any more is deleted.

delta-rs's own compaction is not used: it puts no transaction identifier into its commit, and of two that
start from the same state both succeed, after which every row is there twice. Ours is a commit like any
other, so a predecessor that hangs in a compaction cannot finish it.

Files are deleted an hour after they fell out of use: a query may run that long. The transaction identifiers
are kept for ever: a checkpoint carries them all, and no retention is set for them.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pa_dataset
from deltalake.transaction import AddAction, RemoveAction

from stores.lake_table import LakeTable
from stores.schema import TABLES

RETENTION_HOURS: Final = 1

File = dict[str, Any]
"""`path`, `size_bytes`, `modification_time`, and `partition` with the date."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """When upkeep is due, and how much it does at a time."""

    small_files: int = 100
    """So many files are added before they are made one."""
    target_bytes: int = 32 * 2**20
    """Files of this size are left alone, and no more than this is read in one go."""
    vacuum_seconds: float = 3600.0


def compact(table: LakeTable, target_bytes: int, now_ms: int) -> int:
    """Merge small files of the same date, in one commit; give how many files went."""
    table.refresh()
    actions: list[AddAction | RemoveAction] = []
    removed = 0
    for date, files in _groups(table, target_bytes):
        rows = pa_dataset.dataset(
            [file["path"] for file in files],
            schema=TABLES[table.name], format="parquet", filesystem=table.files.filesystem,
        ).to_table()  # fmt: skip
        actions.append(table.new_file(rows, date, data_change=False))
        actions += [_removal(file, now_ms) for file in files]
        removed += len(files)
    if actions:
        table.commit(actions)
    table.unmerged = 0
    return removed


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


def _groups(table: LakeTable, target_bytes: int) -> list[tuple[np.datetime64, list[File]]]:
    """Choose what to merge: the smallest files of each date, within the bound on bytes, oldest first."""
    actions: list[File] = pa.table(table.handle.get_add_actions()).to_pylist()
    small: dict[Any, list[File]] = defaultdict(list)
    for file in sorted(actions, key=lambda file: file["size_bytes"]):
        if file["size_bytes"] < target_bytes:
            small[file["partition"]["date"]].append(file)
    groups = []
    left = target_bytes
    for date, files in sorted(small.items(), key=lambda item: -len(item[1])):
        sizes = accumulate(file["size_bytes"] for file in files)
        chosen = [file for file, size in zip(files, sizes, strict=True) if size <= left]
        if len(chosen) > 1:
            left -= sum(file["size_bytes"] for file in chosen)
            chosen.sort(key=lambda file: (file["modification_time"], file["path"]))
            groups.append((np.datetime64(date, "D"), chosen))
    return groups


def _removal(file: File, now_ms: int) -> RemoveAction:
    return RemoveAction(
        path=file["path"],
        data_change=False,
        deletion_timestamp=now_ms,
        partition_values={"date": str(file["partition"]["date"])},
        size=file["size_bytes"],
    )

"""One writer incarnation's hold on one Delta table.

delta-rs refuses a commit whose transaction identifier somebody else used since the handle last looked.
Every commit carries two: the batch's, and the claim of this incarnation, a number that each `open` takes
one higher, with an empty commit. So whatever a predecessor still tries (it may hang anywhere) fails,
and what it managed to commit before is seen by `holds`, because it was committed before the claim.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from core.errors import RetryableStoreError, StoreVersionError
from stores.lake_files import LakeFiles
from stores.lake_stats import DATE, dataset_of, statistics
from stores.schema import SCHEMA_VERSION, TABLES, TEXT, TIMES

VERSION_KEY: Final = "tapeline.schemaVersion"
_WRITER: Final = "tapeline/writer"
_CLAIM_TRIES: Final = 5
DAY_NS: Final = 86_400 * 10**9
_ROW_GROUP: Final = 131_072
_CONFIGURATION: Final = {
    VERSION_KEY: str(SCHEMA_VERSION),
    "delta.deletedFileRetentionDuration": "interval 1 hours",
    "delta.logRetentionDuration": "interval 1 hours",
}
# Checkpoints are upkeep's: delta-rs would make one within a commit now and then.
_NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class LakeTable:
    """A table opened for writing: every commit of this incarnation goes through it."""

    def __init__(self, name: str, files: LakeFiles, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.name = name
        self.files = files
        self.unmerged = 0
        """Files that were added since the last compaction."""
        self._clock_ns = clock_ns
        self.handle = self._found()
        self._migrate()
        self._claim = self._claimed()
        self.unmerged = len(self.handle.file_uris())

    def add(self, rows: pa.Table, app_id: str, version: int) -> None:
        """Add rows in one commit that carries a transaction identifier."""
        added = [self.new_file(part, date, data_change=True) for date, part in by_date(self.name, rows)]
        self.commit(added, Transaction(app_id, version))
        self.unmerged += len(added)

    def holds(self, app_id: str, version: int) -> bool:
        """Tell whether a commit carried this identifier with this version or a later one."""
        self.refresh()
        known = self.handle.transaction_version(app_id)
        return known is not None and known >= version

    def new_file(self, rows: pa.Table, date: np.datetime64, *, data_change: bool) -> AddAction:
        """Write rows of one date as a file that no commit names yet."""
        sink = pa.BufferOutputStream()
        text: Any = [field.name for field in rows.schema if field.type == TEXT]
        pq.write_table(
            rows,
            sink,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            store_schema=False,
            use_dictionary=text,
        )
        content = sink.getvalue()
        path = f"date={date}/part-{uuid.uuid4()}.parquet"
        self.files.put(path, content)
        modified = self._clock_ns() // 10**6
        return AddAction(path, content.size, {"date": str(date)}, modified, data_change, statistics(rows))

    def commit(self, actions: Sequence[AddAction | RemoveAction], *transactions: Transaction) -> None:
        """Commit actions under this incarnation's claim, durably, and look at the result."""
        self._check_claim()
        self._commit(actions, *transactions, Transaction(_WRITER, self._claim))

    def refresh(self) -> None:
        """Look at what has been committed; RetryableStoreError where another writer has taken over."""
        self.handle.update_incremental()
        self._check_claim()

    def dataset(self) -> pa_dataset.Dataset:
        """Give the table's rows as of the last look."""
        return dataset_of(self.handle, self.name, self.files)

    def _commit(self, actions: Sequence[AddAction | RemoveAction], *transactions: Transaction) -> None:
        before = self.handle.version()
        self.handle.create_write_transaction(
            list(actions), "append", self.handle.schema(), [DATE.name],
            commit_properties=CommitProperties(app_transactions=list(transactions)),
            post_commithook_properties=_NO_HOOKS,
        )  # fmt: skip
        self.handle.update_incremental()
        self.files.sync_commits(before + 1, self.handle.version())

    def _found(self) -> DeltaTable:
        self.files.set_torn_commit_aside()
        try:
            return DeltaTable(self.files.uri, storage_options=self.files.storage_options)
        except TableNotFoundError:
            made = DeltaTable.create(
                self.files.uri,
                pa.schema((*TABLES[self.name], DATE)),
                partition_by=[DATE.name],
                name=self.name,
                configuration=_CONFIGURATION,
                storage_options=self.files.storage_options,
                raise_if_key_not_exists=False,
            )
            self.files.sync_commits(0, 0)
            return made

    def _migrate(self) -> None:
        """Bring an older table up to date: columns that it lacks are added, and read as NULL."""
        if check_version(self.handle, self.files.uri) == SCHEMA_VERSION:
            return
        before = self.handle.version()
        present = {field.name for field in self.handle.schema().fields}
        missing = [field for field in TABLES[self.name] if field.name not in present]
        if missing:
            self.handle.alter.add_columns(DeltaSchema.from_arrow(pa.schema(missing)).fields)
        self.handle.alter.set_table_properties(_CONFIGURATION, raise_if_not_exists=False)
        self.files.sync_commits(before + 1, self.handle.version())

    def _claimed(self) -> int:
        """Take the claim that is one higher than the last; a commit in between makes it try again."""
        for attempt in range(_CLAIM_TRIES):
            self.handle.update_incremental()
            claim = (self.handle.transaction_version(_WRITER) or 0) + 1
            try:
                self._commit([], Transaction(_WRITER, claim))
            except CommitFailedError:
                if attempt == _CLAIM_TRIES - 1:
                    raise
            else:
                break
        return claim

    def _check_claim(self) -> None:
        if self.handle.transaction_version(_WRITER) != self._claim:
            raise RetryableStoreError(f"another writer has taken over the table {self.files.uri}")


def check_version(handle: DeltaTable, uri: str) -> int:
    """Give the version of a table's schema; StoreVersionError where it is newer than ours."""
    found = int(handle.metadata().configuration.get(VERSION_KEY, "0"))
    if found > SCHEMA_VERSION:
        raise StoreVersionError(
            f"{uri} was written by a newer version of Tapeline (tables of version {found}, "
            f"known here: {SCHEMA_VERSION}): upgrade Tapeline, or set another path for the store"
        )
    return found


def by_date(table: str, rows: pa.Table) -> list[tuple[np.datetime64, pa.Table]]:
    """Part rows by the date (UTC) of their time, in row order; a row without a time is of 1970-01-01."""
    days = times_of(table, rows).to_numpy() // DAY_NS
    return [
        (np.datetime64(int(day), "D"), rows if (of_day := days == day).all() else rows.filter(of_day))
        for day in np.unique(days)
    ]


def times_of(table: str, rows: pa.Table) -> Any:
    """Give each row's time as epoch ns, an Arrow column; 0 for a row without."""
    return pc.coalesce(*(rows[name] for name in TIMES[table]), pa.scalar(0, pa.int64()))

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
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from core.errors import RetryableStoreError
from stores.lake_files import LakeFiles
from stores.lake_log import PLAIN, appending, put_entry
from stores.lake_stats import DATE, dataset_of, statistics
from stores.lake_version import VERSION_KEY, check_version
from stores.schema import SCHEMA_VERSION, TABLES, TEXT
from stores.times import times_of

_WRITER: Final = "tapeline/writer"
_CLAIM_TRIES: Final = 5
DAY_NS: Final = 86_400 * 10**9
_ROW_GROUP: Final = 131_072
# Frames count upwards: half the CPU and a fourth less space than by themselves.
_DELTAS: Final[Any] = {"frame": "DELTA_BINARY_PACKED"}
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
        self._version = 0
        """Nobody else had taken over when this was the newest; the handle may be behind it."""
        self._plain = False
        self._check_claim()
        self._note_version()
        self.unmerged = len(self.handle.file_uris())

    def add(self, rows: pa.Table, app_id: str, version: int) -> None:
        """Add rows in one commit that carries a transaction identifier."""
        added = [self.new_file(part, date, data_change=True) for date, part in by_date(self.name, rows)]
        if not self._appended(added, app_id, version):
            if self.handle.version() != self._version and self.holds(app_id, version):
                raise RetryableStoreError(f"version {version} of {app_id} is there already")
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
        written: list[pq.FileMetaData] = []
        pq.write_table(
            rows,
            sink,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            store_schema=False,
            use_dictionary=repeated(self.name),
            column_encoding=_DELTAS if "frame" in rows.schema.names else None,
            metadata_collector=written,
        )
        content = sink.getvalue()
        path = f"date={date}/part-{uuid.uuid4()}.parquet"
        self.files.put(path, content)
        modified = self._clock_ns() // 10**6
        told = statistics(rows, written[0])
        return AddAction(path, content.size, {"date": str(date)}, modified, data_change, told)

    def commit(self, actions: Sequence[AddAction | RemoveAction], *transactions: Transaction) -> None:
        """Commit actions as of the last look under this incarnation's claim, durably, and look again."""
        self._check_claim()
        self._commit(actions, *transactions, Transaction(_WRITER, self._claim))
        if self._is_ours():
            self._note_version()

    def refresh(self) -> None:
        """Look at what has been committed; RetryableStoreError where another writer has taken over."""
        self.handle.update_incremental()
        self._check_claim()
        self._note_version()

    def dataset(self) -> pa_dataset.Dataset:
        """Give the table's rows as of the last look."""
        return dataset_of(self.handle, self.name, self.files)

    def _appended(self, added: Sequence[AddAction], app_id: str, version: int) -> bool:
        """Commit at once where nobody has committed since the last look; tell whether that was so."""
        # With the claim seen at one version, and the next version ours, nobody can have taken over before it.
        if not self._plain or self.files.local is None:
            return False
        claimed = ((app_id, version), (_WRITER, self._claim))
        entry = appending(added, claimed, self._clock_ns() // 10**6)
        if not put_entry(self.files.local, self._version + 1, entry):
            return False
        self.files.sync_commits(self._version + 1, self._version + 1)
        self._version += 1
        return True

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

    def _note_version(self) -> None:
        found = self.handle.protocol()
        features = (found.reader_features, found.writer_features)
        self._plain = (found.min_reader_version, found.min_writer_version, *features) == PLAIN
        self._version = self.handle.version()

    def _is_ours(self) -> bool:
        return self.handle.transaction_version(_WRITER) == self._claim

    def _check_claim(self) -> None:
        if not self._is_ours():
            raise RetryableStoreError(f"another writer has taken over the table {self.files.uri}")


def by_date(table: str, rows: pa.Table) -> list[tuple[np.datetime64, pa.Table]]:
    """Part rows by the date (UTC) of their time, in row order; a row without a time is of 1970-01-01."""
    times = times_of(table, rows).to_numpy()
    if not len(times):
        return []
    first, last = int(times.min()) // DAY_NS, int(times.max()) // DAY_NS
    if first == last:
        return [(np.datetime64(first, "D"), rows)]
    days = times // DAY_NS
    return [(np.datetime64(int(day), "D"), rows.filter(days == day)) for day in np.unique(days)]


def repeated(table: str) -> Any:
    """Give the names of a table's columns of text whose values mostly come again; a venue's ids never do."""
    return [field.name for field in TABLES[table] if field.type == TEXT and field.name != "venue_id"]

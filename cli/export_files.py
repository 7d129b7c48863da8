"""Writes rows into a directory of partitions, with as much memory as a few thousand rows take a symbol.

Every file has a name of its own until it is whole and synced; then it is renamed. What fails leaves the files
that were finished, and nothing else.
"""

import os
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from cli.output import csv
from cli.partitions import Partition, written_schema
from core.errors import UsageError
from core.suggest import quote

MOST_OPEN: Final = 64
"""Files; beyond that the one that was not written to for longest is finished, and may get a successor."""
GROUP_ROWS: Final = 131_072
MOST_HELD_BYTES: Final = 64 << 20
"""Of rows that wait for their row group, all files together."""
_PATTERN: Final = "date=*/symbol=*/part-*.{form}"


class ExportFiles:
    """The files of an export. A context: leaving it well finishes them, an error removes the unfinished."""

    def __init__(self, directory: Path, schema: pa.Schema, form: str) -> None:
        """Name the directory, the rows' schema, and `parquet` or `csv`."""
        self.rows: dict[Partition, int] = {}
        """Of each partition, so far."""
        self.files = 0
        self.nbytes = 0
        """Of the finished files."""
        self._directory = directory
        self._schema = written_schema(schema)
        self._form = form
        self._open: OrderedDict[Partition, _File] = OrderedDict()
        self._parts: dict[Partition, int] = {}

    def add(self, partition: Partition, rows: pa.RecordBatch) -> None:
        """Take rows of a partition; those of earlier dates are complete."""
        for other in [each for each in self._open if each.date < partition.date]:
            self._finish(other)
        if partition not in self._open:
            if len(self._open) >= MOST_OPEN:
                self._finish(next(iter(self._open)))
            self._open[partition] = self._begun(partition)
        self._open.move_to_end(partition)
        self._open[partition].add(rows)
        self.rows[partition] = self.rows.get(partition, 0) + rows.num_rows
        if sum(file.held_bytes for file in self._open.values()) > MOST_HELD_BYTES:
            max(self._open.values(), key=lambda file: file.held_bytes).flush()

    def __enter__(self) -> "ExportFiles":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._open:
                self._finish(next(iter(self._open)))
        finally:
            for file in self._open.values():
                file.discard()

    def _begun(self, partition: Partition) -> "_File":
        number = self._parts.get(partition, 0)
        self._parts[partition] = number + 1
        target = self._directory / partition.path / f"part-{number}.{self._form}"
        target.parent.mkdir(parents=True, exist_ok=True)
        return _File(target, self._schema, self._form)

    def _finish(self, partition: Partition) -> None:
        self.nbytes += self._open[partition].finish()
        self.files += 1
        del self._open[partition]


class _File:
    """One file that is being written."""

    def __init__(self, target: Path, schema: pa.Schema, form: str) -> None:
        self.held_bytes = 0
        self._target = target
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._unfinished = target.with_name(f".tapeline-{secrets.token_hex(8)}.part")
        self._file = self._unfinished.open("xb")
        self._parquet: pq.ParquetWriter | None = None
        if form == "parquet":
            self._parquet = pq.ParquetWriter(self._file, schema, compression="zstd")
        else:
            self._file.write(next(csv(schema, [])))

    def add(self, rows: pa.RecordBatch) -> None:
        self._held.append(rows)
        self._held_rows += rows.num_rows
        self.held_bytes += rows.nbytes
        if self._held_rows >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        batches = [pa.RecordBatch.from_arrays(batch.columns, schema=self._schema) for batch in self._held]
        if self._parquet is not None:
            self._parquet.write_table(pa.Table.from_batches(batches, self._schema))
        else:
            for number, chunk in enumerate(csv(self._schema, batches)):
                if number:  # the first is the head, which is there
                    self._file.write(chunk)
        self._held, self._held_rows, self.held_bytes = [], 0, 0

    def finish(self) -> int:
        """Put the file under its name, and give its size."""
        self.flush()
        if self._parquet is not None:
            self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._file.close()
        self._unfinished.replace(self._target)
        return size

    def discard(self) -> None:
        """Remove it."""
        with suppress(OSError, ValueError):
            # Arrow closes its own side when it is collected, and would complain of a closed file.
            if self._parquet is not None:
                self._parquet.close()
        with suppress(OSError):
            self._file.close()
        self._unfinished.unlink(missing_ok=True)


def earlier(directory: Path) -> Iterator[Path]:
    """Give the files that an export has written there."""
    for form in ("parquet", "csv"):
        yield from directory.glob(_PATTERN.format(form=form))


def prepare(directory: Path, *, overwrite: bool) -> None:
    """Make the directory; UsageError where it cannot be, or holds something and may not be overwritten."""
    name = quote(str(directory), at_most=len(str(directory)))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_empty = next(directory.iterdir(), None) is None
    except OSError as error:
        raise UsageError(f"cannot write to {name}: {error.strerror or error}") from None
    if not is_empty and not overwrite:
        raise UsageError(f"{name} is not empty: name another directory, or add --overwrite")


def remove_earlier(directory: Path) -> None:
    """Remove what an export has written there; what somebody else put there stays."""
    for path in list(earlier(directory)):
        path.unlink(missing_ok=True)
        for parent in (path.parent, path.parent.parent):
            with suppress(OSError):
                parent.rmdir()

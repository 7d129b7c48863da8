"""The files of one lake table: where they are, and how they become durable.

On a local disk a file is synced before the commit that names it, and the commit before it is reported:
delta-rs syncs nothing, and a power cut would leave a log that names what is not there. Reading there goes
through Arrow's own file system as well: delta-rs's is Python objects in Arrow's threads, which were seen
to abort the interpreter at its exit, one time in three.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from stores.syncing import sync_directory

if TYPE_CHECKING:
    # Imported where it is needed: not every query does.
    import pyarrow.fs as pa_fs

PATIENCE: Final = {"connect_timeout": "5s", "timeout": "10s", "max_retries": "2", "retry_timeout": "20s"}
"""How long an object store is waited for: by itself delta-rs goes on for minutes, and neither a start nor a
batch should. The same keys in the configuration's `storage_options` count for more.
"""


class LakeFiles:
    """The directory of one table, local or in an object store."""

    def __init__(self, root: str, table: str, storage_options: Mapping[str, str]) -> None:
        self.storage_options = {**PATIENCE, **storage_options} if "://" in root else dict(storage_options)
        self.local = None if "://" in root else Path(root).resolve() / table
        self.uri = str(self.local) if self.local else f"{root.rstrip('/')}/{table}"

    @property
    def filesystem(self) -> "pa_fs.FileSystem":
        """Give the file system whose root is the table's directory."""
        import pyarrow.fs as pa_fs

        if self.local:
            return pa_fs.SubTreeFileSystem(str(self.local), pa_fs.LocalFileSystem())
        return pa_fs.PyFileSystem(self._handler())

    def put(self, path: str, content: pa.Buffer) -> None:
        """Write a file that does not exist yet, durably."""
        if self.local is None:
            # Arrow's stream around delta-rs's own hands it a Buffer, where it takes bytes alone.
            stream = self._handler()._handler.open_output_stream(path, None)
            stream.write(content.to_pybytes())
            stream.close()
            return
        target = self.local / path
        if not target.parent.exists():
            target.parent.mkdir()
            sync_directory(self.local)
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(target.parent)

    def sync_commits(self, first: int, last: int) -> None:
        """Make the commits from first to last durable."""
        self._sync_log(f"{version:020d}.json" for version in range(first, last + 1))

    def sync_checkpoint(self, version: int) -> None:
        """Make the checkpoint of a version durable."""
        self._sync_log([f"{version:020d}.checkpoint.parquet", "_last_checkpoint"])

    def set_torn_commit_aside(self) -> None:
        """Rename the newest commit where a power cut left it unfinished: it was never reported."""
        if self.local is None:
            return
        commits = sorted((self.local / "_delta_log").glob("[0-9]*.json"))
        if commits and not _is_whole(commits[-1]):
            commits[-1].rename(commits[-1].with_suffix(".torn"))

    def _handler(self) -> Any:
        from deltalake.fs import DeltaStorageHandler

        return DeltaStorageHandler(self.uri, self.storage_options)

    def _sync_log(self, names: Any) -> None:
        if self.local is None:
            return
        log = self.local / "_delta_log"
        for path in filter(Path.exists, (log / name for name in names)):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_directory(log)


def _is_whole(commit: Path) -> bool:
    lines = commit.read_bytes().splitlines()
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return False

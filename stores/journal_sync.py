"""Makes journal segments durable, by path, so that whoever appends never waits for a disk."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from stores.syncing import sync_directory


@dataclass(slots=True)
class _Watched:
    file: int
    synced_bytes: int = -1


@dataclass(slots=True)
class Syncer:
    """The segments that are written to. A segment's predecessor of the same line is synced and let go of."""

    _watched: dict[Path, _Watched] = field(default_factory=dict)

    def add(self, path: Path) -> str | None:
        """Watch a new segment; give what went wrong, in words."""
        try:
            self._watched[path] = _Watched(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            sync_directory(path.parent)
        except OSError as error:
            return f"{path.name}: {error.strerror}"
        return None

    def sync(self) -> list[str]:
        """Sync what has grown since the last time; give what went wrong, in words."""
        failures = []
        for path, watched in self._watched.items():
            try:
                size = os.fstat(watched.file).st_size
                if size != watched.synced_bytes:
                    os.fsync(watched.file)
                    watched.synced_bytes = size
            except OSError as error:
                failures.append(f"{path.name}: {error.strerror}")
        self._forget_finished()
        return failures

    def close(self) -> None:
        """Let go of all."""
        for watched in self._watched.values():
            os.close(watched.file)
        self._watched.clear()

    def _forget_finished(self) -> None:
        newest = {path.name.rsplit(".", 2)[0]: path for path in sorted(self._watched)}
        for path in [path for path in self._watched if newest[path.name.rsplit(".", 2)[0]] != path]:
            os.close(self._watched.pop(path).file)

"""What makes new names in a directory outlast a power cut."""

import contextlib
import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make a directory's entries durable; OSError where the disk refuses."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)

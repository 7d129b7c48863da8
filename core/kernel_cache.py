"""Loading the compiled kernels, and compiling them ahead of time: `python -m core.kernel_cache`.

Compiling takes seconds, loading what numba cached a fraction of one. The cache lies beside the source, in
`core/__pycache__`, where that can be written.
"""

import functools
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "NUMBA_CACHE_DIR"


@functools.cache
def kernel(few: bool = False) -> Callable[..., None]:
    """Give the compiled `core.kernels.score_ticks`, or `score_few`.

    The first call loads numba, and compiles if need be.
    """
    from core.kernels import score_few, score_ticks

    return score_few if few else score_ticks


@functools.cache
def scan_kernel() -> Callable[..., None]:
    """Give the compiled `core.scan_kernel.scan_frames`, as `kernel` does."""
    from core.scan_kernel import scan_frames

    return scan_frames


@functools.cache
def split_kernel() -> Callable[..., tuple[int, int, int, int]]:
    """Give the compiled `core.split_kernel.split_texts`, as `kernel` does."""
    from core.split_kernel import split_texts

    return split_texts


def load() -> None:
    """Load all kernels; the first time they are compiled."""
    for one in (kernel, scan_kernel, split_kernel):
        one()


def prepare(cache_directory: Path, source_directory: Path | None = None) -> bool:
    """Have numba keep its cache in `cache_directory` where the source tree is read-only; say whether it does.

    To be called before a kernel is loaded. A NUMBA_CACHE_DIR that the user has set is respected.
    """
    if os.environ.get(CACHE_VARIABLE) or _writable(
        (source_directory or Path(__file__).parent) / "__pycache__"
    ):
        return False
    cache_directory.mkdir(parents=True, exist_ok=True)
    os.environ[CACHE_VARIABLE] = str(cache_directory)
    if "numba" in sys.modules:
        import numba

        numba.core.config.reload_config()  # type: ignore[no-untyped-call]
    return True


def _writable(directory: Path) -> bool:
    # Tried out, as numba does: permission bits say nothing to root, nor of a read-only mount.
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    load()

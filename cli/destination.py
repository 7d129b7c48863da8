"""Where output goes: to standard output, or to a file that is replaced once all is there."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from core.errors import UsageError
from core.suggest import quote


@contextmanager
def destination(output: Path | None) -> Iterator[BinaryIO]:
    """Give where to write; a file appears, or replaces an older one, only once the block has ended well.

    None is standard output. UsageError where it cannot be written to; a pipe that its reader has closed
    is a BrokenPipeError.
    """
    try:
        if output is None:
            yield from _standard_output()
        elif _is_special(output):
            # A device or a named pipe is written to; a rename would do away with it.
            with output.open("wb") as file:
                yield file
        else:
            yield from _replaced(Path(os.path.realpath(output)))
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if output is None else quote(str(output), at_most=len(str(output)))
        raise UsageError(f"cannot write to {name}: {error.strerror or error}") from None


def is_terminal() -> bool:
    """Tell whether standard output goes to a terminal."""
    stdout: TextIO | None = sys.stdout
    return stdout is not None and stdout.isatty()


def _standard_output() -> Iterator[BinaryIO]:
    # None where the program was started with standard output closed.
    stdout: TextIO | None = sys.stdout
    if stdout is None:
        raise OSError(errno.EBADF, "it is closed")
    stdout.flush()
    yield stdout.buffer
    stdout.buffer.flush()


def _is_special(path: Path) -> bool:
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


def _replaced(path: Path) -> Iterator[BinaryIO]:
    unfinished = path.with_name(f".tapeline-{secrets.token_hex(8)}.part")
    try:
        with unfinished.open("xb") as file:
            if path.exists():
                unfinished.chmod(stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)

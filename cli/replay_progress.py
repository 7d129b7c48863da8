"""How far a replay is: a bar on a terminal, and one line at the end in any case."""

import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from cli.wording import duration, rate

if TYPE_CHECKING:
    from rich.progress import Progress


class ReplayProgress:
    """Shows the progress of a replay on stderr; a context manager.

    A terminal that is gone ends the drawing and nothing else.
    """

    def __init__(
        self,
        total_frames: int | None,
        file: IO[str] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Without a total the bar only shows that something moves."""
        self._total = total_frames
        self._file = file or sys.stderr
        self._clock = clock
        self._began = clock()
        self._done = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        with suppress(OSError, ValueError):
            if self._file.isatty():
                self._bar = _bar(self._file)
                self._bar.add_task("replay", total=self._total)
                self._bar.start()
        return self

    def update(self, done_frames: int) -> None:
        """Take how many frames are read by now; safe to call from any thread, draws nothing."""
        self._done = done_frames

    def show(self) -> None:
        """Draw the bar as it stands."""
        if self._bar is None:
            return
        try:
            self._bar.update(self._bar.task_ids[0], completed=self._done, refresh=True)
        except (OSError, ValueError):
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file may be closed (ValueError) or lead nowhere any more (OSError).
        with suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.stop()
        with suppress(OSError, ValueError):
            self._file.write(f"{self._last_line(broken_off=kind is not None)}\n")
            self._file.flush()

    def _last_line(self, *, broken_off: bool) -> str:
        seconds = self._clock() - self._began
        done = min(self._done, self._total) if self._total is not None else self._done
        of_all = f" of {self._total:,}" if self._total is not None and done < self._total else ""
        speed = f", {rate(done / seconds)} a second" if seconds > 0 else ""
        how = "broken off after" if broken_off or of_all else "replayed"
        return f"{how} {done:,}{of_all} frames in {duration(seconds)}{speed}"


def _bar(file: IO[str]) -> "Progress":
    """Make the bar. Drawn only when told, so that no thread of its own is needed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from cli.quiet_console import QuietConsole

    columns = (
        TextColumn("replaying"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=QuietConsole(file), auto_refresh=False, transient=True, expand=True)

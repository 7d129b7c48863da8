"""The live view of a running pipeline on a terminal: symbols, lines, stores, actors, ledger, alerts.

Texts of venues are put into `rich.text.Text` and never read as markup, and lose their control characters.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.live_parts import alert_rows, header, ledger_panel, pipeline_rows, symbol_table
from cli.quiet_console import QuietConsole
from cli.wording import rows

BLOCK_ROWS: Final = 11
"""The ledger's panel, with its border."""
ALERTS_AT_LEAST: Final = 3
SYMBOLS_AT_LEAST: Final = 3


def render(
    status: Mapping[str, Any],
    seconds_running: float | None,
    *,
    width: int = 100,
    height: int | None = 30,
    warn_z: float = 2.5,
    critical_z: float = 4.0,
) -> RenderableType:
    """Give the whole view; without a height everything is shown, else what does not fit is counted.

    Takes any mapping: whatever is missing or is no such value is shown as not known.
    """
    pipeline, alerts, symbols = pipeline_rows(status), alert_rows(status), rows(status, "symbols")
    block, shown_symbols, shown_alerts = _heights(height, len(pipeline), len(symbols), len(alerts))
    table = symbol_table(symbols[:shown_symbols], width - 4, warn_z, critical_z)
    left = len(symbols) - min(shown_symbols, len(symbols))
    middle = Table.grid(expand=True)
    middle.add_column(ratio=1)
    ledger = ledger_panel(status, block)
    middle.add_column(width=min(ledger.width or width, 2 * width // 3))
    middle.add_row(_panel("Pipeline", _cut(pipeline, block - 2), block), ledger)
    return Group(
        header(status, seconds_running),
        _panel("Symbols", [table, *([Text(f"... and {left:,} more", "dim")] if left else [])]),
        middle,
        _panel("Alerts, UTC", alerts[:shown_alerts] or [Text("none", "dim")]),
    )


class LiveTable:
    """Draws the view on a terminal, again at every `update`; a context manager.

    A terminal that is gone ends the drawing and nothing else: the pipeline runs on.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`clock` gives seconds; what it gives on entering is the beginning of the running time."""
        self._console = console or QuietConsole(sys.stdout)
        self._clock = clock
        self._began = clock()
        self._drawing = True
        # Drawn only when told, so that no thread of its own is needed.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._began = self._clock()
        self._draw(self._live.start)
        return self

    def update(self, status: Mapping[str, Any], *, warn_z: float = 2.5, critical_z: float = 4.0) -> None:
        """Draw this status, with the thresholds of now."""
        size = self._console.size
        seconds = self._clock() - self._began
        z = {"warn_z": warn_z, "critical_z": critical_z}
        view = render(status, seconds, width=size.width, height=size.height, **z)
        self._draw(lambda: self._live.update(view, refresh=True))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            self._live.stop()

    def _draw(self, action: Callable[[], None]) -> None:
        if not self._drawing:
            return
        try:
            action()
        # A closed file raises ValueError, a terminal or reader that is gone OSError.
        except (OSError, ValueError):
            self._drawing = False


def _heights(height: int | None, pipeline: int, symbols: int, alerts: int) -> tuple[int, int, int]:
    """Share the rows out: the middle block with its border, symbols, alerts."""
    if height is None:
        return max(BLOCK_ROWS, pipeline + 2), symbols, alerts
    block = max(BLOCK_ROWS, min(pipeline + 2, height // 3))
    # Less the header, two borders and the symbols' headings.
    room = height - block - 6
    for_symbols = max(SYMBOLS_AT_LEAST, room - max(1, min(alerts, ALERTS_AT_LEAST)))
    shown = symbols if symbols <= for_symbols else for_symbols - 1
    return block, shown, max(1, room - min(symbols, for_symbols))


def _cut(lines: Sequence[RenderableType], at_most: int) -> list[RenderableType]:
    if len(lines) <= at_most:
        return list(lines)
    return [*lines[: at_most - 1], Text(f"... and {len(lines) - at_most + 1:,} more", "dim")]


def _panel(title: str, content: Sequence[RenderableType], height: int | None = None) -> Panel:
    return Panel(
        Group(*content), title=Text(title, "bold"), title_align="left", box=box.ROUNDED,
        border_style="bright_black", height=height,
    )  # fmt: skip

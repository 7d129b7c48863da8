"""Write docs/live-table.svg, the live table of a real run: `python -m docs.generate_pictures`."""

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

from rich.console import Console

from cli.live_table import render

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURE: Final = ROOT / "docs" / "live-table.svg"
RUN_SECONDS: Final = 15
"""Every fault of the demo has struck by then."""
LONGEST_SECONDS: Final = 120
WIDTH: Final = 110
HEIGHT: Final = 30

# Rich's own template loads a font from afar; a page that is read must not tell anybody so.
TEMPLATE: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def draw(status: Mapping[str, Any], seconds_running: float) -> str:
    """Give the live table of a status as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(render(status, seconds_running, width=WIDTH, height=HEIGHT))
    return console.export_svg(title="make run", code_format=TEMPLATE, unique_id="tapeline")


def status_of_a_run() -> tuple[dict[str, Any], float]:
    """Run the demo for a while; give its status and how long it ran. Raises TimeoutError if it has none."""
    with tempfile.TemporaryDirectory(prefix="tapeline-") as directory:
        settings = ("--set", f"data_dir={directory}", "--set", "monitor.port=0")
        run = subprocess.Popen(_command("run", "--json", *settings), cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            _status(run, settings)
            began = monotonic()
            _wait(run, RUN_SECONDS)
            return _status(run, settings), monotonic() - began
        finally:
            run.terminate()
            run.wait(LONGEST_SECONDS)


def _status(run: "subprocess.Popen[bytes]", settings: Sequence[str]) -> dict[str, Any]:
    """Ask until there is an answer."""
    until = monotonic() + LONGEST_SECONDS
    while monotonic() < until:
        told = subprocess.run(
            _command("status", "--json", *settings), cwd=ROOT, capture_output=True, text=True
        )
        if told.returncode == 0:
            status: dict[str, Any] = json.loads(told.stdout)
            return status
        _wait(run, 0.1)
    raise TimeoutError(told.stderr)


def _wait(run: "subprocess.Popen[bytes]", seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        run.wait(seconds)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "supervisor.py", *arguments]


if __name__ == "__main__":
    PICTURE.write_text(draw(*status_of_a_run()), encoding="utf-8")

"""Write docs/cli.md from the commands: `python docs/generate_cli.py`."""

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python looks for modules beside the script only.
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from cli.arguments import DEFAULT_COMMAND, PROGRAM, add_shared  # noqa: E402
from cli.commands import COMMANDS, Command  # noqa: E402

PAGE = ROOT / "docs" / "cli.md"

HEAD = f"""\
# Commands

<!-- Written by docs/generate_cli.py; change cli/commands.py and run it again. -->

`{PROGRAM} [COMMAND] [OPTION ...]`: without a command, `{DEFAULT_COMMAND}` is meant.
`{PROGRAM} COMMAND --help` tells the same as this page.

| command | |
|---|---|
"""

SHARED = """
## Options of every command

"""

STATUSES = (
    (
        "0",
        "Done. After `run` and `replay` the ledger balances; a `query` may have found nothing.",
    ),
    (
        "1",
        "Done, and the answer is no: the ledger does not balance, a store cannot be read, there is no "
        "status to be had, a reload was refused, a segment of the journal is torn.",
    ),
    (
        "2",
        "There is something for you to put right, in one line on standard error (`check`: a line for each "
        "error): configuration, arguments, data directory or port in use, tables of a newer version.",
    ),
    (
        "70",
        "`run`, `replay`: an actor failed beyond its restart intensity, or the supervisor hung. What could "
        "be drained was, and one line says who it was.",
    ),
    ("130, 143", "Ended by Ctrl-C or SIGTERM before there was anything to drain."),
)

TAIL = """
Ctrl-C or SIGTERM drains a run: lines are closed, what is in flight is worked off, the ledger is printed.
That takes `supervision.drain_seconds` at most, and then five seconds for what goes to the spool; a second
Ctrl-C does not wait. [Under systemd](systemd.md) a run is started again after 1 and 70.
"""


class _Recording(argparse.ArgumentParser):
    """Notes what is added to it."""

    def __init__(self) -> None:
        self.added: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        super().__init__(add_help=False)

    def add_argument(self, *names: Any, **options: Any) -> Any:
        """Note an option or argument."""
        self.added.append((names, options))


def page() -> str:
    """Give the page as it should be."""
    contents = "".join(
        f"| [`{name}`](#{name}) | {_cell(command.summary)} |\n" for name, command in COMMANDS.items()
    )
    sections = "".join(_section(name, command) for name, command in COMMANDS.items())
    shared = _Recording()
    add_shared(shared)
    return HEAD + contents + sections + SHARED + _table(shared) + _statuses() + TAIL


def _statuses() -> str:
    rows = (f"| {status} | {meaning} |\n" for status, meaning in STATUSES)
    return "\n## Exit statuses\n\n| status | means |\n|---|---|\n" + "".join(rows)


def _section(name: str, command: Command) -> str:
    recording = _Recording()
    command.add(recording)
    options = "\n" + _table(recording) if recording.added else ""
    return f"\n## {name}\n\n{command.text}\n\nExample: `{PROGRAM} {command.example}`\n{options}"


def _table(recording: _Recording) -> str:
    rows = (f"| {_name(*one)} | {_cell(one[1].get('help', ''))} |\n" for one in recording.added)
    return "| option | |\n|---|---|\n" + "".join(rows)


def _name(names: tuple[str, ...], options: dict[str, Any]) -> str:
    metavar = options.get("metavar")
    if not names[0].startswith("-"):
        return f"`{metavar or names[0]}`"
    return "`" + ", ".join(names) + (f" {metavar}" if metavar else "") + "`"


def _cell(text: str) -> str:
    return text.replace("%%", "%").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""What the pages tell a reader to do: blocks of commands, files and programs, in the order of the page.

A block of ```console is run, line by line as far as lines begin with `$ `; the others are what is printed. An
HTML comment right above a block says more, and no reader sees it:

    <!-- not run: reason -->        the block cannot be run, and why
    <!-- status: 2 -->              the exit status of its commands, where that is not 0
    <!-- first: command -->         what has to be run before, which the page need not show
    <!-- file: my.toml -->          the block, of whatever language, is the content of this file
    <!-- run -->                    the block, of ```python, is run
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_FENCE: Final = re.compile(
    r"^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=fence) *$", re.M | re.S
)
_ABOVE: Final = re.compile(r"((?:<!-- [^\n]*? -->\n)*)\Z")
_NOTE: Final = re.compile(r"<!-- (?P<name>[a-z ]+?)(?::(?P<text>[^\n]*?))? -->")
_COMMAND_LIKE: Final = re.compile(r"^(\$ |python3? supervisor\.py|make |docker |systemctl )", re.M)
_DURATION: Final = re.compile(r"--duration (\d+)s\b")
NOTES: Final = frozenset({"not run", "status", "first", "file", "run"})
SHORT_SECONDS: Final = 3
END: Final = "END_OF_BLOCK"


@dataclass(frozen=True)
class Block:
    """A fenced block, with what the comments above it say."""

    line: int
    """Of its first line in the page, counted from 1."""
    language: str
    body: str
    notes: dict[str, str]
    """`first` may come more than once: its commands are joined by line feeds."""

    @property
    def runs(self) -> bool:
        """Whether something is to be done with it."""
        told = self.language == "console" or bool({"run", "file"} & self.notes.keys())
        return told and "not run" not in self.notes

    @property
    def commands(self) -> list[str]:
        """The lines that a reader types, continued ones joined."""
        joined = self.body.replace("\\\n", "")
        return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def blocks(page: str) -> list[Block]:
    """Give the fenced blocks of a page."""
    found = []
    for match in _FENCE.finditer(page):
        above = _ABOVE.search(page, 0, match.start())
        notes: dict[str, str] = {}
        for note in _NOTE.finditer(above[1] if above else ""):
            earlier = f"{notes[note['name']]}\n" if note["name"] in notes else ""
            notes[note["name"]] = earlier + (note["text"] or "").strip()
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(line, match["language"], match["body"], notes))
    return found


def faults(page: str) -> Iterator[str]:
    """Tell of what does not keep to the convention."""
    for block in blocks(page):
        if block.language in ("sh", "bash", "shell"):
            yield f"{block.line}: ```console, with `$ ` before each command, instead of ```{block.language}"
        elif block.language == "console" and not block.commands:
            yield f"{block.line}: no line begins with `$ `"
        elif not block.language and _COMMAND_LIKE.search(block.body):
            yield f"{block.line}: commands want ```console"
        for name in sorted(block.notes.keys() - NOTES):
            yield f"{block.line}: there is no note {name!r}"
        if block.notes.get("not run") == "":
            yield f"{block.line}: why is it not run?"


def script(page: str) -> str:
    """Give a shell script that does what the page says, and stops at the first command that fails."""
    return "\n".join(_line for block in blocks(page) if block.runs for _line in _steps(block))


def _steps(block: Block) -> Sequence[str]:
    if "file" in block.notes:
        return [f"cat > {shlex.quote(block.notes['file'])} <<'{END}'\n{block.body}{END}"]
    before = block.notes.get("first", "").splitlines()
    if "run" in block.notes:
        return [
            *_told(block.line, before, 0),
            f"echo '+ line {block.line}'\npython - <<'{END}'\n{block.body}{END}",
        ]
    return [
        *_told(block.line, before, 0),
        *_told(block.line, block.commands, int(block.notes.get("status", "0"))),
    ]


def _told(line: int, commands: Sequence[str], status: int) -> Iterator[str]:
    """Say each command before it is run; one that has to fail is turned round."""
    for command in commands:
        yield f"echo {shlex.quote(f'+ block at line {line}: {command}')}"
        if status:
            yield f"code=0; {_short(command)} || code=$?; test $code = {status}"
        else:
            yield _short(command)


def _short(command: str) -> str:
    """Have a run in the foreground last no longer than it must; its page ends one in the background."""
    if command.endswith("&"):
        return command
    return _DURATION.sub(lambda found: f"--duration {min(int(found[1]), SHORT_SECONDS)}s", command)

"""The command line: which command, with what.

Nothing heavy is imported here: a command imports what it needs when it is run.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from cli.commands import COMMANDS
from core.errors import UsageError
from core.suggest import did_you_mean, quote

PROGRAM: Final = "python supervisor.py"
DEFAULT_COMMAND: Final = "run"
_BESIDE_SUPERVISOR: Final = Path(__file__).resolve().parents[1] / "config.toml"
_BEGINS_LIKE_A_NUMBER: Final = re.compile(r"-[\d.]")
_MAY_BE_NEGATIVE: Final = ("--start", "--end", "--duration", "--interval", "--limit", "--speed")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Give the command (`command`), its configuration file (`config`, a Path or None) and its options.

    Raises UsageError in one line, and SystemExit(0) once help was shown.
    """
    if argv[:1] in (["-h"], ["--help"]):
        print(overview(), end="", flush=True)
        sys.exit(0)
    command, options = _split(argv)
    parser = _parser(command)
    arguments, unknown = parser.parse_known_intermixed_args(_joined(options))
    if unknown:
        parser.error(_unknown(unknown, command, parser))
    arguments.config = find_config(arguments.config)
    return arguments


def find_config(given: str | None) -> Path | None:
    """Give the configuration file: the one given, else the one here, else the one beside the program.

    None where there is none: all settings then have their defaults.
    """
    if given is not None:
        return Path(given)
    return next((path for path in (Path("config.toml"), _BESIDE_SUPERVISOR) if _is_file(path)), None)


def overview() -> str:
    """Give the help that shows all commands."""
    width = max(map(len, COMMANDS)) + 2
    commands = "".join(
        f"  {name:{width}}{command.summary}\n  {'':{width}}  {PROGRAM} {command.example}\n"
        for name, command in COMMANDS.items()
    )
    return (
        "Tapeline collects market data, cleans it and keeps it, and accounts for every tick.\n\n"
        f"usage: {PROGRAM} [COMMAND] [OPTION ...]\n\n"
        f"commands, with an example each:\n{commands}\n"
        f"Without a command, {DEFAULT_COMMAND} is meant. "
        f"The options of a command: {PROGRAM} COMMAND --help\n"
        "A first tour in ten minutes: docs/tutorial.md\n"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _split(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Part the command from its options."""
    if not argv or argv[0].startswith("-"):
        return DEFAULT_COMMAND, argv
    if argv[0] not in COMMANDS:
        near = did_you_mean(argv[0], COMMANDS)
        raise UsageError(f"{quote(argv[0])} is not a command{near}; see {PROGRAM} --help")
    return argv[0], argv[1:]


def _joined(options: Sequence[str]) -> list[str]:
    """Write `--start -1h` as `--start=-1h`: argparse would take the second word for an option."""
    words: list[str] = []
    for word in options:
        if words and words[-1] in _MAY_BE_NEGATIVE and _BEGINS_LIKE_A_NUMBER.match(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _unknown(words: Sequence[str], command: str, parser: argparse.ArgumentParser) -> str:
    """Say what is wrong with words that no option took."""
    word = next((word for word in words if word.startswith("-")), words[0])
    if word.startswith("-"):
        # Every option is named in the usage; argparse has no public list of them.
        known = sorted(set(re.findall(r"--[a-z]+", parser.format_usage())))
        return f"{quote(word.partition('=')[0])} is not an option of {command}{did_you_mean(word, known)}"
    if word in COMMANDS:
        return f"the command comes first: {PROGRAM} {word} ..."
    return f"{quote(word)} is one argument too many"


def _parser(command: str) -> argparse.ArgumentParser:
    known = COMMANDS[command]
    parser = _Parser(
        prog=f"{PROGRAM} {command}",
        description=known.text,
        epilog=f"example:\n  {PROGRAM} {known.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    known.add(parser)
    add_shared(parser)
    parser.add_argument("-h", "--help", action="help", help="show this and exit")
    parser.set_defaults(command=command)
    return parser


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings (default: config.toml here, else beside supervisor.py)",
    )
    parser.add_argument(
        "--set", metavar="TABLE.KEY=VALUE", action="append", default=[],
        help="override a setting, as in detector.warn_z=3 or, by position in a list, feeds.0.venue=demo; "
        "may be repeated",
    )  # fmt: skip

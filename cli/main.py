"""Chooses the command, and turns what a user got wrong into one clear line."""

import importlib
import os
import sys
from collections.abc import Sequence

from core.errors import SettingsError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 2 for what the user can mend."""
    from cli.arguments import parse

    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        return int(importlib.import_module(f"cli.{arguments.command}").run(arguments))
    except SettingsError as error:
        for line in error.errors:
            print(f"tapeline: {line}", file=sys.stderr)
        return 2
    except UsageError as error:
        print(f"tapeline: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever reads our output has had enough; Python must not complain about that at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

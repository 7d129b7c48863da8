"""`check`: says whether the configuration can be used, and what is in effect."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.destination import destination
from core.errors import SettingsError
from core.settings_loading import load
from core.settings_text import effective
from core.suggest import quote


def run(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> int:
    """Print the effective settings and give 0; or print every error, one a line, and give 2."""
    try:
        settings = load(arguments.config, arguments.set, environ)
    except SettingsError as error:
        for line in _placed(error.errors, arguments.config):
            print(line, file=sys.stderr)
        return 2
    with destination(None) as file:
        # TOML is UTF-8, whatever the terminal's encoding.
        file.write(effective(settings).encode())
    return 0


def _placed(errors: tuple[str, ...], path: Path | None) -> Iterator[str]:
    """Put the file's path before each error that does not begin with its own place."""
    for error in errors:
        if path is None or error.startswith(("--set ", quote(str(path), at_most=len(str(path))))):
            yield f"tapeline: {error}"
        else:
            yield f"{path}: {error}"

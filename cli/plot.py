"""`plot`: draws what a store holds of a symbol."""

import argparse
import os
import re
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from cli.destination import destination
from cli.query import build, choose, comment
from core.errors import StoreError, UsageError
from core.settings_loading import load
from core.suggest import quote
from stores.registry import open_reader, store_terms

_SUFFIXES: Final = (".png", ".html")
_UNSAFE: Final = re.compile(r"[^\w.+=@-]")


def run(arguments: argparse.Namespace) -> int:
    """Draw into a file and say which; 1 where there is nothing to draw, or the store cannot be read."""
    output = arguments.output or Path(file_name(arguments.symbol))
    if output.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"--output {quote(str(output))} must end in .png or .html")
    settings = load(arguments.config, arguments.set, os.environ)
    store = choose(settings.stores, arguments.store)
    query = build(arguments, time.time_ns(), on_terminal=False)
    from cli.plot_points import read_points

    try:
        with closing(open_reader(store_terms(settings, store))) as reader:
            points = read_points(reader, query)
    except UsageError:
        raise
    except (StoreError, OSError) as error:
        print(f"tapeline: store {store.name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    if points is None:
        words = comment(query, 0, settings, store, cut=False)
        print(f"tapeline: nothing to draw: {words}", file=sys.stderr)
        return 1
    from cli.plot_html import html
    from cli.plot_png import png

    draw = html if output.suffix.lower() == ".html" else png
    picture = draw(points, settings.detector.warn_z, settings.detector.critical_z)
    with destination(output) as file:
        file.write(picture)
    print(f"{output}: {points.title()}")
    return 0


def file_name(symbol: str) -> str:
    """Give the name of a symbol's picture, without what means something in a path."""
    return f"{_UNSAFE.sub('_', symbol).lstrip('.') or '_'}.png"

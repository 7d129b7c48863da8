"""`replay`: captures through the same actors; nothing is listened on, nothing but the stores is written."""

import argparse
import logging
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from random import Random
from typing import Final

from actors.assembly import Assembly
from actors.clock import SystemClock
from actors.wiring import add_monitor, add_replay, add_writers
from cli.hosting import Host
from cli.preparing import (
    check_stores,
    conclude,
    data_directory,
    leave,
    load_settings,
    log_to_stderr,
    prepare_kernels,
)
from cli.replay_progress import ReplayProgress
from cli.signals import taking_signals
from cli.summary import summarize
from core.errors import UsageError
from core.settings import Feed, Settings
from stores.captures import Capture, read, scan
from venues.registry import VENUES

SHOW_SECONDS: Final = 0.2


def run(arguments: argparse.Namespace) -> int:
    """Replay the files in the order given, to their end."""
    settings = load_settings(arguments)
    # A terminal shows the progress; log lines would run through it.
    log_to_stderr(logging.WARNING if sys.stderr.isatty() else logging.INFO, arguments.log_format)
    capture = scan(arguments.files)
    for warning in capture.warnings:
        print(f"tapeline: {warning}; read up to there", file=sys.stderr)
    feeds = feeds_of(capture, settings)
    # Signals are handled until the ledger is printed: a second Ctrl-C must not cost it.
    with ExitStack() as to_the_end:
        signals = to_the_end.enter_context(taking_signals())
        with data_directory(settings):
            check_stores(settings)
            prepare_kernels(settings.data_dir)
            with ReplayProgress(capture.frames) as progress:
                assembly = _assemble(settings, capture, feeds, arguments.speed, progress)
                host = Host(assembly, inbox=signals.inbox)
                signals.hosted = True
                ended = host.run(SHOW_SECONDS, progress.show)
        status = conclude(ended, arguments.json, summarize)
    return leave(status, ended.hanging)


def feeds_of(capture: Capture, settings: Settings) -> dict[str, Feed]:
    """Give each venue's feed: the first configured one, else one with the venue's defaults."""
    unknown = [venue for venue in capture.venues if venue not in VENUES]
    if unknown:
        raise UsageError(f"the captures hold frames of {unknown[0]!r}; known venues are {', '.join(VENUES)}")
    feeds: dict[str, Feed] = {}
    for venue in capture.venues:
        configured = next((feed for feed in settings.feeds if feed.venue == venue), None)
        feeds[venue] = configured or Feed.model_construct(venue=venue, name=venue)
    return feeds


def _assemble(
    settings: Settings,
    capture: Capture,
    feeds: Mapping[str, Feed],
    speed: float | None,
    progress: ReplayProgress,
) -> Assembly:
    names = {feed.name: feed.venue for feed in feeds.values()}
    assembly = Assembly(settings, capture.session, SystemClock(), frozenset(names), names)
    random = Random()
    add_writers(assembly, settings.data_dir, random, check_sessions={capture.session: {}})
    add_monitor(assembly, publish_seconds=None, symbols_shown=0, level=logging.DEBUG)
    add_replay(assembly, feeds, read(capture.paths), speed, progress.update)
    return assembly

"""`run`: the pipeline, live."""

import argparse
import logging
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from random import Random
from time import monotonic, sleep
from typing import Any, Final

from actors.assembly import Assembly
from actors.clock import SystemClock
from actors.dialer import Dial, StartDialer, start_dialer
from actors.dialing import dial
from actors.transport import Transport
from actors.wiring import add_feed, add_journal, add_monitor, add_writers, feed_dialect
from cli.demo import DemoProcess
from cli.hosting import Host, handling_signals
from cli.latencies import latencies
from cli.live_table import LiveTable
from cli.log_lines import Mark, line, mark
from cli.past import Past
from cli.preparing import (
    check_stores,
    conclude,
    data_directory,
    load_settings,
    log_to_stderr,
    prepare_kernels,
)
from cli.summary import summarize
from core.errors import UsageError
from core.settings import Feed, Settings
from messages.observation import GetStatus
from messages.supervision import SupervisorEnded
from stores.data_dir import LOCK_SECONDS
from web.status_server import StatusServer

TABLE_SECONDS: Final = 1.0
LINE_SECONDS: Final = 10.0
ASK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.1

log = logging.getLogger("tapeline")


def run(arguments: argparse.Namespace) -> int:
    """Run until the time is up, a signal comes, or the supervisor gives up."""
    settings = load_settings(arguments)
    on_terminal = sys.stdout.isatty() and not arguments.json
    log_to_stderr(logging.WARNING if on_terminal else logging.INFO)
    # Signals are handled until the ledger is printed: a second Ctrl-C must not cost it.
    with ExitStack() as to_the_end:
        with ExitStack() as stack:
            directory = stack.enter_context(data_directory(settings))
            check_stores(settings)
            prepare_kernels(settings.data_dir)
            past = Past(settings, directory.next_session())
            assembly = _assemble(settings, past, on_terminal, stack)
            past.attach(assembly)
            server = _listen(settings, assembly)
            stack.callback(server.close)
            server.start()
            directory.tell_monitor({"host": settings.monitor.host, "port": server.port})
            log.info("status on %s, port %d", settings.monitor.host, server.port)
            host = Host(assembly, arguments.duration)
            to_the_end.enter_context(handling_signals(host.stop_at_signal))
            ended = _host(host, assembly, on_terminal)
            past.conclude(assembly, ended)
        return conclude(ended, arguments.json, summarize, latency=latencies(assembly))


def _assemble(settings: Settings, past: Past, on_terminal: bool, stack: ExitStack) -> Assembly:
    venues = {feed.name: feed.venue for feed in settings.feeds}
    blocking = frozenset(feed.name for feed in settings.feeds if feed.overload == "block")
    assembly = Assembly(settings, past.session, SystemClock(), blocking, venues)
    random = Random()
    add_writers(assembly, settings.data_dir, random, check_sessions=past.unrecovered.since())
    # The live table shows the alerts; log lines would run through it.
    level = logging.DEBUG if on_terminal else logging.WARNING
    add_monitor(assembly, publish_seconds=TABLE_SECONDS, symbols_shown=50, level=level)
    journal = add_journal(assembly, settings.data_dir)
    for feed in settings.feeds:
        add_feed(assembly, feed, _url(feed, settings, stack), _make_dialer, random, journal)
    return assembly


def _url(feed: Feed, settings: Settings, stack: ExitStack) -> str:
    """Give a feed's URL, else its venue's; a demo feed without one gets an exchange of its own."""
    if feed.venue != "demo" or feed.url:
        return feed_dialect(feed, feed.url.reveal()).url()
    demo = DemoProcess(feed, settings.demo)
    stack.callback(demo.close)
    return demo.url


def _make_dialer(feed: Feed, url: str) -> StartDialer:
    return start_dialer(_dial_of(feed, url))


def _dial_of(feed: Feed, url: str) -> Dial:
    def connect() -> Transport:
        return dial(
            url,
            timeout_seconds=feed.connect_timeout_seconds,
            headers={name: value.reveal() for name, value in feed.headers.items()},
            proxy=feed.proxy.reveal() or None,
        ).transport

    return connect


def _listen(settings: Settings, assembly: Assembly) -> StatusServer:
    """Listen for `status`; a port that is just being given up is waited for."""
    give_up = monotonic() + LOCK_SECONDS
    while True:
        try:
            return StatusServer(settings.monitor.host, settings.monitor.port, partial(_status, assembly))
        except UsageError:
            if monotonic() >= give_up:
                raise
            sleep(RETRY_SECONDS)


def _host(host: Host, assembly: Assembly, on_terminal: bool) -> SupervisorEnded:
    """Run the supervisor, showing how things stand: a live table, or a log line now and then."""
    if not on_terminal:
        return host.run(LINE_SECONDS, LogLines(assembly).show)
    detector = assembly.settings.detector
    with LiveTable(warn_z=detector.warn_z, critical_z=detector.critical_z) as table:
        return host.run(TABLE_SECONDS, lambda: table.update(_status(assembly)))


class LogLines:
    """Logs one line a time, with the rate since the one before."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._began = monotonic()
        self._last: Mark | None = None

    def show(self) -> None:
        """Log how things stand."""
        status, seconds = _status(self._assembly), monotonic() - self._began
        log.info("%s", line(status, seconds, self._last))
        self._last = mark(status, seconds)


def _status(assembly: Assembly) -> Mapping[str, Any]:
    """Ask the monitor; nothing where it does not answer in time, or fails to."""
    try:
        status: Mapping[str, Any] = assembly.monitor.ask(GetStatus(), ASK_SECONDS)
        return status
    except Exception as error:  # whatever ails the monitor must not end the main thread, and with it the run
        log.warning("the monitor does not answer: %r", error)
        return {}

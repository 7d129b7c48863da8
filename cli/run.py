"""`run`: the pipeline, live."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from random import Random
from time import monotonic, sleep
from typing import Any, Final

from actors.assembly import Assembly
from actors.base import Injected
from actors.chaos import add_chaos
from actors.clock import SystemClock
from actors.dialer import Dial, StartDialer, start_dialer
from actors.dialing import dial
from actors.transport import Transport
from actors.wiring import add_feed, add_journal, add_monitor, add_writers, feed_dialect
from cli.demo import DemoProcess
from cli.hosting import Host, stay_on
from cli.latencies import latencies
from cli.live_table import LiveTable
from cli.log_lines import Mark, line, mark
from cli.notifying import Notifier
from cli.past import Past
from cli.preparing import (
    check_stores,
    conclude,
    data_directory,
    leave,
    load_settings,
    log_to_stderr,
    prepare_kernels,
)
from cli.reloading import Reloading
from cli.signals import taking_signals
from cli.summary import summarize
from core.chaos import Chaos
from core.errors import UsageError
from core.settings import Feed, Settings
from messages.observation import GetStatus
from messages.supervision import SupervisorEnded
from stores.data_dir import LOCK_SECONDS
from stores.registry import StoreTerms, open_writer
from stores.stalling import StallingStore
from stores.store import Store
from web.feeding import OperatorView
from web.names import at
from web.status_server import StatusServer

TABLE_SECONDS: Final = 1.0
SYMBOLS_SHOWN: Final = 100_000
LINE_SECONDS: Final = 10.0
ASK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.1

log = logging.getLogger("tapeline")


def run(arguments: argparse.Namespace) -> int:
    """Run until the time is up, a signal comes, or the supervisor gives up."""
    settings = load_settings(arguments)
    on_terminal = sys.stdout.isatty() and not arguments.json
    log_to_stderr(logging.WARNING if on_terminal else logging.INFO, arguments.log_format)
    notifier = Notifier.from_environment(os.environ)
    notifier.status("preparing")
    # Signals are handled until the ledger is printed: a second Ctrl-C must not cost it.
    with ExitStack() as to_the_end:
        signals = to_the_end.enter_context(taking_signals())
        with ExitStack() as stack:
            directory = stack.enter_context(data_directory(settings))
            check_stores(settings)
            prepare_kernels(settings.data_dir)
            past = Past(settings, directory.next_session())
            assembly = _assemble(settings, past, on_terminal, stack, arguments.chaos)
            past.attach(assembly)
            reloading = Reloading(
                partial(load_settings, arguments), arguments.config, lambda: assembly.settings,
                assembly.supervisor, notifier=notifier,
            )  # fmt: skip
            server = _listen(settings, assembly, reloading, arguments.log_format)
            stack.callback(server.close)
            server.start()
            directory.tell_monitor({"host": settings.monitor.host, "port": server.port})
            log.info("status on %s, port %d", settings.monitor.host, server.port)
            if settings.monitor.page:
                log.info("the page is http://%s/", at(settings.monitor.host, server.port))
            host = Host(assembly, arguments.duration, reloading, signals.inbox, notifier)
            signals.hosted = True
            ended = _host(host, assembly, reloading, notifier, on_terminal)
            past.conclude(assembly, ended)
        status = conclude(ended, arguments.json, summarize, latency=latencies(assembly))
    return leave(status, ended.hanging)


def _assemble(
    settings: Settings, past: Past, on_terminal: bool, stack: ExitStack, chaos: Chaos | None
) -> Assembly:
    venues = {feed.name: feed.venue for feed in settings.feeds}
    blocking = frozenset(feed.name for feed in settings.feeds if feed.overload == "block")
    assembly = Assembly(settings, past.session, SystemClock(), blocking, venues)
    random = Random()
    add_writers(
        assembly, settings.data_dir, random, check_sessions=past.unrecovered.since(),
        open_store=open_writer if chaos is None else _open_stalling,
    )  # fmt: skip
    # The live table shows the alerts; log lines would run through it.
    level = logging.DEBUG if on_terminal else logging.WARNING
    add_monitor(assembly, publish_seconds=TABLE_SECONDS, symbols_shown=SYMBOLS_SHOWN, level=level)
    journal = add_journal(assembly, settings.data_dir)
    for feed in settings.feeds:
        add_feed(assembly, feed, _url(feed, settings, stack), _make_dialer, random, journal)
    if chaos is not None:
        add_chaos(assembly, chaos)
        # Pykka's traceback of a crash that was asked for would only hide others.
        logging.getLogger("pykka").addFilter(_was_no_trial)
    return assembly


def _was_no_trial(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], Injected))


def _open_stalling(terms: StoreTerms) -> Store:
    return StallingStore(open_writer(terms))


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


def _listen(
    settings: Settings, assembly: Assembly, reloading: Reloading, log_format: str
) -> StatusServer | OperatorView:
    """Listen for `status` and the page; a port that is just being given up is waited for."""
    give_up = monotonic() + LOCK_SECONDS
    get_status = partial(_status, assembly, reloading)
    while True:
        try:
            if not settings.monitor.page:
                return StatusServer(settings.monitor.host, settings.monitor.port, get_status)
            # Threads that feed it belong where all others are.
            settle = partial(stay_on, settings.actors.cpus)
            return OperatorView(assembly, get_status, settle=settle, log_format=log_format)
        except UsageError:
            if monotonic() >= give_up:
                raise
            sleep(RETRY_SECONDS)


def _host(
    host: Host, assembly: Assembly, reloading: Reloading, notifier: Notifier, on_terminal: bool
) -> SupervisorEnded:
    """Run the supervisor, showing how things stand: a live table, or a log line now and then."""
    if not on_terminal:
        return host.run(LINE_SECONDS, LogLines(assembly, reloading, notifier).show)
    with LiveTable() as table:
        return host.run(TABLE_SECONDS, lambda: _draw(table, assembly, reloading))


def _draw(table: LiveTable, assembly: Assembly, reloading: Reloading) -> None:
    detector = assembly.settings.detector
    table.update(_status(assembly, reloading), warn_z=detector.warn_z, critical_z=detector.critical_z)


class LogLines:
    """Logs one line a time, with the rate since the one before, and tells the service manager as well."""

    def __init__(self, assembly: Assembly, reloading: Reloading, notifier: Notifier) -> None:
        self._assembly = assembly
        self._reloading = reloading
        self._notifier = notifier
        self._began = monotonic()
        self._last: Mark | None = None

    def show(self) -> None:
        """Log how things stand."""
        status, seconds = _status(self._assembly, self._reloading), monotonic() - self._began
        text = line(status, seconds, self._last)
        log.info("%s", text)
        self._notifier.status(text)
        self._last = mark(status, seconds)


def _status(assembly: Assembly, reloading: Reloading) -> Mapping[str, Any]:
    """Ask the monitor; nothing where it does not answer in time, or fails to."""
    try:
        status: Mapping[str, Any] = assembly.monitor.ask(GetStatus(), ASK_SECONDS)
    except Exception as error:  # whatever ails the monitor must not end the main thread, and with it the run
        log.warning("the monitor does not answer: %r", error)
        return {}
    return {**status, "reload": reloading.status}

"""Feeds the process of the page: how everything stands, once a second, and what it asks for."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread
from time import thread_time, time_ns
from typing import Any, Final

import msgspec
import pykka

from actors.assembly import Assembly
from core.settings import Settings
from core.topology import detector_name
from messages.signals import RecentTicks
from web.child import COMMAND, Child
from web.latency_round import LatencyRound
from web.listening import listen
from web.model import Recent
from web.recent_columns import recent_of
from web.wire import Answer, Hello, Snapshot, line, question

EVERY_SECONDS: Final = 1.0
ASK_SECONDS: Final = 2.0
MOST_RECENT: Final = 1_000
ANSWERING_THREADS: Final = 4

log = logging.getLogger("tapeline.page")


class OperatorView:
    """Listens, has a child serve what comes, and feeds it: from construction to `close`."""

    def __init__(
        self,
        assembly: Assembly,
        get_status: Callable[[], Mapping[str, Any]],
        *,
        settle: Callable[[], None] = lambda: None,
        log_level: int = logging.WARNING,
        log_format: str = "text",
        command: Sequence[str] = COMMAND,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """Listen where the settings say; nobody answers before `start`. Raises UsageError where that fails.

        `get_status` is called on a thread of its own, must not raise, and gives an empty mapping where there
        is no status. `settle` is called first on each thread that is started here.
        """
        self._assembly = assembly
        self._get_status = get_status
        self._settle = settle
        self._every_seconds = every_seconds
        self._started_ns = time_ns()
        monitor = assembly.settings.monitor
        self._listening = listen(monitor.host, monitor.port)
        self.port: Final[int] = self._listening.getsockname()[1]
        hello = Hello(
            self._listening.fileno(), monitor.host, self.port, os.getpid(), monitor.hosts,
            monitor.token.reveal(), _all_cpus(), log_level, log_format,
        )  # fmt: skip
        self._child = Child(
            line(hello), (self._listening.fileno(),), self._hear, command=command, settle=settle
        )
        self._latencies = LatencyRound(assembly)
        self._answering = ThreadPoolExecutor(ANSWERING_THREADS, "page-answering", initializer=settle)
        self._closing = Event()
        self._thread = Thread(target=self._feed, name="page-feed", daemon=True)
        self.cpu_seconds = 0.0
        """What the feeding thread itself has used so far; the monitor's work for it is not in it."""

    @property
    def child_pid(self) -> int | None:
        """The process id of the child; None while there is none."""
        return self._child.pid

    def start(self) -> None:
        """Begin to serve."""
        self._child.start()
        self._thread.start()

    def close(self) -> None:
        """End the child, and free the port."""
        self._closing.set()
        self._answering.shutdown(wait=False, cancel_futures=True)
        # The feeding thread may be waiting for a monitor that has ended; it is left to that.
        self._child.close()
        self._listening.close()

    def _feed(self) -> None:
        self._settle()
        while not self._closing.is_set():
            self._child.show(line(self._snapshot()))
            self.cpu_seconds = thread_time()
            self._closing.wait(self._every_seconds)

    def _snapshot(self) -> Snapshot:
        # Before it is asked for: the status is no older than it says.
        at_ns = time_ns()
        status, latencies = self._get_status(), self._latencies.step()
        if not status:
            return Snapshot(at_ns, None, latencies)
        more = {
            "at_ns": at_ns,
            "session": self._assembly.session,
            "started_ns": self._started_ns,
            "latency": _told(latencies),
            "settings": shown(self._assembly.settings),
        }
        return Snapshot(at_ns, {**status, **more}, latencies)

    def _hear(self, text: bytes) -> None:
        """Take what the child asks; it is answered elsewhere, since a detector may take its time."""
        try:
            asked = question(text)
        except msgspec.DecodeError:
            log.warning("the page's process asks what cannot be understood")
            return
        # Refused once we are closing.
        with suppress(RuntimeError):
            self._answering.submit(self._answer, asked.id, *asked.recent)

    def _answer(self, number: int, feed: str, symbol: str, n: int) -> None:
        self._child.answer(line(Answer(number, self._recent(feed, symbol, n))))

    def _recent(self, feed: str, symbol: str, n: int) -> Recent | None:
        spec = self._assembly.specs.get(detector_name(feed, symbol, self._assembly.shards))
        most = max(1, min(n, MOST_RECENT))
        if spec is None:
            return None
        try:
            blocks = spec.slot.address.ask(RecentTicks(symbol, most, feed, refused=True), ASK_SECONDS)
        except pykka.Timeout:
            return None
        return recent_of(feed, symbol, blocks, most)


def shown(settings: Settings) -> Mapping[str, Any]:
    """Give the settings that the page shows: none of them is a secret."""
    feeds = [
        {"name": feed.name, "venue": feed.venue, "symbols": len(feed.symbols), "overload": feed.overload}
        for feed in settings.feeds
    ]
    stores = [{"name": store.name, "kind": store.kind} for store in settings.stores]
    detector = settings.detector
    return {
        "feeds": feeds,
        "stores": stores,
        "detector": {
            "window": detector.window,
            "min_history": detector.min_history,
            "warn_z": detector.warn_z,
            "critical_z": detector.critical_z,
        },
    }


def _told(latencies: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the percentiles as the ledger at the end of a run has them."""
    stored = {
        name.removeprefix("stored/"): found.as_json()
        for name, found in latencies.items()
        if name.startswith("stored/")
    }
    return {name: latencies[name].as_json() for name in latencies if "/" not in name} | {"stored": stored}


def _all_cpus() -> tuple[int, ...]:
    """Give the processors that we may run on, before the pipeline keeps to fewer."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()

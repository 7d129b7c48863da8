"""A whole live system with real threads, sockets and clocks in the process of a test, which can look inside.

with threaded(directory, url, "shed_oldest") as system:
    system.slot_of("detector/f/A").address.ask(...)
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psutil

from actors.assembly import Assembly
from actors.clock import SystemClock
from actors.dialer import StartDialer, start_dialer
from actors.dialing import dial
from actors.launching import ThreadLauncher
from actors.slot import Slot
from actors.supervisor import SupervisorActor
from actors.supervisor_state import SupervisorState
from actors.transport import Transport
from actors.wiring import OpenStore, add_feed, add_monitor, add_writers
from cli.hosting import stay_on
from cli.preparing import prepare_kernels
from core.ledger import Ledger
from core.settings import Feed, Settings
from core.settings_loading import load
from messages.lane import Salvage
from messages.supervision import BeginDrain, InjectFault, SupervisorEnded, SupervisorStarted
from stores.registry import open_writer
from tests.support.processes import eventually

SESSION = 1
CONNECT_SECONDS = 20.0


class Hasty(Random):
    """Draws the shortest wait there is, and not even that."""

    def uniform(self, a: float, b: float) -> float:
        """See random.Random."""
        return 0.001


class Threaded:
    """The actors of a live run, without its journal and its page."""

    def __init__(self, settings: Settings, directory: Path, open_store: OpenStore) -> None:
        self.settings = settings
        self.told: list[Any] = []
        """What the supervisor told its host."""
        blocking = frozenset(feed.name for feed in settings.feeds if feed.overload == "block")
        venues = {feed.name: feed.venue for feed in settings.feeds}
        self.assembly = Assembly(settings, SESSION, SystemClock(), blocking, venues)
        random = Hasty()
        add_writers(self.assembly, directory, random, open_store=open_store)
        add_monitor(self.assembly, publish_seconds=0.2, symbols_shown=10)
        for feed in settings.feeds:
            add_feed(self.assembly, feed, feed.url.reveal(), _make_dialer, random)
        for spec in self.assembly.of_kind("connection"):
            # Wiring gives each line a generator of its own.
            assert "random" in spec.arguments
            spec.arguments["random"] = random
        slot: Slot[SupervisorState] = Slot(
            "supervisor", SupervisorState(), self.assembly.supervisor.mailbox, self.assembly.clock,
            monitor=self.assembly.monitor,
        )  # fmt: skip
        self.slots: dict[str, Slot[Any]] = {"supervisor": slot}
        self.slots |= {name: spec.slot for name, spec in self.assembly.specs.items()}
        self.supervisor = SupervisorActor.start(
            slot, assembly=self.assembly, launcher=ThreadLauncher(), random=random,
            tell_host=self.told.append,
        )  # fmt: skip

    def wait_started(self) -> None:
        """Wait until every child runs."""
        eventually(lambda: any(isinstance(told, SupervisorStarted) for told in self.told))

    def crash(self, *names: str) -> None:
        """Have actors crash, and wait until their replacements run."""
        slots = [self.slots[name] for name in names]
        before = [slot.incarnation for slot in slots]
        for slot in slots:
            slot.address.tell(InjectFault("test"))
        eventually(
            lambda: (
                all(slot.incarnation > old for slot, old in zip(slots, before, strict=True))
                and not any(isinstance(slot.current, InjectFault | Salvage) for slot in slots)
            )
        )

    def drain(self) -> Ledger:
        """Drain, and give the final ledger."""
        self.assembly.supervisor.tell(BeginDrain("the test is over"))
        eventually(lambda: self.ended is not None)
        assert self.ended is not None
        assert self.ended.status == 0, self.ended
        assert self.ended.ledger is not None
        return self.ended.ledger

    @property
    def ended(self) -> SupervisorEnded | None:
        """What the supervisor told in the end."""
        return next((told for told in self.told if isinstance(told, SupervisorEnded)), None)


@contextmanager
def threaded(
    directory: Path, url: str, symbols: Sequence[str], *more: str, open_store: OpenStore = open_writer
) -> Iterator[Threaded]:
    """Run one generic feed, `f`, on as many processors as a process of its own; it ends with the context."""
    config = directory / "config.toml"
    config.write_text(
        f'data_dir = "."\n[[feeds]]\nname = "f"\nvenue = "generic"\nurl = "{url}"\n'
        f"symbols = {list(symbols)!r}\n[journal]\nenabled = false\n"
        + '[[stores]]\nname = "s"\nflush_ms = 100\n'
    )
    settings = load(config, more, {})
    prepare_kernels(directory)
    before, allowed = set(threading.enumerate()), os.sched_getaffinity(0)
    stay_on(settings.actors.cpus)
    try:
        # Threads stay where the one that starts them is.
        system = Threaded(settings, directory, open_store)
        system.wait_started()
    finally:
        os.sched_setaffinity(0, allowed)
    try:
        yield system
    finally:
        if system.ended is None:
            system.assembly.supervisor.tell(BeginDrain("the test is over"))
            eventually(lambda: system.ended is not None)
        for thread in set(threading.enumerate()) - before:
            thread.join(CONNECT_SECONDS)
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()]
    assert not left, f"threads that did not end: {left}"


def descriptors() -> int:
    """Count what this process has open."""
    return psutil.Process().num_fds()


def _make_dialer(feed: Feed, url: str) -> StartDialer:
    def connect() -> Transport:
        return dial(url, timeout_seconds=CONNECT_SECONDS).transport

    return start_dialer(connect)

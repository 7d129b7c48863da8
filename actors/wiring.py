"""The actors of a live run and of a replay, put together from the settings."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final

from actors.address import Address
from actors.assembly import MB, Assembly, line_terms
from actors.connection import ConnectionActor
from actors.dialer import StartDialer
from actors.journal import JournalActor, JournalState
from actors.launching import ChildSpec
from actors.monitor import MonitorActor, MonitorState, Reach
from actors.normalizer import NormalizerActor, NormalizerState
from actors.recoverer import RecovererActor
from actors.recovery_source import RecoverySource
from actors.replay_source import ReplaySource, Target
from actors.replayer import ReplayerActor
from actors.slot import Slot
from actors.webhook import WebhookActor
from actors.writer import WriterActor
from actors.writer_state import Progress, WriterState, writer_terms
from core.breaker import Breaker
from core.checkpointing import Checkpointing
from core.children import RestartType
from core.line import LineState
from core.normalize import Terms
from core.restart import Beyond
from core.settings import Feed
from core.settings import Store as StoreSettings
from core.topology import FeedPlan, LinePlan, enough_connections, plan_feed
from messages.journaling import SegmentOpened
from stores.journal import SEGMENT_BYTES, Journal, LineJournal
from stores.journal_format import Header
from stores.journal_replay import Unrecovered
from stores.registry import StoreTerms, open_writer, store_terms
from stores.spool import Spool
from stores.store import Store
from venues.dialect import Dialect, FeedTerms
from venues.registry import dialect_class

OpenStore = Callable[[StoreTerms], Store]
"""Gives a store that is not opened yet."""
SEGMENTS_KEPT: Final = 16
"""At least so many segments fit into what the journal may take, so that room is made bit by bit."""
MakeDialer = Callable[[Feed, str], StartDialer]
"""Gives what dials a feed's URL."""


def feed_dialect(feed: Feed, url: str) -> Dialect:
    """Make the dialect that speaks with a feed's venue."""
    return dialect_class(feed.venue)(
        FeedTerms(
            feed.symbols, feed.channels, url, {str(ours): theirs for ours, theirs in feed.fields.items()}
        )
    )


def add_writers(
    assembly: Assembly,
    data_dir: Path,
    random: Random,
    *,
    check_sessions: Mapping[int, Mapping[str, int]] = MappingProxyType({}),
    open_store: OpenStore = open_writer,
) -> None:
    """Add a writer for each store, with its spool; those of later stores are made in the same way."""
    assembly.make_writer = partial(_add_writer, assembly, data_dir, random, check_sessions, open_store)
    assembly.writers = {
        store.name: assembly.make_writer(store).slot.address for store in assembly.settings.stores
    }


def _add_writer(
    assembly: Assembly,
    data_dir: Path,
    random: Random,
    check_sessions: Mapping[int, Mapping[str, int]],
    open_store: OpenStore,
    store: StoreSettings,
) -> ChildSpec:
    """Add a writer; UsageError where its spool cannot be made."""
    settings = assembly.settings
    spool = Spool(data_dir / "spool" / store.name, settings.spool.max_mb * MB)
    return assembly.add(
        "writer", _writer_slot(assembly, f"writer/{store.name}"), WriterActor, Beyond.ESCALATE,
        terms=writer_terms(settings, store, assembly.session, check_sessions),
        open_store=partial(open_store, store_terms(settings, store)), spool=spool,
        sources=lambda: frozenset(spec.name for spec in assembly.of_kind("detector", "normalizer")),
        random=Random(random.getrandbits(64)),
        journal=assembly.journal if settings.journal.enabled else None,
    )  # fmt: skip


def _writer_slot(assembly: Assembly, name: str) -> Slot[WriterState]:
    """Give a slot; of a store that was here before its own, so that counts and batch numbers go on."""
    breaker = assembly.settings.breaker
    state = WriterState(Progress(Breaker(breaker.failure_threshold, breaker.cooldown_seconds)))
    before = assembly.retired.pop(name, None)
    slot: Slot[WriterState] = assembly.slot(name, state, assembly.rows_mailbox())
    if before is not None:
        slot = before.slot
        state.progress = replace(state.progress, next_batch=slot.state.progress.next_batch)
        state.stored = slot.state.stored
        slot.state = state
        # The end of the one before may not have reached it yet, and is not for its successor.
        slot.mailbox.empty_out()
        slot.timers.clear()
    return slot


def add_monitor(
    assembly: Assembly, *, publish_seconds: float | None, symbols_shown: int, level: int = logging.WARNING
) -> None:
    """Add the monitor, and the webhook's actor where one is configured."""
    alerts = assembly.settings.alerts
    webhook = None
    if alerts.webhook:
        slot = assembly.slot("webhook", None)
        webhook = slot.address
        assembly.add(
            "webhook", slot, WebhookActor, Beyond.ESCALATE,
            url=alerts.webhook.reveal(), timeout_seconds=alerts.webhook_timeout_seconds,
            monitor=assembly.monitor,
        )  # fmt: skip
    reach = Reach(
        sources=lambda: [spec.slot.address for spec in assembly.of_kind("connection")],
        pipeline=lambda: frozenset(
            spec.name for spec in assembly.of_kind("connection", "normalizer", "detector", "writer")
        ),
        detectors=lambda: [spec.slot.address for spec in assembly.of_kind("detector")],
        depths=lambda: {spec.name: len(spec.slot.mailbox) for spec in list(assembly.specs.values())},
        webhook=webhook,
        retired=lambda: {
            spec.name: spec.slot.counts for spec in list(assembly.retired.values()) if spec.kind != "writer"
        },
        gone=lambda: {
            spec.arguments["terms"].store: spec.slot.counts
            for spec in list(assembly.retired.values())
            if spec.kind == "writer"
        },
    )
    assembly.add(
        "monitor", assembly.slot("monitor", MonitorState(), assembly.monitor.mailbox), MonitorActor,
        Beyond.ESCALATE, reach=reach, writers=assembly.writers, every_seconds=alerts.every_seconds,
        publish_seconds=publish_seconds, symbols_shown=symbols_shown, level=level,
    )  # fmt: skip


def add_journal(assembly: Assembly, data_dir: Path) -> Journal | None:
    """Add what syncs the journal, where it is enabled."""
    settings = assembly.settings.journal
    if not settings.enabled:
        return None
    journal = Journal(data_dir)
    state = JournalState(Checkpointing())
    assembly.add(
        "journal", assembly.slot("journal", state, assembly.journal.mailbox), JournalActor,
        Beyond.ESCALATE, journal=journal, session=assembly.session,
        sync_seconds=settings.sync_ms / 1e3, retention_bytes=settings.retention_mb * MB,
    )  # fmt: skip
    return journal


def add_recovery(assembly: Assembly, unrecovered: Unrecovered) -> RecoverySource:
    """Add what recovers unclean sessions, once every feed was added."""
    normalizers: dict[str, tuple[Address[Any], ...]] = {}
    lines: dict[str, Address[Any]] = {}
    for spec in assembly.of_kind("normalizer"):
        feed = spec.arguments["terms"].feed
        normalizers[feed] = (*normalizers.get(feed, ()), spec.slot.address)
        lines |= dict.fromkeys(spec.arguments["lines"], spec.slot.address)
    source = RecoverySource(unrecovered, normalizers)
    state: JournalState = assembly.specs["journal"].slot.state
    state.covered |= unrecovered.covered
    state.checkpointing.expect_recovery()
    assembly.add(
        "recoverer", assembly.slot("recoverer", source), RecovererActor, Beyond.ESCALATE,
        RestartType.TRANSIENT,
        normalizers=normalizers, lines=lines, session=assembly.session, journal=assembly.journal,
        gates=tuple(assembly.gates(feed).frames for feed in normalizers),
    )  # fmt: skip
    return source


def add_feed(
    assembly: Assembly,
    feed: Feed,
    url: str,
    make_dialer: MakeDialer,
    random: Random,
    journal: Journal | None = None,
) -> None:
    """Add a feed's connections, normalizers and detectors."""
    connections = enough_connections(
        feed.connections, len(feed.symbols), dialect_class(feed.venue).max_symbols_per_connection
    )
    plan = plan_feed(feed.name, feed.symbols, connections, assembly.settings.actors.normalizers)
    lines: dict[str, Any] = {}
    for line in plan.lines:
        lines[line.line] = assembly.slot(f"connection/{line.line}", LineState())
    normalizers = {}
    for name in plan.normalizers:
        normalizers[name] = _add_normalizer(
            assembly, name, feed, feed_dialect(feed, url), plan.symbols_of(name),
            {line: lines[line].address for line in plan.lines_of(name)},
            frozenset(lines[line].name for line in plan.lines_of(name)),
        )  # fmt: skip
    _add_detectors(assembly, plan, normalizers)
    assembly.start_dialer[feed.name] = lambda feed: make_dialer(feed, url)
    add_line = partial(_add_line, assembly, url, random, journal)
    assembly.make_line[feed.name] = add_line
    for line in plan.lines:
        add_line(feed, line, lines[line.line])


def _add_line(
    assembly: Assembly,
    url: str,
    random: Random,
    journal: Journal | None,
    feed: Feed,
    line: LinePlan,
    slot: Slot[LineState] | None = None,
) -> ChildSpec:
    """Add a connection; its normalizer is there."""
    return assembly.add(
        "connection", slot or assembly.slot(f"connection/{line.line}", LineState()), ConnectionActor,
        Beyond.ESCALATE,
        terms=line_terms(assembly.session, feed, line), dialect=feed_dialect(feed, url),
        normalizer=assembly.specs[line.normalizer].slot.address,
        start_dialer=assembly.start_dialer[feed.name](feed),
        random=Random(random.getrandbits(64)), mask=partial(os.urandom, 4),
        journal=_line_journal(assembly, feed, line.line, journal),
        writers=assembly.writers,
        gates=(assembly.gates(feed.name).frames,),
    )  # fmt: skip


def _line_journal(assembly: Assembly, feed: Feed, line: str, journal: Journal | None) -> LineJournal | None:
    if journal is None:
        return None
    syncer = assembly.specs["journal"].slot.address
    return LineJournal(
        journal.session_path(assembly.session),
        Header(assembly.session, feed.name, feed.venue, line, 0),
        segment_bytes=min(SEGMENT_BYTES, assembly.settings.journal.retention_mb * MB // SEGMENTS_KEPT),
        opened=lambda path: syncer.tell(SegmentOpened(path)),
    )


def _add_detectors(assembly: Assembly, plan: FeedPlan, normalizers: Mapping[str, Any]) -> None:
    count = sum(len(feed.symbols) for feed in assembly.settings.feeds)
    for line in plan.lines:
        for symbol in line.symbols:
            spec = assembly.detector(plan.feed, symbol, line.normalizer, count)
            normalizers[line.normalizer].state.detectors[symbol] = spec.slot.address


def _add_normalizer(
    assembly: Assembly,
    name: str,
    feed: Feed,
    dialect: Dialect,
    known: frozenset[str] | None,
    lines: Mapping[str, Any],
    sources: frozenset[str],
) -> Any:
    """Add a normalizer of the symbols that its lines subscribe to; None: of any (replay)."""
    mailbox = assembly.frames_mailbox(len(known or feed.symbols))
    slot = assembly.slot(name, NormalizerState(dialect, {}), mailbox)
    gates = assembly.gates(feed.name)
    live = known is not None
    assembly.add(
        "normalizer", slot, NormalizerActor, Beyond.ESCALATE,
        terms=Terms(feed.name, feed.venue, known, dialect.one_channel, live, assembly.session),
        lines=lines, sources=sources, writers=assembly.writers,
        journal=assembly.journal if assembly.settings.journal.enabled and live else None,
        gates=(gates.ticks, gates.rows),
    )  # fmt: skip
    return slot


def add_replay(
    assembly: Assembly, feeds: Mapping[str, Feed], lines: Iterator[Any], speed: float | None,
    progress: Callable[[int], None],
) -> None:  # fmt: skip
    """Add what replays captures; `feeds` gives the feed of each venue that they hold."""
    normalizers = {}
    for feed in feeds.values():
        name, dialect = f"normalizer/{feed.name}/0", feed_dialect(feed, "")
        slot = _add_normalizer(assembly, name, feed, dialect, None, {}, frozenset({"replayer"}))
        normalizers[feed.name] = slot.address
    targets = {venue: Target(feed.name, f"{feed.name}/0/A") for venue, feed in feeds.items()}
    source = ReplaySource(lines, targets, assembly.session, speed)
    assembly.add(
        "replayer", assembly.slot("replayer", source), ReplayerActor, Beyond.ESCALATE,
        normalizers=normalizers, progress=progress,
        gates=tuple(assembly.gates(feed.name).frames for feed in feeds.values()),
    )  # fmt: skip

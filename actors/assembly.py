"""Puts the actors of a run together: slots, addresses, gates, child specs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from actors import mailbox
from actors.address import Address
from actors.clock import Clock
from actors.detector import DetectorActor, DetectorState
from actors.dialer import StartDialer
from actors.gate import Budget, Gate
from actors.launching import ChildSpec
from actors.mailbox import Mailbox
from actors.slot import Failpoint, Slot
from core.children import RestartType
from core.line import LineTerms
from core.restart import Beyond
from core.scoring import ScoringRules
from core.settings import Feed, Settings, Store
from core.topology import FeedPlan, LinePlan, detector_name, line_number

MB: Final = 2**20
BATCH_BYTES: Final = 2**19
BATCH_BYTES_A_SYMBOL: Final = 40_000


@dataclass(slots=True)
class Gates:
    """The gates of one feed: what is closed while something behind it is full."""

    frames: Gate = field(default_factory=Gate)
    """Before the normalizers; connections mind it."""
    ticks: Gate = field(default_factory=Gate)
    """Before the detectors; normalizers mind it."""
    rows: Gate = field(default_factory=Gate)
    """Before the writers; normalizers and detectors mind it."""


class Assembly:
    """All slots and specs of a run. Detectors may be added while it runs; the supervisor does that."""

    def __init__(
        self,
        settings: Settings,
        session: int,
        clock: Clock,
        blocking: frozenset[str],
        feeds: Mapping[str, str],
        failpoint: Failpoint | None = None,
    ) -> None:
        """`feeds` names each feed's venue; those in `blocking` lose nothing and wait instead."""
        self.settings = settings
        self.session = session
        self.clock = clock
        self.feeds = feeds
        self.specs: dict[str, ChildSpec] = {}
        self.retired: dict[str, ChildSpec] = {}
        """Those that were taken out while the system ran."""
        self._failpoint = failpoint
        self._configured_blocking = blocking
        self._blocking = set(blocking)
        self._gates = {feed: Gates() for feed in feeds}
        self._routes: dict[str, set[str]] = {}
        self._budget = Budget(settings.actors.mailbox_total_mb * MB)
        for feed in blocking:
            self._budget.hold(self._gates[feed].frames)
        self.supervisor = Address[Any]("supervisor", Mailbox())
        self.monitor = Address[Any]("monitor", Mailbox())
        self.journal = Address[Any]("journal", Mailbox())
        self.writers: Mapping[str, Address[Any]] = {}
        """By store. Replaced as a whole when stores come or go, since others look at it."""
        self.make_writer: Callable[[Store], ChildSpec]
        """Adds the writer of a store; set with the first ones."""
        self.make_line: dict[str, Callable[[Feed, LinePlan], ChildSpec]] = {}
        """By feed: adds a connection; set with the first ones, as is the next."""
        self.start_dialer: dict[str, Callable[[Feed], StartDialer]] = {}
        """By feed: gives what dials its venue."""

    def block_all(self) -> None:
        """Have every feed lose nothing and wait instead: a killed run is recovered, or symbols move."""
        # In place: the mailboxes look at this very set.
        self._blocking.update(self._gates)

    def block_configured(self) -> None:
        """Go back to what the configuration says."""
        self._blocking.intersection_update(self._configured_blocking)

    def gates(self, feed: str) -> Gates:
        """Give a feed's gates."""
        return self._gates[feed]

    def slot(self, name: str, state: Any, mailbox: Mailbox | None = None) -> Slot[Any]:
        """Make a slot that knows the supervisor and the monitor."""
        mailbox = Mailbox() if mailbox is None else mailbox
        return Slot(name, state, mailbox, self.clock, self.supervisor, self.monitor, self._failpoint)

    def add(
        self,
        kind: str,
        slot: Slot[Any],
        actor_class: Any,
        beyond: Beyond,
        restart: RestartType = RestartType.PERMANENT,
        **arguments: Any,
    ) -> ChildSpec:
        """Register a child; its gates wake it when they open."""
        for gate in arguments.get("gates", ()):
            gate.on_open(slot.mailbox.notify)
        spec = ChildSpec(slot.name, kind, slot, actor_class, arguments, beyond, restart)
        self.specs[slot.name] = spec
        return spec

    def retire(self, name: str) -> None:
        """Take out a child that has drained and ended; what it counted stays in the ledger."""
        self.retired[name] = self.specs.pop(name)

    def of_kind(self, *kinds: str) -> Iterator[ChildSpec]:
        """Give the specs of some kinds, in order of registration."""
        return (spec for spec in list(self.specs.values()) if spec.kind in kinds)

    # Lines

    def plan(self, feed: str) -> FeedPlan:
        """Give a feed's lines as they are."""
        lines = []
        for spec in self.of_kind("connection"):
            terms: LineTerms = spec.arguments["terms"]
            if terms.feed == feed:
                lines.append(LinePlan(feed, terms.line, terms.symbols, spec.arguments["normalizer"].name))
        return FeedPlan(feed, tuple(lines))

    def next_line(self, feed: str) -> int:
        """Give the number of a feed's next line: none comes twice, since rows are told apart by it."""
        specs = [*self.specs.values(), *self.retired.values()]
        terms = [spec.arguments["terms"] for spec in specs if spec.kind == "connection"]
        return 1 + max((line_number(each.line) for each in terms if each.feed == feed), default=-1)

    # Mailboxes

    def frames_mailbox(self, symbols: int) -> Mailbox:
        """Make a normalizer's: bounded in bytes.

        Its batches are no larger than the processor's caches unless symbols are many: what a batch costs
        is by symbol.
        """
        limit = self.settings.actors.frames_mb * MB
        batch_bytes = min(max(BATCH_BYTES, symbols * BATCH_BYTES_A_SYMBOL), limit)
        return self._mailbox(limit, lambda feed: self._gates[feed].frames, batch_bytes)

    def ticks_mailbox(self) -> Mailbox:
        """Make a detector's: bounded in ticks of a symbol."""
        return self._mailbox(self.settings.actors.mailbox_ticks, lambda feed: self._gates[feed].ticks)

    def rows_mailbox(self) -> Mailbox:
        """Make a writer's: bounded in rows of a symbol."""
        return self._mailbox(self.settings.actors.mailbox_ticks, lambda feed: self._gates[feed].rows)

    def _mailbox(
        self, limit: int, gate: Callable[[str], Gate], batch_bytes: int = mailbox.BATCH_BYTES
    ) -> Mailbox:
        return Mailbox(limit, self._blocking, gate, self._budget, batch_bytes)

    def bound_mailboxes(self) -> None:
        """Have the bounds of all mailboxes be as the settings say."""
        actors = self.settings.actors
        limits = {
            "normalizer": actors.frames_mb * MB,
            **dict.fromkeys(("detector", "writer"), actors.mailbox_ticks),
        }
        for spec in (*self.specs.values(), *self.retired.values()):
            if spec.kind in limits:
                spec.slot.mailbox.bound(limits[spec.kind])
        self._budget.bound(actors.mailbox_total_mb * MB)

    # Detectors

    @property
    def shards(self) -> int | None:
        """How many detectors share the symbols; None: each symbol has its own."""
        detectors = self.settings.actors.detectors
        return None if isinstance(detectors, str) else detectors

    def detector(self, feed: str, symbol: str, normalizer: str, symbols: int) -> ChildSpec:
        """Give the detector of a symbol that comes from a normalizer, registering it if it is new.

        `symbols` there are in all; they share the memory for recent ticks.
        """
        name = detector_name(feed, symbol, self.shards)
        routes = self._routes.setdefault(name, set())
        routes.add(normalizer)
        if name in self.specs:
            return self.specs[name]
        feeds = (feed,) if self.shards is None else tuple(self.feeds)
        actors = self.settings.actors
        # One that comes back counts on.
        earlier = self.retired.pop(name, None)
        return self.add(
            "detector",
            self.slot(name, DetectorState(), self.ticks_mailbox()) if earlier is None else earlier.slot,
            DetectorActor,
            Beyond.PARK if self.shards is None else Beyond.ESCALATE,
            session=self.session,
            rules=scoring_rules(self.settings),
            sources=lambda: frozenset(routes),
            writers=self.writers,
            recent_ticks=actors.recent_ticks,
            recent_bytes=actors.recent_total_mb * MB // max(1, symbols),
            journal=self.journal if self.settings.journal.enabled else None,
            gates=tuple(self._gates[each].rows for each in feeds),
        )

    def forget_routes(self) -> list[str]:
        """Forget which normalizers send to which detectors no longer; name the detectors without any."""
        routes: dict[str, set[str]] = {}
        for spec in self.of_kind("normalizer"):
            terms = spec.arguments["terms"]
            for symbol in terms.known or ():
                name = detector_name(terms.feed, symbol, self.shards)
                routes.setdefault(name, set()).add(spec.name)
        for name, normalizers in self._routes.items():
            normalizers &= routes.get(name, set())
        return [spec.name for spec in self.of_kind("detector") if not self._routes[spec.name]]


def line_terms(session: int, feed: Feed, line: LinePlan) -> LineTerms:
    """Give a line's terms as the configuration has them."""
    return LineTerms(
        feed.name, line.line, session, line.symbols, feed.stale_seconds, feed.acknowledge_seconds,
        feed.connect_timeout_seconds, feed.max_message_mb * MB,
    )  # fmt: skip


def scoring_rules(settings: Settings) -> ScoringRules:
    """Give the detector's rules as the configuration has them."""
    detector = settings.detector
    return ScoringRules(
        detector.window, detector.min_history, detector.warn_z, detector.critical_z, detector.epsilon,
        detector.min_std_bps,
    )  # fmt: skip

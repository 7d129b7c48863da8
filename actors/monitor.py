"""Hears every event, decides which become alerts, and knows how everything stands."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, assert_never

from actors.address import Address
from actors.base import Actor
from actors.slot import Slot, Transaction
from core.alerting import Place, Window, decide, last_word
from core.ledger import FrozenCounts
from core.overview import cut_ledger, symbol_row
from core.records import Alert
from core.standing import Standing
from messages.observation import (
    BreakerChanged,
    ChildChanged,
    CutTaken,
    GetStatus,
    LineChanged,
    Noticed,
    Post,
    Posted,
    PublishTick,
    RecoveryProgressed,
    TakeCut,
    TellLastWords,
)
from messages.persistence import AlertsNoted
from messages.retuning import PauseCuts, SetAlertTerms
from messages.signals import ReportSymbols, SymbolsReported
from messages.supervision import Drain, Drained

MonitorMessage = (
    Noticed | LineChanged | BreakerChanged | ChildChanged | CutTaken | PublishTick | TellLastWords | GetStatus
    | SymbolsReported | RecoveryProgressed | Posted | PauseCuts | SetAlertTerms | Drain
)  # fmt: skip
RECENT_ALERTS = 50
UNPOSTED_ALERTS = 1_000
CUT_PATIENCE_SECONDS = 10.0
ACTORS_CUT_A_SECOND = 1_000
SYMBOLS_ASKED_A_SECOND = 250
"""An answer takes some 100 µs of a detector's and the monitor's time; so that is 2.5 percent of a core."""

log = logging.getLogger("tapeline.alerts")


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom the monitor talks to; asked anew each time, since detectors come and go."""

    sources: Callable[[], Sequence[Address[Any]]]
    """Where a cut begins."""
    pipeline: Callable[[], frozenset[str]]
    """Names of all actors that take part in a cut."""
    detectors: Callable[[], Sequence[Address[Any]]]
    depths: Callable[[], Mapping[str, int]]
    """Messages that wait, by actor."""
    webhook: Address[Any] | None
    retired: Callable[[], Mapping[str, FrozenCounts]] = dict
    """What those upstream of the writers counted that were taken out."""
    gone: Callable[[], Mapping[str, FrozenCounts]] = dict
    """What the writers of stores counted that were taken out, by store."""


@dataclass(slots=True)
class MonitorState:
    """What outlives an incarnation; changed only by committed effects."""

    windows: dict[Place, Window] = field(default_factory=dict)
    alerts: deque[Alert] = field(default_factory=lambda: deque(maxlen=RECENT_ALERTS))
    unposted: tuple[Alert, ...] = ()
    posting: bool = False
    lines: dict[str, LineChanged] = field(default_factory=dict)
    children: dict[str, ChildChanged] = field(default_factory=dict)
    breakers: dict[str, BreakerChanged] = field(default_factory=dict)
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """By feed and symbol: how it stood when it was last asked."""
    rates: dict[tuple[str, str], tuple[float, int, float]] = field(default_factory=dict)
    """By symbol: when it was last asked, its ticks then, and ticks per second."""
    asked: int = 0
    """How many times a detector was asked how its symbols stand."""
    cut: int = 0
    cut_begun: float = 0.0
    cuts_paused: bool = False
    awaited: set[str] = field(default_factory=set)
    """Actors whose side of the cut has not come."""
    reports: dict[str, tuple[FrozenCounts, FrozenCounts]] = field(default_factory=dict)
    ledger: dict[str, Any] | None = None
    counts: list[tuple[str | None, str, str, int]] = field(default_factory=list)
    """What the ledger adds up: store, feed, name, how many."""
    recovery: RecoveryProgressed | None = None
    """None where there was nothing to recover."""


class MonitorActor(Actor[MonitorState]):
    """The operator's ears and memory."""

    def __init__(
        self,
        slot: Slot[MonitorState],
        *,
        reach: Reach,
        writers: Mapping[str, Address[Any]],
        every_seconds: float,
        publish_seconds: float | None,
        symbols_shown: int,
        level: int = logging.WARNING,
    ) -> None:
        super().__init__(slot, writers=writers)
        self._reach = reach
        self._every_ns = int(every_seconds * 1e9)
        self._publish_seconds = publish_seconds
        self._symbols_shown = symbols_shown
        self._level = level

    def started(self, tx: Transaction) -> None:
        """Begin to publish, if anybody is to see it, and to look for what was kept back."""
        tx.start_timer("last words", self._every_ns / 1e9, TellLastWords())
        if self._publish_seconds is not None:
            tx.start_timer("publish", self._publish_seconds, PublishTick())

    def receive(self, message: MonitorMessage, tx: Transaction) -> Any:
        """Handle one message."""
        state = self.slot.state
        match message:
            case Noticed():
                self._consider(message, tx)
            case LineChanged(line):
                tx.do(partial(state.lines.__setitem__, line, message))
            case BreakerChanged(store):
                tx.do(partial(state.breakers.__setitem__, store, message))
            case ChildChanged(child):
                tx.do(partial(state.children.__setitem__, child, message))
            case CutTaken():
                self._take_report(message, tx)
            case PublishTick():
                self._publish(tx)
            case PauseCuts(paused):
                tx.do(partial(self._pause_cuts, paused))
                if paused:
                    self.acknowledge(tx)
            case SetAlertTerms(every_seconds):
                tx.do(partial(setattr, self, "_every_ns", int(every_seconds * 1e9)))
                tx.start_timer("last words", every_seconds, TellLastWords())
                self.acknowledge(tx)
            case TellLastWords():
                tx.start_timer("last words", self._every_ns / 1e9, TellLastWords())
                self._tell_last_words(self._every_ns, tx)
            case SymbolsReported(_, symbols):
                for feed, symbol, standing in symbols:
                    self._take_standing((feed, symbol), standing, tx)
            case RecoveryProgressed():
                tx.do(partial(setattr, state, "recovery", message))
            case Posted(error):
                self._posted(error, tx)
            case GetStatus():
                return self._status()
            case Drain():
                self._tell_last_words(0, tx)
                tx.do(self._post_rest)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)
        return None

    # Alerts

    def _consider(self, noticed: Noticed, tx: Transaction) -> None:
        state = self.slot.state
        place = (noticed.kind, noticed.feed, noticed.symbol)
        decision = decide(state.windows.get(place), noticed.ts_ns, self._every_ns, noticed.occurrences)
        tx.do(partial(state.windows.__setitem__, place, decision.window))
        if not decision.send:
            return
        alert = Alert(
            noticed.ts_ns, noticed.kind, noticed.feed, noticed.symbol, noticed.actor, noticed.text,
            decision.held_back,
        )  # fmt: skip
        self._send((alert,), tx)

    def _tell_last_words(self, every_ns: int, tx: Transaction) -> None:
        """Tell how many were kept back of each place that has fallen silent."""
        now_ns, windows = self.slot.clock.time_ns(), self.slot.state.windows
        alerts = []
        for (kind, feed, symbol), window in windows.items():
            word = last_word(window, now_ns, every_ns)
            if word is not None:
                tx.do(partial(windows.__setitem__, (kind, feed, symbol), word.window))
                text = f"{word.held_back} more of the kind {kind} were kept back"
                alerts.append(Alert(now_ns, kind, feed, symbol, self.slot.name, text, word.held_back))
        self._send(tuple(alerts), tx)

    def _send(self, alerts: tuple[Alert, ...], tx: Transaction) -> None:
        if not alerts:
            return
        state = self.slot.state
        tx.do(partial(state.alerts.extend, alerts))
        tx.do(partial(self._log, alerts))
        for writer in self.writers.values():
            tx.put(writer, AlertsNoted(self.slot.name, alerts))
        if self._reach.webhook is not None:
            self._post((*state.unposted, *alerts)[-UNPOSTED_ALERTS:], tx)

    def _post_rest(self) -> None:
        """Post what waits though a post may be under way: the webhook drains last, and posts in turn."""
        state = self.slot.state
        if self._reach.webhook is not None and state.unposted:
            self._reach.webhook.tell(Post(state.unposted))
            state.unposted = ()

    def _post(self, unposted: tuple[Alert, ...], tx: Transaction, *, idle: bool = False) -> None:
        """Post all that waits, one post at a time, so that a slow receiver makes nothing grow."""
        state = self.slot.state
        if not unposted or self._reach.webhook is None or (state.posting and not idle):
            tx.do(partial(setattr, state, "unposted", unposted))
            return
        tx.do(partial(setattr, state, "unposted", ()))
        tx.do(partial(setattr, state, "posting", True))
        tx.tell(self._reach.webhook, Post(unposted))

    def _posted(self, error: str, tx: Transaction) -> None:
        if error:
            tx.do(partial(log.log, self._level, "webhook: %s", error))
        tx.do(partial(setattr, self.slot.state, "posting", False))
        self._post(self.slot.state.unposted, tx, idle=True)

    def _log(self, alerts: tuple[Alert, ...]) -> None:
        for alert in alerts:
            told = alert.held_back and alert.actor != self.slot.name
            more = f" (after {alert.held_back} that were kept back)" if told else ""
            place = f"{alert.feed}: " if alert.feed else ""
            if alert.symbol and alert.symbol not in alert.text:
                place += f"{alert.symbol}: "
            log.log(self._level, "%s: %s%s%s", alert.kind, place, alert.text, more)

    # The operator's view

    def _publish(self, tx: Transaction) -> None:
        state, now = self.slot.state, self.slot.clock.monotonic()
        pipeline = self._reach.pipeline()
        publish_seconds = self._publish_seconds or 1.0
        tx.start_timer("publish", publish_seconds, PublishTick())
        waited_enough = not state.awaited or now - state.cut_begun > CUT_PATIENCE_SECONDS
        # A cut costs every actor a message; with thousands of them it is taken less often.
        is_due = now - state.cut_begun > len(pipeline) / ACTORS_CUT_A_SECOND - publish_seconds / 2
        if is_due and waited_enough and not state.cuts_paused:
            tx.do(partial(setattr, state, "cut", state.cut + 1))
            tx.do(partial(setattr, state, "cut_begun", now))
            tx.do(partial(setattr, state, "reports", {}))
            tx.do(partial(setattr, state, "awaited", set(pipeline)))
            for source in self._reach.sources():
                tx.tell(source, TakeCut(state.cut + 1))
        self._ask_detectors(publish_seconds, tx)

    def _ask_detectors(self, seconds: float, tx: Transaction) -> None:
        """Ask as many detectors how their symbols stand as may be asked in so many seconds, in turn."""
        state, detectors = self.slot.state, self._reach.detectors()[: self._symbols_shown]
        if not detectors:
            return
        most = max(1, min(self._symbols_shown, round(SYMBOLS_ASKED_A_SECOND * seconds)))
        asked = min(len(detectors), most)
        tx.do(partial(setattr, state, "asked", state.asked + asked))
        for i in range(state.asked, state.asked + asked):
            turn, place = divmod(i, len(detectors))
            tx.tell(detectors[place], ReportSymbols(most // asked, turn))

    def _pause_cuts(self, paused: bool) -> None:
        """Forget the cut under way: it was begun with others than there will be."""
        state = self.slot.state
        state.cuts_paused = paused
        state.cut, state.awaited, state.reports = state.cut + 1, set(), {}
        # Those that are still there are reported anew.
        state.rows, state.rates = {}, {}

    def _take_report(self, report: CutTaken, tx: Transaction) -> None:
        state = self.slot.state
        if report.cut != state.cut:
            return
        tx.do(partial(state.reports.__setitem__, report.actor, (report.counts, report.in_flight)))
        tx.do(partial(state.awaited.discard, report.actor))
        if state.awaited <= {report.actor}:
            tx.do(self._complete_cut)

    def _complete_cut(self) -> None:
        writers = {address.name: store for store, address in self.writers.items()}
        nothing: FrozenCounts = {}
        retired = {name: (counts, nothing) for name, counts in self._reach.retired().items()}
        ledger = cut_ledger({**retired, **self.slot.state.reports}, writers, self._reach.gone())
        self.slot.state.ledger, self.slot.state.counts = ledger.as_json(), list(ledger.counts())

    def _take_standing(self, key: tuple[str, str], standing: Standing, tx: Transaction) -> None:
        state, now = self.slot.state, self.slot.clock.monotonic()
        before = state.rates.get(key)
        rate = 0.0
        if before is not None:
            elapsed = now - before[0]
            rate = (standing.ticks - before[1]) / elapsed if elapsed > 0 else before[2]
        tx.do(partial(state.rows.__setitem__, key, symbol_row(*key, standing, rate)))
        tx.do(partial(state.rates.__setitem__, key, (now, standing.ticks, rate)))

    def _status(self) -> dict[str, Any]:
        state = self.slot.state
        return {
            "ledger": state.ledger,
            "counts": state.counts,
            "recovery": None if state.recovery is None else asdict(state.recovery),
            "lines": [asdict(line) for line in state.lines.values()],
            "stores": [asdict(state.breakers[store]) for store in self.writers if store in state.breakers],
            "actors": [
                # Written out: of thousands `asdict` would take longer than all else.
                {
                    "child": child.child,
                    "state": child.state,
                    "restarts": child.restarts,
                    "text": child.text,
                    "waiting": depth,
                }
                for child, depth in self._with_depths(state.children)
            ],
            "symbols": [row for _, row in sorted(state.rows.items())],
            "alerts": [asdict(alert) for alert in state.alerts],
        }

    def _with_depths(self, children: Mapping[str, ChildChanged]) -> list[tuple[ChildChanged, int]]:
        """Give the children that there are, with the messages that wait for each."""
        depths = self._reach.depths()
        return [(child, depths[name]) for name, child in children.items() if name in depths]

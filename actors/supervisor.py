"""The supervisor: starts the actors in order, restarts what fails, drains them in order.

Its vocabulary is OTP's: child specs, restart intensity, escalation.
"""

import logging
from collections.abc import Callable
from random import Random
from typing import Any, assert_never

from actors.assembly import Assembly
from actors.base import Actor
from actors.launching import DRAIN_STAGES, RECOVERY, STAGES, Launcher
from actors.parked import ParkedActor
from actors.slot import Slot, Transaction
from actors.supervisor_state import Child, Holding, SupervisorState, begun
from core.ledger import Counts, FrozenCounts, Ledger, add, total
from core.restart import Beyond, GiveUp, Intensity, Restart
from messages.normalization import DetectorReady, WantDetector
from messages.observation import ChildChanged, Noticed
from messages.supervision import (
    BeginDrain,
    ChildFailed,
    Drain,
    Drained,
    DrainOverdue,
    LinesDone,
    RestartChild,
    SpoolRest,
    Started,
    StartOverdue,
    SupervisorEnded,
    SupervisorStarted,
)

SupervisorMessage = (
    Started | ChildFailed | StartOverdue | RestartChild | WantDetector | LinesDone | BeginDrain | Drained
    | DrainOverdue
)  # fmt: skip
WRITERS_GRACE_SECONDS = 5.0
"""What writers get beyond the drain deadline to put the rest into their spools."""

log = logging.getLogger("tapeline.supervisor")


class SupervisorActor(Actor[SupervisorState]):
    """Owns every other actor."""

    def __init__(
        self,
        slot: Slot[SupervisorState],
        *,
        assembly: Assembly,
        launcher: Launcher,
        random: Random,
        tell_host: Callable[[object], None],
    ) -> None:
        """`tell_host` hears `SupervisorStarted` and, in the end, `SupervisorEnded`."""
        super().__init__(slot)
        self._assembly = assembly
        self._launcher = launcher
        self._random = random
        self._tell_host = tell_host
        self._settings = assembly.settings.supervision

    def started(self, tx: Transaction) -> None:
        """Start the first stage."""
        for spec in self._assembly.of_kind(*(kind for stage in STAGES for kind in stage)):
            self.slot.state.children[spec.name] = Child(spec)
        self._next_start_stage(tx)

    def on_failure(self, *exc_info: Any) -> None:
        """Without its supervisor the process has no business to go on."""
        self._tell_host(SupervisorEnded(70, f"the supervisor itself failed: {exc_info[1]!r}", None))

    def receive(self, message: SupervisorMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case Started(child, incarnation):
                self._on_started(child, incarnation, tx)
            case ChildFailed(child, incarnation, error):
                if self._is_current(child, incarnation):
                    self._on_failed(self.slot.state.children[child], error, tx)
            case StartOverdue(child, incarnation):
                if (
                    self._is_current(child, incarnation)
                    and self.slot.state.children[child].state == "starting"
                ):
                    seconds = self._settings.start_seconds
                    self._on_failed(self.slot.state.children[child], f"not started within {seconds:g} s", tx)
            case RestartChild(child):
                self._restart(self.slot.state.children[child], tx)
            case WantDetector():
                self._add_detector(message, tx)
            case LinesDone(child):
                self._on_lines_done(self.slot.state.children[child], tx)
            case BeginDrain(reason, now):
                self._begin_drain(reason, tx, now=now)
            case Drained(child, held):
                self._on_drained(child, held, tx)
            case DrainOverdue():
                self._on_drain_overdue(tx)
            case _:
                assert_never(message)

    # Starting

    def _next_start_stage(self, tx: Transaction) -> None:
        state = self.slot.state
        while not state.waiting and not state.draining:
            state.stage += 1
            if state.stage >= len(STAGES):
                tx.do(lambda: self._tell_host(SupervisorStarted()))
                return
            children = self._children(*STAGES[state.stage])
            if STAGES[state.stage] == RECOVERY and children:
                # A recovery is read as fast as it goes: nothing of it may be shed.
                self._assembly.block_all()
            state.waiting = {child.spec.name for child in children}
            for child in children:
                self._start(child, tx)

    def _start(self, child: Child, tx: Transaction) -> None:
        self._set_state(child, "starting", tx)
        spec = child.spec
        try:
            child.ref = self._launcher.start(spec.actor_class, spec.slot, spec.arguments)
        except Exception as error:  # an actor's constructor is where its loop begins
            self._on_failed(child, f"{type(error).__name__}: {error}", tx)
            return
        overdue = StartOverdue(spec.name, spec.slot.incarnation)
        tx.start_timer(f"start/{spec.name}", self._settings.start_seconds, overdue)

    def _on_started(self, name: str, incarnation: int, tx: Transaction) -> None:
        if not self._is_current(name, incarnation):
            return
        state = self.slot.state
        tx.cancel_timer(f"start/{name}")
        child = state.children[name]
        if child.state == "starting":
            self._set_state(child, "running", tx)
        if not state.draining and name in state.waiting and child.spec.kind not in RECOVERY:
            state.waiting.discard(name)
            self._next_start_stage(tx)

    def _on_lines_done(self, child: Child, tx: Transaction) -> None:
        """A replay is over with its captures; once a killed run is recovered, the lines may start."""
        state = self.slot.state
        if child.spec.kind not in RECOVERY:
            self._begin_drain("the captures are read to their end", tx)
        elif not state.draining:
            self._set_state(child, "drained", tx)
            self._assembly.block_configured()
            state.waiting.discard(child.spec.name)
            self._next_start_stage(tx)

    def _add_detector(self, want: WantDetector, tx: Transaction) -> None:
        known = len(self.slot.state.children)
        spec = self._assembly.detector(want.feed, want.symbol, want.normalizer, known)
        if spec.name not in self.slot.state.children:
            child = self.slot.state.children[spec.name] = Child(spec)
            self._start(child, tx)
        ready = DetectorReady(want.symbol, spec.slot.address)
        tx.tell(self.slot.state.children[want.normalizer].spec.slot.address, ready)

    # Failing

    def _on_failed(self, child: Child, error: str, tx: Transaction) -> None:
        tx.cancel_timer(f"start/{child.spec.name}")
        if child.state in ("failed", "parked") or self.slot.state.ended:
            return
        intensity = Intensity(
            self._settings.max_restarts, self._settings.window_seconds, child.spec.beyond,
            self._settings.restart_delay_ms / 1e3,
        )  # fmt: skip
        child.history, decision = child.history.decide(intensity, self.slot.clock.monotonic(), self._random)
        match decision:
            case Restart(delay_seconds):
                self._set_state(child, "restarting", tx, error)
                self._notice("restart", child, f"{child.spec.name} failed and is restarted: {error}", tx)
                tx.start_timer(f"restart/{child.spec.name}", delay_seconds, RestartChild(child.spec.name))
            case GiveUp(Beyond.PARK):
                self._park(child, error, tx)
            case GiveUp(Beyond.ESCALATE):
                self._escalate(child, error, tx)

    def _restart(self, child: Child, tx: Transaction) -> None:
        if child.state == "restarting":
            child.restarts += 1
            self._start(child, tx)

    def _park(self, child: Child, error: str, tx: Transaction) -> None:
        spec = child.spec
        kept = {name: spec.arguments[name] for name in ("sources", "writers", "journal")}
        child.ref = self._launcher.start(ParkedActor, spec.slot, {**kept, "error": error})
        self._set_state(child, "parked", tx, error)
        text = f"{spec.name} failed more than {self._settings.max_restarts} times; parked: {error}"
        self._notice("parked", child, text, tx)
        if not self.slot.state.draining:
            self.slot.state.waiting.discard(spec.name)
            self._next_start_stage(tx)

    def _escalate(self, child: Child, error: str, tx: Transaction) -> None:
        """Give up: drain what still can, then end with status 70."""
        state = self.slot.state
        self._set_state(child, "failed", tx, error)
        state.status = 70
        state.text = (
            f"{child.spec.name} failed more than {self._settings.max_restarts} times in "
            f"{self._settings.window_seconds:g} s: {error}"
        )
        if state.draining:
            state.waiting.discard(child.spec.name)
            self._next_drain_stage(tx)
        else:
            self._begin_drain(state.text, tx)

    # Draining

    def _begin_drain(self, reason: str, tx: Transaction, *, now: bool = False) -> None:
        state = self.slot.state
        if not state.draining:
            log.info("draining: %s", reason)
            state.draining, state.stage, state.waiting = True, -1, set()
            tx.start_timer("drain", self._settings.drain_seconds, DrainOverdue())
            self._next_drain_stage(tx)
        if now:
            self._on_drain_overdue(tx)

    def _next_drain_stage(self, tx: Transaction) -> None:
        state = self.slot.state
        while not state.waiting:
            state.stage += 1
            if state.stage >= len(DRAIN_STAGES):
                self._end(tx)
                return
            for child in self._children(*DRAIN_STAGES[state.stage]):
                if child.state not in ("failed", "new", "drained"):
                    state.waiting.add(child.spec.name)
                    self._tell_drain(child, tx)

    def _tell_drain(self, child: Child, tx: Transaction) -> None:
        """Send the drain message behind all data; to those without a data lane, as a command."""
        address = child.spec.slot.address
        if child.spec.kind in ("normalizer", "detector", "writer"):
            tx.put(address, Drain())
        else:
            tx.tell(address, Drain())

    def _on_drained(self, name: str, held: FrozenCounts, tx: Transaction) -> None:
        state = self.slot.state
        child = state.children[name]
        state.held[name] = held
        self._set_state(child, "drained", tx)
        state.waiting.discard(name)
        if not state.waiting:
            self._next_drain_stage(tx)

    def _on_drain_overdue(self, tx: Transaction) -> None:
        """Give up what is not scored; have the writers spool what is."""
        state = self.slot.state
        if state.ended:
            return
        if state.overdue:
            log.error("did not finish in time: %s", ", ".join(sorted(state.waiting)))
            self._settle(*(child for child in self._children("writer") if child.state != "drained"))
            self._end(tx)
            return
        state.overdue = True
        others = self._children("connection", "replayer", "normalizer", "detector", "monitor", "webhook")
        self._settle(*(child for child in others if child.state != "drained"))
        state.stage, state.waiting = len(DRAIN_STAGES) - 3, set()
        for child in self._children("writer"):
            if child.state not in ("drained", "failed"):
                tx.tell(child.spec.slot.address, SpoolRest())
        tx.start_timer("drain", WRITERS_GRACE_SECONDS, DrainOverdue())
        self._next_drain_stage(tx)

    def _settle(self, *children: Child) -> None:
        """Fence children that did not drain, and count what they still had as shed.

        All are fenced before any is counted, so that none of them puts anything to another any more.
        """
        for child in children:
            if not child.spec.slot.fence():
                log.error("%s hangs while it commits: what it was at may be counted twice", child.spec.name)
                self.slot.state.gave_up = True
        for child in children:
            slot = child.spec.slot
            slot.finish()
            held = slot.state.held() if isinstance(slot.state, Holding) else {}
            for (feed, name), n in total([slot.mailbox.empty_out(), begun(slot.current), held]).items():
                frames = name == "in_flight_frames"
                add(slot.counts, feed, "shed_frames" if frames else "shed.drain_deadline", n)
                if n:
                    self.slot.state.gave_up = True
                    what = "frames" if frames else "records"
                    log.warning("%s: %d %s were given up at the drain deadline", child.spec.name, n, what)
            child.state = "drained"

    def _end(self, tx: Transaction) -> None:
        state = self.slot.state
        if state.ended:
            return
        state.ended = True
        tx.cancel_timer("drain")
        ended = SupervisorEnded(state.status, state.text, self._ledger(), state.gave_up)
        tx.do(self._stop_children)
        tx.do(lambda: self._tell_host(ended))

    def _stop_children(self) -> None:
        """Stop every child, then this actor; nobody waits for it, since a child may hang."""
        for child in self.slot.state.children.values():
            if child.ref is not None and child.ref.is_alive():
                child.ref.stop(block=False)
        self.stop()

    def _ledger(self) -> Ledger:
        """Add up what every child counted, and what is still somewhere."""
        state = self.slot.state
        shared: list[Counts] = []
        stores: dict[str, Counts] = {}
        for child in state.children.values():
            slot = child.spec.slot
            left: list[FrozenCounts] = [slot.mailbox.in_flight(), state.held.get(child.spec.name, {})]
            counts = total([slot.counts, *left])
            if child.spec.kind == "writer":
                stores[child.spec.arguments["terms"].store] = counts
            else:
                shared.append(counts)
        return Ledger(total(shared), stores)

    # Small things

    def _children(self, *kinds: str) -> list[Child]:
        return [child for child in self.slot.state.children.values() if child.spec.kind in kinds]

    def _is_current(self, name: str, incarnation: int) -> bool:
        child = self.slot.state.children.get(name)
        return child is not None and child.spec.slot.incarnation == incarnation

    def _set_state(self, child: Child, state: str, tx: Transaction, text: str = "") -> None:
        child.state = state
        tx.tell(self._assembly.monitor, ChildChanged(child.spec.name, state, child.restarts, text))

    def _notice(self, kind: str, child: Child, text: str, tx: Transaction) -> None:
        now = self.slot.clock.time_ns()
        tx.tell(self._assembly.monitor, Noticed(kind, None, child.spec.name, "supervisor", text, now))

"""The supervisor: starts the actors in order, restarts what fails, drains them in order.

Its vocabulary is OTP's: child specs, restart intensity, escalation.
"""

import logging
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, assert_never

from actors.assembly import Assembly
from actors.base import Actor
from actors.draining import Draining
from actors.launching import RECOVERY, STAGES, ChildSpec, Launcher
from actors.parked import ParkedActor
from actors.retuning import Retuning
from actors.slot import Slot, Transaction
from actors.supervisor_state import Child, SupervisorState
from actors.watching import Watching
from core.children import Over, Phase, Standing
from core.ledger import FrozenCounts
from core.restart import Beyond, GiveUp, Intensity, Restart
from core.settings import Supervision
from messages.normalization import DetectorReady, WantDetector
from messages.observation import ChildChanged
from messages.retuning import Acknowledged, Retune
from messages.supervision import (
    BeginDrain,
    ChildEnded,
    ChildFailed,
    Drained,
    DrainOverdue,
    LinesDone,
    LookAfterChildren,
    RestartChild,
    Started,
    StartOverdue,
    SupervisorEnded,
    SupervisorStarted,
)

SupervisorMessage = (
    Started | ChildFailed | ChildEnded | StartOverdue | RestartChild | LookAfterChildren | WantDetector
    | LinesDone | BeginDrain | Drained | DrainOverdue | Retune | Acknowledged
)  # fmt: skip

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
        self.assembly = assembly
        self._launcher = launcher
        self._random = random
        self.tell_host = tell_host
        self._watching = Watching(self)
        self._draining = Draining(self)
        self._retuning = Retuning(self)

    @property
    def settings(self) -> Supervision:
        """Those in effect."""
        return self.assembly.settings.supervision

    def started(self, tx: Transaction) -> None:
        """Start the first stage."""
        for spec in self.assembly.of_kind(*(kind for stage in STAGES for kind in stage)):
            self.slot.state.children[spec.name] = Child(spec)
        self._watching.begin(tx)
        self._next_start_stage(tx)

    def on_failure(self, *exc_info: Any) -> None:
        """Without its supervisor the process has no business to go on."""
        self.tell_host(SupervisorEnded(70, f"the supervisor itself failed: {exc_info[1]!r}", None))

    def receive(self, message: SupervisorMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case Started(name, incarnation):
                self._on_started(name, incarnation, tx)
            case ChildFailed(name, incarnation, error):
                if self._is_current(name, incarnation):
                    self.on_ended(self.slot.state.children[name], error, tx)
            case ChildEnded(name, incarnation):
                if self._is_current(name, incarnation):
                    self.on_ended(self.slot.state.children[name], "it ended", tx, normal=True)
            case StartOverdue(name, incarnation):
                self._on_start_overdue(name, incarnation, tx)
            case RestartChild(name):
                child = self.slot.state.children[name]
                if child.phase is Phase.RESTARTING:
                    self._start(child, tx)
            case LookAfterChildren():
                self._watching.look(tx)
            case WantDetector():
                self._add_detector(message, tx)
            case LinesDone(name):
                self._on_lines_done(self.slot.state.children[name], tx)
            case BeginDrain(reason, now):
                self.begin_drain(reason, tx, now=now)
            case Drained(name, held):
                self._on_drained(name, held, tx)
            case DrainOverdue():
                self._draining.on_overdue(tx)
            case Retune():
                self._retuning.begin(message, tx)
            case Acknowledged(name):
                self._retuning.happened(("acknowledged", name), tx)
            case _:
                assert_never(message)

    # Starting

    def _next_start_stage(self, tx: Transaction) -> None:
        state = self.slot.state
        while not state.waiting and not state.draining:
            state.stage += 1
            if state.stage >= len(STAGES):
                tx.do(lambda: self.tell_host(SupervisorStarted()))
                self._retuning.begin_waiting(tx)
                return
            children = self.children(*STAGES[state.stage])
            if STAGES[state.stage] == RECOVERY and children:
                # A recovery is read as fast as it goes: nothing of it may be shed.
                self.assembly.block_all()
            state.waiting = {child.spec.name for child in children}
            for child in children:
                self._start(child, tx)

    def _start(self, child: Child, tx: Transaction) -> None:
        self.become(child, child.standing.begun(), tx)
        spec = child.spec
        if child.standing.parked:
            self._start_parked(child, tx)
            return
        try:
            child.ref = self._launcher.start(spec.actor_class, spec.slot, spec.arguments)
        except Exception as error:  # an actor's constructor is where its loop begins
            self.on_ended(child, f"{type(error).__name__}: {error}", tx)
            return
        overdue = StartOverdue(spec.name, spec.slot.incarnation)
        tx.start_timer(f"start/{spec.name}", self.settings.start_seconds, overdue)

    def start_new(self, spec: ChildSpec, tx: Transaction) -> None:
        """Start a child that was added while the system runs."""
        child = self.slot.state.children[spec.name] = Child(spec)
        self._start(child, tx)

    def _on_started(self, name: str, incarnation: int, tx: Transaction) -> None:
        if not self._is_current(name, incarnation):
            return
        state = self.slot.state
        tx.cancel_timer(f"start/{name}")
        child = state.children[name]
        if child.phase is Phase.STARTING:
            self.become(child, child.standing.started(), tx)
        self._retuning.happened(("started", name), tx)
        if not state.draining and name in state.waiting and child.spec.kind not in RECOVERY:
            state.waiting.discard(name)
            self._next_start_stage(tx)

    def _on_start_overdue(self, name: str, incarnation: int, tx: Transaction) -> None:
        child = self.slot.state.children[name]
        if not self._is_current(name, incarnation) or child.phase is not Phase.STARTING:
            return
        # Its thread may hang in what it opens; whatever it still says is dropped.
        self.slot.state.fenced.append((name, child.spec.slot.pulse))
        child.spec.slot.fence()
        self.on_ended(child, f"not started within {self.settings.start_seconds:g} s", tx)

    def _on_lines_done(self, child: Child, tx: Transaction) -> None:
        """A replay is over with its captures; once a killed run is recovered, the lines may start."""
        state = self.slot.state
        if child.spec.kind not in RECOVERY:
            self.begin_drain("the captures are read to their end", tx)
        elif not state.draining:
            self.become(child, child.standing.closed(Phase.ENDED), tx)
            self.assembly.block_configured()
            state.waiting.discard(child.spec.name)
            self._next_start_stage(tx)

    def _add_detector(self, want: WantDetector, tx: Transaction) -> None:
        known = len(self.slot.state.children)
        spec = self.assembly.detector(want.feed, want.symbol, want.normalizer, known)
        if spec.name not in self.slot.state.children:
            child = self.slot.state.children[spec.name] = Child(spec)
            self._start(child, tx)
        ready = DetectorReady(want.symbol, spec.slot.address)
        tx.tell(self.slot.state.children[want.normalizer].spec.slot.address, ready)

    # Ending

    def on_ended(self, child: Child, error: str, tx: Transaction, *, normal: bool = False) -> None:
        """A child's incarnation has ended: restart it, or what its spec and intensity say."""
        spec = child.spec
        if self.slot.state.ended:
            return
        intensity = Intensity(
            self.settings.max_restarts, self.settings.window_seconds, spec.beyond,
            self.settings.restart_delay_ms / 1e3,
        )  # fmt: skip
        now = self.slot.clock.monotonic()
        standing, verdict = child.standing.ended(spec.restart, intensity, now, self._random, normal=normal)
        if verdict is Over.ALREADY:
            return
        tx.cancel_timer(f"start/{spec.name}")
        match verdict:
            case Restart(delay_seconds):
                self.become(child, standing, tx, error)
                self.notice(tx, "restart", None, spec.name, f"{spec.name} failed and is restarted: {error}")
                tx.start_timer(f"restart/{spec.name}", delay_seconds, RestartChild(spec.name))
            case GiveUp(Beyond.PARK):
                self._park(child, standing, error, tx)
            case GiveUp(Beyond.ESCALATE):
                self.escalate(child, self._beyond(child, error), tx)
            case _:
                self.become(child, standing, tx, "" if normal else error)
                self._forget(spec.name, tx)

    def _park(self, child: Child, standing: Standing, error: str, tx: Transaction) -> None:
        child.standing = standing
        child.error = error
        text = f"{child.spec.name} failed more than {self.settings.max_restarts} times; parked: {error}"
        self.notice(tx, "parked", None, child.spec.name, text)
        self._start_parked(child, tx)
        if not self.slot.state.draining:
            self.slot.state.waiting.discard(child.spec.name)
            self._next_start_stage(tx)

    def _start_parked(self, child: Child, tx: Transaction) -> None:
        spec = child.spec
        kept = {name: spec.arguments[name] for name in ("sources", "writers", "journal")}
        child.ref = self._launcher.start(ParkedActor, spec.slot, {**kept, "error": child.error})
        self.become(child, child.standing.started(), tx, child.error)

    def escalate(self, child: Child, text: str, tx: Transaction) -> None:
        """Give up: drain what still can, then end with status 70."""
        state = self.slot.state
        self.become(child, child.standing.closed(Phase.FAILED), tx, text)
        if not state.status:
            state.status, state.text = 70, text
        if state.draining:
            self._draining.forget(child.spec.name, tx)
        else:
            self.begin_drain(state.text, tx)

    def _beyond(self, child: Child, error: str) -> str:
        what = f"{child.spec.name} failed more than {self.settings.max_restarts} times"
        return f"{what} in {self.settings.window_seconds:g} s: {error}"

    def _forget(self, name: str, tx: Transaction) -> None:
        """A child is gone for good, as it should: whoever waits for it goes on without it."""
        state = self.slot.state
        if state.draining:
            self._draining.forget(name, tx)
        elif name in state.waiting and self.slot.state.children[name].spec.kind not in RECOVERY:
            state.waiting.discard(name)
            self._next_start_stage(tx)

    def begin_drain(self, reason: str, tx: Transaction, *, now: bool = False) -> None:
        """Stop taking data, finish what was taken, then end."""
        self._retuning.interrupt(tx)
        self._draining.begin(reason, tx, now=now)

    def _on_drained(self, name: str, held: FrozenCounts, tx: Transaction) -> None:
        child = self.slot.state.children[name]
        if child.retiring and not self.slot.state.draining:
            self._retired(child, tx)
        else:
            self._draining.on_drained(name, held, tx)

    # Taking out

    def retire(self, name: str, tx: Transaction) -> None:
        """Have a child drain and end while the others go on."""
        child = self.slot.state.children[name]
        child.retiring = True
        self._draining.tell_drain(child, tx)

    def _retired(self, child: Child, tx: Transaction) -> None:
        name = child.spec.name
        self.become(child, child.standing.closed(Phase.ENDED), tx)
        self.assembly.retire(name)
        # Its end comes through its port; a message could be taken by another one in its slot, later.
        child.spec.slot.fence()
        self._retuning.happened(("retired", name), tx)

    # Small things

    def children(self, *kinds: str) -> list[Child]:
        """Give the children of some kinds."""
        return [child for child in self.slot.state.children.values() if child.spec.kind in kinds]

    def slots(self) -> Iterator[Slot[Any]]:
        """Give everybody's slot, the supervisor's own first."""
        yield self.slot
        yield from (child.spec.slot for child in self.slot.state.children.values())

    def become(self, child: Child, standing: Standing, tx: Transaction, text: str = "") -> None:
        """Have a child stand otherwise, and tell the monitor."""
        child.standing = standing
        changed = ChildChanged(child.spec.name, standing.phase.value, standing.restarts, text)
        tx.tell(self.assembly.monitor, changed)

    def _is_current(self, name: str, incarnation: int) -> bool:
        child = self.slot.state.children.get(name)
        return child is not None and child.spec.slot.incarnation == incarnation

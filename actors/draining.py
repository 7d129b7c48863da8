"""The supervisor's drain: stage after stage with the data, and what becomes of the rest at the deadline."""

import logging
from typing import TYPE_CHECKING, Final

from actors.launching import DRAIN_STAGES
from actors.slot import Transaction
from actors.supervisor_state import Child, Holding, SupervisorState, begun
from core.children import Phase
from core.ledger import Counts, FrozenCounts, Ledger, add, total
from messages.supervision import Drain, DrainOverdue, SpoolRest, SupervisorEnded

if TYPE_CHECKING:
    from actors.supervisor import SupervisorActor

WRITERS_GRACE_SECONDS: Final = 5.0
"""What writers get beyond the drain deadline to put the rest into their spools."""
OVER: Final = frozenset({Phase.FAILED, Phase.NEW, Phase.DRAINED, Phase.ENDED})
"""Phases in which there is nobody to drain."""

LAST_ALERTS: Final = len(DRAIN_STAGES) - 2
"""The stage in which writers drain again, for the monitor's last alerts."""

log = logging.getLogger("tapeline.supervisor")


class Draining:
    """Ends a run."""

    def __init__(self, supervisor: "SupervisorActor") -> None:
        self._supervisor = supervisor

    @property
    def _state(self) -> SupervisorState:
        return self._supervisor.slot.state

    def begin(self, reason: str, tx: Transaction, *, now: bool = False) -> None:
        """Stop taking data, finish what was taken, then end; `now`: do not wait for the deadline."""
        state = self._state
        if not state.draining:
            log.info("draining: %s", reason)
            state.draining, state.stage, state.waiting = True, -1, set()
            tx.start_timer("drain", self._supervisor.settings.drain_seconds, DrainOverdue())
            self.next_stage(tx)
        if now:
            self.on_overdue(tx)

    def next_stage(self, tx: Transaction) -> None:
        """Drain the next kinds of children, once nobody of the last is waited for."""
        state = self._state
        while not state.waiting:
            state.stage += 1
            if state.stage >= len(DRAIN_STAGES):
                self._end(tx)
                return
            for child in self._supervisor.children(*DRAIN_STAGES[state.stage]):
                if child.phase is Phase.DRAINED and state.stage == LAST_ALERTS:
                    self._supervisor.become(child, child.standing.closed(Phase.RUNNING), tx)
                if child.phase not in OVER:
                    state.waiting.add(child.spec.name)
                    self.tell_drain(child, tx)

    def forget(self, name: str, tx: Transaction) -> None:
        """A child is gone for good: nobody waits for it."""
        self._state.waiting.discard(name)
        self.next_stage(tx)

    def tell_drain(self, child: Child, tx: Transaction) -> None:
        """Send the drain message behind all data; to those without a data lane, as a command."""
        address = child.spec.slot.address
        if child.spec.kind in ("normalizer", "detector", "writer"):
            tx.put(address, Drain())
        else:
            tx.tell(address, Drain())

    def on_drained(self, name: str, held: FrozenCounts, tx: Transaction) -> None:
        """A child has nothing left."""
        state = self._state
        child = state.children[name]
        state.held[name] = held
        self._supervisor.become(child, child.standing.closed(Phase.DRAINED), tx)
        state.waiting.discard(name)
        if not state.waiting:
            self.next_stage(tx)

    def on_overdue(self, tx: Transaction) -> None:
        """Give up what is not scored; have the writers spool what is."""
        state = self._state
        if state.ended:
            return
        if state.overdue:
            log.error("did not finish in time: %s", ", ".join(sorted(state.waiting)))
            self._settle(*(child for child in self._supervisor.children("writer") if child.phase not in OVER))
            self._end(tx)
            return
        state.overdue = True
        others = self._supervisor.children(
            "connection", "replayer", "normalizer", "detector", "monitor", "webhook"
        )
        self._settle(*(child for child in others if child.phase not in OVER))
        state.stage, state.waiting = LAST_ALERTS - 1, set()
        for child in self._supervisor.children("writer"):
            if child.phase not in OVER:
                tx.tell(child.spec.slot.address, SpoolRest())
        tx.start_timer("drain", WRITERS_GRACE_SECONDS, DrainOverdue())
        self.next_stage(tx)

    def _settle(self, *children: Child) -> None:
        """Fence children that did not drain, and count what they still had as shed.

        All are fenced before any is counted, so that none of them puts anything to another any more.
        """
        for child in children:
            self._state.fenced.append((child.spec.name, child.spec.slot.pulse))
            if not child.spec.slot.fence():
                log.error("%s hangs while it commits: what it was at may be counted twice", child.spec.name)
                self._state.gave_up = True
        for child in children:
            slot = child.spec.slot
            slot.finish()
            held = slot.state.held() if isinstance(slot.state, Holding) else {}
            for (feed, name), n in total([slot.mailbox.empty_out(), begun(slot.current), held]).items():
                frames = name == "in_flight_frames"
                add(slot.counts, feed, "shed_frames" if frames else "shed.drain_deadline", n)
                if n:
                    self._state.gave_up = True
                    what = "frames" if frames else "records"
                    log.warning("%s: %d %s were given up at the drain deadline", child.spec.name, n, what)
            child.standing = child.standing.closed(Phase.DRAINED)

    def _end(self, tx: Transaction) -> None:
        state = self._state
        if state.ended:
            return
        state.ended = True
        tx.cancel_timer("drain")
        ended = SupervisorEnded(state.status, state.text, self._ledger(), state.gave_up, state.hanging)
        tx.do(self._stop_children)
        tx.do(lambda: self._supervisor.tell_host(ended))

    def _stop_children(self) -> None:
        """Stop every child, then this actor; nobody waits for it, since a child may hang."""
        for child in self._state.children.values():
            if child.ref is not None and child.ref.is_alive():
                child.ref.stop(block=False)
        self._supervisor.stop()

    def _ledger(self) -> Ledger:
        """Add up what every child counted, and what is still somewhere."""
        state = self._state
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
        # Those that are there come first, in their order, then those that were taken out.
        there = {store: stores[store] for store in self._supervisor.assembly.writers if store in stores}
        return Ledger(total(shared), {**there, **stores})

"""The supervisor's watch over its children: who hangs, who has ended without a word, what fenced ones say."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from actors.slot import Transaction
from actors.stacks import report
from actors.supervisor_state import Child
from core.children import ALIVE
from core.describe import described
from core.watch import Sight, interval_of
from messages.lane import Resume
from messages.supervision import LookAfterChildren

if TYPE_CHECKING:
    from actors.supervisor import SupervisorActor

MOST_HANGING: Final = 3
"""So many threads that hang at once are no accident of one actor: the process gives up."""

log = logging.getLogger("tapeline.supervisor")


class Watching:
    """Looks after the children now and then, on the supervisor's own timer."""

    def __init__(self, supervisor: "SupervisorActor") -> None:
        self._supervisor = supervisor
        self._said: dict[str, int] = {}

    @property
    def interval_seconds(self) -> float:
        """The time between two looks."""
        kinds = {child.spec.kind for child in self._supervisor.slot.state.children.values()}
        settings = self._supervisor.settings
        return interval_of(min((settings.deadline_seconds(kind) for kind in kinds), default=1.0))

    def begin(self, tx: Transaction) -> None:
        """Look for the first time."""
        tx.start_timer("look", self.interval_seconds, LookAfterChildren())

    def look(self, tx: Transaction) -> None:
        """Replace who hangs and who has ended unnoticed; tell what was dropped of the fenced."""
        supervisor, state = self._supervisor, self._supervisor.slot.state
        interval = self.interval_seconds
        tx.start_timer("look", interval, LookAfterChildren())
        self._give_up(tx)
        state.watch, hung = state.watch.look(self._sights(), supervisor.slot.clock.monotonic(), interval)
        for name in hung:
            self._replace(state.children[name], tx)
        for child in list(state.children.values()):
            if child.phase in ALIVE and child.ref is not None:
                self._check_alive(child, tx)
            self._tell_dropped(child, tx)
        state.fenced = [(name, pulse) for name, pulse in state.fenced if pulse.hangs_on]

    def _sights(self) -> Iterator[Sight]:
        settings = self._supervisor.settings
        for name, child in self._supervisor.slot.state.children.items():
            pulse = child.spec.slot.pulse
            if pulse.doing is not None and child.phase in ALIVE:
                deadline = max(settings.deadline_seconds(child.spec.kind), pulse.allowance)
                yield Sight(name, (pulse.incarnation, pulse.beats), deadline)

    def _replace(self, child: Child, tx: Transaction) -> None:
        """Fence a child that hangs, and restart it as one that failed."""
        supervisor, slot, state = self._supervisor, child.spec.slot, self._supervisor.slot.state
        pulse = slot.pulse
        what = described(slot.current if isinstance(pulse.doing, Resume) else pulse.doing)
        log.error("%s hangs in %s\n%s", slot.name, what, report(supervisor.slots()))
        if not slot.fence():
            log.error("%s hangs in an effect; its replacement goes on behind it", slot.name)
        slot.hung = slot.current is not None
        state.fenced.append((slot.name, pulse))
        seconds = max(supervisor.settings.deadline_seconds(child.spec.kind), pulse.allowance)
        text = f"hung: it was at {what} for more than {seconds:g} s"
        supervisor.notice(tx, "hang", None, slot.name, f"{slot.name} {text}; fenced and replaced")
        supervisor.on_ended(child, text, tx)

    def _give_up(self, tx: Transaction) -> None:
        """End the process where too many threads that were fenced by earlier looks are still at it."""
        state = self._supervisor.slot.state
        hanging = state.hanging
        if len(hanging) >= MOST_HANGING and not state.status:
            text = f"{len(hanging)} threads hang at once: {', '.join(hanging)}"
            self._supervisor.escalate(state.children[hanging[-1]], text, tx)

    def _check_alive(self, child: Child, tx: Transaction) -> None:
        """A child that ended without a word is seen twice, since its word may be on its way."""
        thread = child.spec.slot.pulse.thread
        if child.ref.is_alive() and (thread is None or thread.is_alive()):
            child.silent = False
        elif child.silent:
            child.silent = False
            self._supervisor.on_ended(child, "its thread ended without a word", tx)
        else:
            child.silent = True

    def _tell_dropped(self, child: Child, tx: Transaction) -> None:
        name, dropped = child.spec.name, child.spec.slot.dropped
        before = self._said.get(name, 0)
        if dropped > before:
            self._said[name] = dropped
            text = f"{name}: {dropped - before} effect(s) of a fenced thread came late and were dropped"
            self._supervisor.notice(tx, "fenced", None, name, text, dropped - before)

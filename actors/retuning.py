"""Changes the running system step by step: what is told to whom, and whose answer each step waits for."""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Literal

from actors import retune_detectors, retune_stores, retune_symbols
from actors.assembly import Assembly
from actors.launching import STAGES, ChildSpec
from actors.slot import Transaction
from core.settings import Settings
from messages.retuning import PauseCuts, Retune, Retuned

if TYPE_CHECKING:
    from actors.supervisor import SupervisorActor

Awaited = tuple[Literal["started", "acknowledged", "retired"], str]
"""What a step waits for: a child that starts, that has carried out a command, or that has been taken out."""
Step = Callable[[Transaction], Iterable[Awaited]]
"""Begins a step and says what it waits for; nothing: the next one begins at once."""

log = logging.getLogger("tapeline.supervisor")


class Retuning:
    """One change of the settings at a time; the next begins when the last step of this one is over."""

    def __init__(self, supervisor: "SupervisorActor") -> None:
        self._supervisor = supervisor
        self._steps: list[Step] = []
        self._awaited: set[Awaited] = set()
        self._waiting: list[Settings] = []
        self._under_way = False

    # For the supervisor

    def begin(self, message: Retune, tx: Transaction) -> None:
        """Bring the settings into effect, now or once the change under way is done."""
        state = self._supervisor.slot.state
        if state.draining:
            refused = "the pipeline is being stopped"
            tx.do(lambda: self._supervisor.tell_host(Retuned(self.assembly.settings, refused)))
            return
        self._waiting.append(message.settings)
        if state.stage >= len(STAGES):
            self.begin_waiting(tx)

    def begin_waiting(self, tx: Transaction) -> None:
        """Begin a change that waits, if there is one; every child runs, and what was recovered is in."""
        if self._waiting and not self._under_way:
            self._next_change(tx)

    def happened(self, what: Awaited, tx: Transaction) -> None:
        """Something has happened that a step may wait for."""
        if what in self._awaited:
            self._awaited.discard(what)
            self._go_on(tx)

    def interrupt(self, tx: Transaction) -> None:
        """The run is ending: what has not changed yet does not change any more."""
        self._waiting.clear()
        if self._under_way:
            self._under_way, self._steps, self._awaited = False, [], set()
            refused = "the pipeline is being stopped; it was changed in part"
            tx.do(lambda: self._supervisor.tell_host(Retuned(self.assembly.settings, refused)))

    # For the steps

    @property
    def assembly(self) -> Assembly:
        """Who there is; its settings are the new ones already."""
        return self._supervisor.assembly

    @property
    def children(self) -> Collection[str]:
        """The names of all that were ever started."""
        return self._supervisor.slot.state.children.keys()

    def tell(self, name: str, message: Any, tx: Transaction) -> Awaited:
        """Send a child a command, which it answers with `Acknowledged`."""
        tx.tell(self.assembly.specs[name].slot.address, message)
        return ("acknowledged", name)

    def start(self, spec: ChildSpec, tx: Transaction) -> Awaited:
        """Start a child that was added to the assembly."""
        self._supervisor.start_new(spec, tx)
        return ("started", spec.name)

    def retire(self, name: str, tx: Transaction) -> Awaited:
        """Take a child out once it has drained: it is told behind all its data. Its counts stay."""
        self._supervisor.retire(name, tx)
        return ("retired", name)

    # Between them

    def _next_change(self, tx: Transaction) -> None:
        before, after = self.assembly.settings, self._waiting.pop(0)
        self.assembly.settings = after
        self._under_way = True
        self._steps = [
            lambda tx: self._pause(tx),
            *self._planned(before, after),
            lambda tx: self._finish(tx),
        ]
        self._go_on(tx)

    def _planned(self, before: Settings, after: Settings) -> list[Step]:
        """Give the steps of a change, whoever is spoken to before who speaks."""
        # Symbols after detectors: where they are is told by how many detectors there are.
        parts = (retune_stores, retune_detectors, retune_symbols)
        return [step for part in parts for step in part.steps(self, before, after)]

    def _go_on(self, tx: Transaction) -> None:
        while not self._awaited and self._steps:
            self._awaited = set(self._steps.pop(0)(tx))

    def _pause(self, tx: Transaction) -> Iterable[Awaited]:
        # A cut counts who takes part when it begins.
        return (self.tell("monitor", PauseCuts(True), tx),)

    def _finish(self, tx: Transaction) -> Iterable[Awaited]:
        tx.tell(self.assembly.monitor, PauseCuts(False))
        self._under_way = False
        settings = self.assembly.settings
        log.info("the settings have changed")
        tx.do(lambda: self._supervisor.tell_host(Retuned(settings)))
        if self._waiting:
            self._next_change(tx)
        return self._awaited

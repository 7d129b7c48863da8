"""Fault injection: does to a run what was asked for, at its time, by messages alone."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, assert_never

from actors.address import Address
from actors.assembly import Assembly
from actors.base import Actor
from actors.slot import Slot, Transaction
from core import chaos_plan
from core.chaos import ACTORS, Chaos
from core.chaos_plan import Injection
from core.restart import Beyond
from messages.chaos import DropLine, GarbleLine, InjectNext, StallStore
from messages.supervision import Drain, Drained, InjectFault, InjectHang

KIND: Final = "chaos"
_TROUBLED: Final = {"line": "connection", "store": "writer"}
"""Kinds of targets that are no actors, and whom a message to them goes to."""
_WHY: Final = "asked for by --chaos"

ChaosMessage = InjectNext | Drain
log = logging.getLogger("tapeline.chaos")


@dataclass(frozen=True, slots=True)
class ChaosState:
    """How far the plan is carried out: an immutable value."""

    began: float | None = None
    """Monotonic seconds; None before the first incarnation has started."""
    done: int = 0
    """Faults of the plan that were injected."""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Of them, by fault; those whose target was gone are not counted."""


class ChaosActor(Actor[ChaosState]):
    """Injects the faults of a plan, one after another."""

    def __init__(
        self,
        slot: Slot[ChaosState],
        *,
        chaos: Chaos,
        targets: Sequence[str],
        address: Callable[[str], Address[Any] | None],
    ) -> None:
        """`address` gives the actor of a name, or None where it is no more."""
        super().__init__(slot)
        self._chaos = chaos
        self._targets = targets
        self._address = address
        self._plan: Iterator[Injection] = iter(())
        self._next: Injection | None = None

    def started(self, tx: Transaction) -> None:
        """Begin to count the time, unless a predecessor has; the plan is the same as its."""
        state, now = self.slot.state, self.slot.clock.monotonic()
        self._plan = islice(chaos_plan.plan(self._chaos, self._targets), state.done, None)
        self._next = next(self._plan, None)
        if state.began is None:
            state = ChaosState(now)
            tx.become(state)
            tx.do(partial(log.info, "chaos: %s", self._chaos))
        self._wait_for_next(state, tx)

    def receive(self, message: ChaosMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case InjectNext(number):
                if number == self.slot.state.done and self._next is not None:
                    self._inject(self._next, tx)
            case Drain():
                tx.cancel_timer("next")
                self._conclude(tx)
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)

    def _inject(self, injection: Injection, tx: Transaction) -> None:
        """Tell first: whoever is troubled may be the one who is told."""
        state = self.slot.state
        counts = dict(state.counts)
        address = self._address(actor_of(injection.target))
        text = f"{injection.fault} of {injection.target}"
        gone = "" if address else ", which is gone"
        tx.do(partial(log.info, "%.3f s: %s%s", injection.seconds, text, gone))
        if address is not None:
            counts[injection.fault] = counts.get(injection.fault, 0) + 1
            self.notice(tx, KIND, None, injection.target, text)
            tx.tell(address, _command(injection))
        after = ChaosState(state.began, state.done + 1, MappingProxyType(counts))
        tx.become(after)
        # Should this not be carried out, it ends with this incarnation.
        self._next = next(self._plan, None)
        self._wait_for_next(after, tx)

    def _wait_for_next(self, state: ChaosState, tx: Transaction) -> None:
        if self._next is not None and state.began is not None:
            due = state.began + self._next.seconds - self.slot.clock.monotonic()
            tx.start_timer("next", max(0.0, due), InjectNext(state.done))

    def _conclude(self, tx: Transaction) -> None:
        counts = ", ".join(f"{fault} {n}" for fault, n in sorted(self.slot.state.counts.items()))
        tx.do(partial(log.info, "injected: %s (seed %d)", counts or "nothing", self._chaos.seed))


def add_chaos(assembly: Assembly, chaos: Chaos) -> None:
    """Add what injects faults, once every other actor was added; UsageError where a target is not there."""
    targets = tuple(targets_of(assembly))
    chaos_plan.check(chaos, targets)
    assembly.add(
        KIND, assembly.slot(KIND, ChaosState()), ChaosActor, Beyond.ESCALATE,
        chaos=chaos, targets=targets, address=partial(_address_of, assembly),
    )  # fmt: skip


def targets_of(assembly: Assembly) -> Iterator[str]:
    """Give all that a fault may befall: actors, and the lines and stores behind them."""
    behind = {kind: target for target, kind in _TROUBLED.items()}
    for spec in assembly.of_kind(*ACTORS):
        yield spec.name
        if spec.kind in behind:
            yield f"{behind[spec.kind]}/{spec.name.partition('/')[2]}"


def actor_of(target: str) -> str:
    """Name the actor that hears of what befalls a target."""
    kind, slash, name = target.partition("/")
    return f"{_TROUBLED.get(kind, kind)}{slash}{name}"


def _address_of(assembly: Assembly, name: str) -> Address[Any] | None:
    spec = assembly.specs.get(name)
    return None if spec is None else spec.slot.address


def _command(injection: Injection) -> object:
    match injection.fault:
        case "crash":
            return InjectFault(_WHY)
        case "hang":
            return InjectHang(_WHY)
        case "drop":
            return DropLine()
        case "garble":
            return GarbleLine(injection.payload)
        case _:
            return StallStore(injection.length_seconds)

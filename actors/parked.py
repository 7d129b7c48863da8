"""Stands in for a detector that failed beyond its intensity: its ticks become dead letters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actors.address import Address
from actors.base import Actor
from actors.detector import DetectorState, forget, hand_over, pass_mark, take_over
from actors.slot import Slot, Transaction
from messages.journaling import SegmentClosed
from messages.lane import Shed
from messages.normalization import GapNoted, Ticks
from messages.persistence import LettersNoted
from messages.retuning import ForgetSymbols, HandOver, SetRules, TakeOver
from messages.signals import RecentTicks
from messages.supervision import Drain, Drained


class ParkedActor(Actor[DetectorState]):
    """Sits in the slot of the parked child, so that its mailbox does not grow and the ledger balances."""

    def __init__(
        self,
        slot: Slot[DetectorState],
        *,
        sources: Callable[[], frozenset[str]],
        writers: Mapping[str, Address[Any]],
        error: str,
        journal: Address[Any] | None = None,
    ) -> None:
        super().__init__(slot, writers=writers)
        self._sources = sources
        self._journal = journal
        self._error = f"the detector is parked: {error}"

    def senders(self) -> frozenset[str]:
        """The normalizers."""
        return self._sources()

    def onward(self) -> Sequence[Address[Any]]:
        """The writers."""
        return tuple(self.writers.values())

    def receive(self, message: Any, tx: Transaction) -> Any:
        """Pass gaps on, hand symbols over and drain; anything else has no answer.

        What it hands over begins anew: what the detector failed of may be in its state.
        """
        match message:
            case GapNoted(_, gap):
                for writer in self.writers.values():
                    tx.put(writer, GapNoted(self.slot.name, gap))
            case SegmentClosed():
                pass_mark(self.slot, message, self.writers, self._journal, tx)
            case SetRules():
                self.acknowledge(tx)
            case HandOver():
                hand_over(self.slot, message, tx, anew=True)
            case TakeOver():
                take_over(self.slot, message, tx)
            case ForgetSymbols(_, feed, symbols):
                forget(self.slot, feed, symbols, tx)
            case Drain():
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case RecentTicks():
                return ()
            case _:
                pass
        return None

    def receive_batch(self, messages: tuple[Ticks, ...], tx: Transaction) -> None:
        """Make dead letters of all."""
        for message in messages:
            letters = message.letters(self.slot.name, self._error)
            for writer in self.writers.values():
                tx.put(writer, LettersNoted(self.slot.name, message.feed, letters))
            tx.count(message.feed, "dead_letter.parked", len(letters))

    def receive_shed(self, shed: Shed, tx: Transaction) -> None:
        """Count what was shed before."""
        tx.count(shed.feed, "shed.overload", shed.records)

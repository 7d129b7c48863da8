"""The common actor: atomic handlers, a second chance for what a crash interrupted, consistent cuts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from threading import current_thread
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar, Generic, TypeVar

import pykka

from actors.address import Address
from actors.gate import Gate
from actors.port import Port
from actors.slot import Slot, Transaction
from core import cut as cuts
from core.ledger import SENT, Counts, sent_to
from messages.lane import Batch, DataMessage, Resume, Salvage, Shed
from messages.observation import CutTaken, Marker, Noticed, TakeCut
from messages.persistence import LettersNoted
from messages.retuning import Acknowledged, CatchUp, WritersChanged
from messages.supervision import ChildEnded, ChildFailed, InboxFailed, InjectFault, InjectHang, Started

S = TypeVar("S")


class Injected(Exception):
    """A fault that was asked for."""


class Replaced(Exception):
    """This incarnation was replaced while it worked off what its predecessor had left."""


class Hung(Exception):
    """A handler that hung, and was fenced."""


class Killed(Exception):
    """Stands for a SystemExit or the like in a handler, which Pykka would take for the end of all actors."""


class Actor(pykka.ThreadingActor, Generic[S]):
    """Subclasses say what they do with a message in `receive`, and with data in `receive_batch`.

    Both only fill the transaction. `writers` are by store, for rows and dead letters; `onward` are the
    addresses that its data goes to, for markers; `senders` the names of those that its data comes from.
    """

    use_daemon_thread: ClassVar[bool] = True
    port_class: ClassVar[type[Port]] = Port

    def __init__(
        self,
        slot: Slot[S],
        *,
        writers: Mapping[str, Address[Any]] = MappingProxyType({}),
        gates: tuple[Gate, ...] = (),
    ) -> None:
        super().__init__()
        self.slot = slot
        self.writers = writers
        slot.fence()
        self.incarnation = slot.incarnation
        self.pulse = slot.pulse
        # Pykka made a queue of its own and a reference to it; ours is the view of the slot's mailbox.
        self.port = self.port_class(slot, gates, self.holds_data)
        self.actor_inbox = self.port
        self._actor_ref = pykka.ActorRef(self)

    # What subclasses say

    def receive(self, message: Any, tx: Transaction) -> Any:
        """Handle one message; the result answers an `ask`."""
        raise TypeError(f"{self.slot.name} does not understand {type(message).__name__}")

    def receive_batch(self, messages: tuple[Any, ...], tx: Transaction) -> None:
        """Handle data messages together."""
        for message in messages:
            self.receive(message, tx)

    def receive_shed(self, shed: Shed, tx: Transaction) -> None:
        """Handle a loss that the mailbox put in the place of what it shed."""

    def started(self, tx: Transaction) -> None:
        """Begin: set timers, open what is needed. Called for every incarnation."""

    def holds_data(self) -> bool:
        """Whether data must wait for something else."""
        return False

    def senders(self) -> frozenset[str]:
        """Names of the actors that data comes from."""
        return frozenset()

    def onward(self) -> Sequence[Address[Any]]:
        """Addresses of the actors that data goes to."""
        return ()

    def held(self) -> Counts:
        """Records and frames that this actor holds between messages."""
        return {}

    # Pykka's hooks

    def on_start(self) -> None:
        """Begin, and tell the supervisor; a failure here calls no hook of Pykka's, so it is told here."""
        self.pulse.thread = current_thread()
        try:
            self.slot.finish(self.incarnation)
            tx = Transaction(self.slot)
            self.started(tx)
            if self.slot.supervisor is not None:
                tx.tell(self.slot.supervisor, Started(self.slot.name, self.incarnation))
            self.slot.commit(tx, by=self.incarnation)
        except Exception as error:
            self.on_failure(type(error), error, error.__traceback__)
            raise

    def on_receive(self, message: Any) -> Any:
        """Handle one envelope's message."""
        self.pulse.begin(message)
        try:
            return self._resume() if isinstance(message, Resume) else self._handle(message)
        except Replaced:
            return None
        except Exception:
            raise
        except BaseException as error:
            raise Killed(repr(error)) from error
        finally:
            self.pulse.end()

    def on_stop(self) -> None:
        """Tell the supervisor of an end that it did not ask for."""
        if self.slot.supervisor is not None and self.incarnation == self.slot.incarnation:
            self.slot.supervisor.tell(ChildEnded(self.slot.name, self.incarnation))

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell the supervisor."""
        self._tell_failure(exception_value)

    # How a message is handled

    def _handle(self, message: Any) -> Any:
        tx = Transaction(self.slot)
        answer = self._dispatch(message, tx)
        self.slot.commit(tx, self._done, by=self.incarnation)
        return answer

    def _done(self) -> None:
        self.slot.current = None

    def _dispatch(self, message: Any, tx: Transaction) -> Any:
        match message:
            case Batch(messages):
                self._pass_cut(messages, tx)
                return self.receive_batch(messages, tx)
            case Shed():
                self._pass_cut((message,), tx)
                return self.receive_shed(message, tx)
            case WritersChanged(writers):
                return self.speak_to(writers, tx)
            case CatchUp():
                return self.acknowledge(tx)
            case TakeCut(number):
                return self._begin_cut(number, tx)
            case Marker(sender, number):
                return self._mark(sender, number, tx)
            case InjectFault(text):
                raise Injected(text)
            case InjectHang():
                self.pulse.fenced.wait()
                raise Replaced(self.slot.name)
            case InboxFailed(error):
                raise error
            case _:
                if hasattr(message, "units"):
                    self._pass_cut((message,), tx)
                return self.receive(message, tx)

    # After a crash

    def _resume(self) -> None:
        """Finish what was decided; else try again what was begun, one piece of it."""
        slot = self.slot
        slot.finish(self.incarnation)
        if self.incarnation != slot.incarnation:
            raise Replaced(slot.name)
        if slot.current is None:
            return
        hung, slot.hung = slot.hung, False
        if not isinstance(slot.current, Salvage):
            hung = hung and isinstance(slot.current, InjectHang)
            slot.current = Salvage(_units(slot.current))
        self._salvage(slot.current.units, hung)

    def _salvage(self, units: tuple[Any, ...], hung: bool) -> None:
        """Handle the first unit; a record that fails or hangs alone is buried, a command is tried until the
        supervisor has had enough.
        """
        rest = Salvage(units[1:]) if len(units) > 1 else None
        slot = self.slot
        tx = Transaction(slot)
        try:
            if not (hung and self.bury(units[0], Hung("its handler did not return"), tx)):
                self._dispatch(_alone(units[0]), tx)
        except Replaced:
            raise
        except Exception as error:
            tx = Transaction(slot)
            if not self.bury(units[0], error, tx):
                raise
        if not slot.commit(tx, lambda: setattr(slot, "current", rest), by=self.incarnation):
            raise Replaced(slot.name)

    def bury(self, unit: Any, error: Exception, tx: Transaction) -> bool:
        """Make dead letters of a record that kills its handler; False: it is no record."""
        if isinstance(unit, InjectFault | InjectHang | InboxFailed):
            return True
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        letters = unit.letters(self.slot.name, text) if hasattr(unit, "letters") else ()
        if not letters:
            return False
        for grave in self.writers.values():
            tx.put(grave, LettersNoted(self.slot.name, unit.feed, letters))
        tx.count(unit.feed, "dead_letter.handler_crashed", len(letters))
        self.count_buried(unit, tx)
        what = f"{len(letters)} record(s) became dead letters"
        self.notice(tx, "dead_letter", unit.feed, None, f"{what}: {text}")
        return True

    def count_buried(self, unit: DataMessage, tx: Transaction) -> None:
        """Count what the handler would have counted of a buried unit besides; a frame's decoding, say."""

    def check_current(self) -> None:
        """Raise Replaced where another incarnation has the slot: before what no transaction holds back."""
        if self.pulse.fenced.is_set():
            raise Replaced(self.slot.name)

    def notice(
        self,
        tx: Transaction,
        kind: str,
        feed: str | None,
        symbol: str | None,
        text: str,
        occurrences: int = 1,
        ts_ns: int | None = None,
    ) -> None:
        """Tell the monitor of something that may become an alert."""
        if self.slot.monitor is not None:
            stamp = self.slot.clock.time_ns() if ts_ns is None else ts_ns
            tx.tell(self.slot.monitor, Noticed(kind, feed, symbol, self.slot.name, text, stamp, occurrences))

    # To the writers

    def put_rows(self, messages: Sequence[DataMessage], tx: Transaction) -> None:
        """Send records to every writer, and count how many went out, and how many of them to which store."""
        records = Counter[str]()
        for message in messages:
            records[message.feed] += message.records
        for writer in self.writers.values():
            tx.put_all(writer, messages)
        for feed, n in records.items():
            for name in (SENT, *map(sent_to, self.writers)):
                tx.count(feed, name, n)

    def speak_to(self, writers: Mapping[str, Address[Any]], tx: Transaction) -> None:
        """Send to these writers from the next message on."""
        tx.do(partial(setattr, self, "writers", writers))
        self.acknowledge(tx)

    def acknowledge(self, tx: Transaction) -> None:
        """Tell the supervisor that a command was carried out."""
        if self.slot.supervisor is not None:
            tx.tell(self.slot.supervisor, Acknowledged(self.slot.name))

    # Consistent cuts

    def _begin_cut(self, number: int, tx: Transaction) -> None:
        cut = cuts.begin(number, self.senders(), self.slot.counts, self.held())
        for address in self.onward():
            tx.put(address, Marker(self.slot.name, number))
        self._keep_cut(cut, tx)

    def _mark(self, sender: str, number: int, tx: Transaction) -> None:
        cut = self.slot.cut
        if cut is None or cut.number < number:
            cut = cuts.begin(number, self.senders(), self.slot.counts, self.held())
            for address in self.onward():
                tx.put(address, Marker(self.slot.name, number))
        elif cut.number > number:
            return
        self._keep_cut(cut.marked(sender), tx)

    def _keep_cut(self, cut: cuts.Cut, tx: Transaction) -> None:
        tx.do(lambda: setattr(self.slot, "cut", cut))
        if cut.complete and self.slot.monitor is not None:
            tx.tell(
                self.slot.monitor,
                CutTaken(
                    self.slot.name, cut.number, MappingProxyType(cut.counts), MappingProxyType(cut.in_flight)
                ),
            )

    def _pass_cut(self, messages: Sequence[DataMessage], tx: Transaction) -> None:
        cut = self.slot.cut
        if cut is None or cut.complete:
            return
        for message in messages:
            cut = cut.passed(message.sender, message.feed, message.records, message.frames)
        tx.do(lambda: setattr(self.slot, "cut", cut))

    def _tell_failure(self, error: BaseException | None) -> None:
        if self.slot.supervisor is not None:
            text = f"{type(error).__name__}: {error}".replace("\n", " ")
            self.slot.supervisor.tell(ChildFailed(self.slot.name, self.incarnation, text))


def _units(message: Any) -> tuple[Any, ...]:
    """Give a message in the pieces that are tried one by one."""
    if isinstance(message, Batch):
        return tuple(unit for part in message.messages for unit in part.units())
    return (message,)


def _alone(unit: Any) -> Any:
    """Give a piece as the port would have given it."""
    return Batch((unit,)) if getattr(unit, "key", None) is not None else unit

"""What an actor is given next, and when it may rest."""

from threading import Event, Thread
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope  # private, as in actors.port

from actors.address import STOP, Question
from actors.gate import Gate
from actors.mailbox import Mailbox
from actors.port import Port
from actors.slot import Slot, Transaction
from messages.lane import Batch, Resume
from tests.actors.parcels import Parcel, note
from tests.support.clock import FakeClock

DEADLINE_SECONDS = 60.0


def slot() -> Slot[None]:
    """Give a slot of a first incarnation."""
    return Slot("actor", None, Mailbox(), FakeClock())


def polled(port: Port) -> Any:
    """Give what comes next as a handler sees it; None where there is nothing."""
    envelope = port.poll()
    return None if envelope is None else envelope.message


def set_timer(holder: Slot[None], seconds: float, message: str) -> None:
    """Start a timer."""
    tx = Transaction(holder)
    tx.start_timer(message, seconds, message)
    holder.commit(tx)


def test_commands_come_first_then_timers_then_data() -> None:
    holder = slot()
    port = Port(holder)
    holder.mailbox.put_data(Parcel(1, ("f", "A")))
    set_timer(holder, 0.0, "timer")
    holder.mailbox.put_control("command")
    assert [polled(port) for _ in range(4)] == ["command", "timer", Batch((Parcel(1, ("f", "A")),)), None]


def test_what_comes_from_elsewhere_goes_before_data() -> None:
    class Source(Port):
        """Has one message of its own."""

        own: Any = "from outside"

        def poll_source(self) -> Any | None:
            """Give it once."""
            message, self.own = self.own, None
            return message

    holder = slot()
    port = Source(holder)
    holder.mailbox.put_data(note(1))
    holder.mailbox.put_control("command")
    assert [polled(port) for _ in range(4)] == ["command", "from outside", note(1), None]


def test_data_waits_while_any_gate_ahead_is_closed_and_commands_do_not() -> None:
    holder, gates = slot(), (Gate(), Gate())
    port = Port(holder, gates)
    holder.mailbox.put_data(note(1))
    gates[1].close("full")
    assert polled(port) is None
    holder.mailbox.put_control("command")
    assert polled(port) == "command"
    assert polled(port) is None
    gates[1].open("full")
    assert polled(port) == note(1)


def test_data_waits_while_the_actor_holds_it() -> None:
    holder, held = slot(), [True]
    port = Port(holder, hold=lambda: held[0])
    holder.mailbox.put_data(note(1))
    assert polled(port) is None
    held[0] = False
    assert polled(port) == note(1)


def test_what_was_given_is_remembered_for_a_replacement_but_questions_are_not() -> None:
    """The sender of a question hears of the crash itself."""
    holder = slot()
    port = Port(holder)
    future: pykka.ThreadingFuture[Any] = pykka.ThreadingFuture()
    holder.mailbox.put_control(Question("question", future))
    port.put(Envelope("through Pykka"))
    holder.mailbox.put_control("command")
    envelope = port.poll()
    assert envelope is not None
    assert (envelope.message, envelope.reply_to, holder.current) == ("question", future, None)
    assert (polled(port), holder.current) == ("through Pykka", None)
    assert (polled(port), holder.current) == ("command", "command")


@pytest.mark.parametrize("left", ["current", "redo"])
def test_a_replacement_is_told_first_to_finish_what_was_left(left: str) -> None:
    holder = slot()
    if left == "current":
        holder.current = "begun"
    else:
        holder.redo.append(lambda: None)
    holder.mailbox.put_control("command")
    port = Port(holder)
    assert [polled(port) for _ in range(2)] == [Resume(), "command"]


def test_who_was_replaced_is_given_nothing_but_the_end() -> None:
    """And leaves everything to the replacement, also what Pykka's teardown would throw away."""
    holder = slot()
    holder.mailbox.put_control("command")
    holder.mailbox.put_data(note(1))
    old = Port(holder)
    holder.incarnation += 1
    new = Port(holder)
    assert old.get().message is STOP
    assert old.empty()
    assert [polled(new) for _ in range(2)] == ["command", note(1)]
    assert old.get().message is STOP


class Getter(Thread):
    """Gets one message on a thread of its own; tells when it has found nothing and rests."""

    def __init__(self, holder: Slot[None], gates: tuple[Gate, ...] = ()) -> None:
        super().__init__(daemon=True)
        getter = self

        class Watched(Port):
            """Tells when it is about to rest."""

            def rest(self) -> None:
                """See Port."""
                getter.resting.set()
                super().rest()

        self.resting = Event()
        self.got: list[Any] = []
        self.port: Port = Watched(holder, gates)

    def run(self) -> None:
        """See the class."""
        self.got.append(self.port.get().message)

    def begin(self) -> None:
        """Start, and go on once it rests or is just about to."""
        self.start()
        assert self.resting.wait(DEADLINE_SECONDS)

    def end(self) -> Any:
        """Give what it got."""
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive()
        return self.got[0]


def test_an_actor_that_rests_wakes_for_a_command_and_for_data() -> None:
    for put in (Mailbox.put_control, Mailbox.put_data):
        holder = slot()
        getter = Getter(holder)
        getter.begin()
        put(holder.mailbox, note(1))
        assert getter.end() == note(1)


def test_an_actor_whose_data_is_held_up_wakes_when_the_gate_opens() -> None:
    holder, gate = slot(), Gate()
    gate.on_open(holder.mailbox.notify)
    gate.close("full")
    holder.mailbox.put_data(note(1))
    getter = Getter(holder, (gate,))
    getter.begin()
    gate.open("full")
    assert getter.end() == note(1)


def test_an_actor_that_was_replaced_while_it_rested_ends_when_it_is_told_to_look() -> None:
    holder = slot()
    getter = Getter(holder)
    getter.begin()
    holder.incarnation += 1
    holder.mailbox.notify()
    assert getter.end() is STOP


def test_an_actor_that_is_replaced_just_before_it_rests_does_not_rest() -> None:
    """What was to wake it came too early to be heard."""
    holder = slot()

    class Replaced(Port):
        """Is replaced at the worst moment."""

        def rest(self) -> None:
            """See Port."""
            holder.incarnation += 1
            holder.mailbox.notify()
            super().rest()

    getter = Getter(holder)
    getter.port = Replaced(holder)
    getter.start()
    assert getter.end() is STOP


def test_a_timer_that_is_overdue_is_not_waited_for() -> None:
    """The clock stands still here: any wait would be without end."""
    holder = slot()
    set_timer(holder, 0.0, "timer")
    getter = Getter(holder)
    getter.start()
    assert getter.end() == "timer"

"""The mailbox between threads: nothing lost, nothing doubled, nobody left waiting."""

from threading import Event, Thread
from typing import Any

import pytest

from actors.gate import Gate
from actors.mailbox import Mailbox
from messages.lane import Batch, Shed
from tests.actors.parcels import Parcel, note
from tests.support.processes import eventually

PRODUCERS = 8
EACH = 12_500
DEADLINE_SECONDS = 60.0
CONTROL_EVERY = 100
NOTE_EVERY = 10


class Reader(Thread):
    """Takes what comes until every producer's last message is there, waiting in between."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(daemon=True)
        self.mailbox = mailbox
        self.control: list[tuple[int, int]] = []
        self.data: list[Any] = []
        self.ends = 0

    def run(self) -> None:
        """See the class."""
        while self.ends < PRODUCERS:
            if (command := self.mailbox.take_control()) is not None:
                self.control.append(command)
            elif (message := self.mailbox.take_data()) is not None:
                self.take(message)
            else:
                self.mailbox.wait(None, self.mailbox.has_data)

    def take(self, message: Any) -> None:
        """Open a batch; count the producers' last messages."""
        if isinstance(message, Batch):
            assert all(each.key is not None for each in message.messages)
            self.data.extend(message.messages)
        else:
            self.data.append(message)
            self.ends += getattr(message, "number", 0) == EACH


def produce(mailbox: Mailbox, producer: int) -> None:
    """Put numbered messages, now and then a note or a command, and a note at the end."""
    name = str(producer)
    for number in range(EACH):
        if number % NOTE_EVERY == 0:
            mailbox.put_data(note(number, name))
        else:
            mailbox.put_data(Parcel(number, ("live", name), name, line=name))
        if number % CONTROL_EVERY == 0:
            mailbox.put_control((producer, number))
    mailbox.put_data(note(EACH, name))


def play(limit: int | None) -> Reader:
    """Have all producers put into one mailbox while one reader reads."""
    mailbox = Mailbox(limit)
    reader = Reader(mailbox)
    producers = [Thread(target=produce, args=(mailbox, i), daemon=True) for i in range(PRODUCERS)]
    for thread in (reader, *producers):
        thread.start()
    for thread in (*producers, reader):
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
    assert len(mailbox) == 0
    return reader


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_and_each_producer_keeps_its_order() -> None:
    """100,000 messages of eight producers, data and commands."""
    reader = play(limit=None)
    for producer in range(PRODUCERS):
        name = str(producer)
        assert [each.number for each in reader.data if each.sender == name] == list(range(EACH + 1))
        commands = [number for sender, number in reader.control if sender == producer]
        assert commands == list(range(0, EACH, CONTROL_EVERY))


@pytest.mark.slow
def test_every_loss_is_counted_once_and_told_between_the_right_notes() -> None:
    """Between two notes of a producer, what came and what was told as lost add up to what it put."""
    reader = play(limit=20)
    for producer in range(PRODUCERS):
        stretches: list[int] = [0]
        last = -1
        for each in (each for each in reader.data if each.sender == str(producer)):
            first = each.first_frame if isinstance(each, Shed) else each.number
            assert first > last
            last = each.last_frame if isinstance(each, Shed) else each.number
            if isinstance(each, Shed) or each.key is not None:
                stretches[-1] += each.records
            else:
                stretches.append(0)
        assert stretches == [0, *[NOTE_EVERY - 1] * (EACH // NOTE_EVERY), 0]


class Watcher:
    """Tells when a waiting reader has found nothing to do: from then on it holds or waits."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.looked = Event()

    def ready(self) -> bool:
        """Give whether there is something to do; called under the mailbox's lock."""
        ready = not self.gate.closed
        if not ready:
            self.looked.set()
        return ready


def test_a_reader_that_waits_for_a_gate_wakes_when_it_opens() -> None:
    """The mailbox's lock is free only once the reader waits, so that the opening cannot be missed."""
    gate = Gate()
    mailbox = Mailbox()
    gate.on_open(mailbox.notify)
    gate.close("full")
    watcher = Watcher(gate)
    reader = Thread(target=mailbox.wait, args=(None, watcher.ready), daemon=True)
    reader.start()
    assert watcher.looked.wait(DEADLINE_SECONDS)
    gate.open("full")
    reader.join(DEADLINE_SECONDS)
    assert not reader.is_alive()


@pytest.mark.parametrize("put", [Mailbox.put_control, Mailbox.put_data])
def test_a_put_wakes_every_reader_that_waits(put: Any) -> None:
    """A reader that was replaced while it waited must not swallow what wakes the replacement."""
    gate = Gate()
    gate.close("never opens")
    mailbox = Mailbox()
    watchers = [Watcher(gate), Watcher(gate)]
    readers = [Thread(target=mailbox.wait, args=(None, each.ready), daemon=True) for each in watchers]
    for reader, watcher in zip(readers, watchers, strict=True):
        reader.start()
        assert watcher.looked.wait(DEADLINE_SECONDS)
    put(mailbox, note(1))
    for reader in readers:
        reader.join(DEADLINE_SECONDS)
        assert not reader.is_alive()


def test_a_reader_does_not_wait_while_a_command_is_there() -> None:
    """Without a timeout: the test would not end."""
    mailbox = Mailbox()
    mailbox.put_control("now")
    mailbox.wait(None, lambda: False)
    assert mailbox.has_control()


def test_data_does_not_wake_whoever_lingers_and_a_command_does() -> None:
    """Nor is it missed: another reader that waits is told when the lingering ends."""
    mailbox = Mailbox()
    gate = Gate()
    watcher = Watcher(gate)
    gate.close("until data is there")
    lingerer = Thread(target=mailbox.linger, args=(DEADLINE_SECONDS,), daemon=True)
    lingerer.start()
    eventually(lambda: bool(mailbox._lingering))
    reader = Thread(target=mailbox.wait, args=(None, watcher.ready), daemon=True)
    reader.start()
    assert watcher.looked.wait(DEADLINE_SECONDS)
    mailbox.put_data(note(1))
    with mailbox._condition:
        assert len(mailbox._condition._waiters) == 2  # type: ignore[attr-defined]
    mailbox.put_control("now")
    for thread in (lingerer, reader):
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()


def test_nobody_lingers_while_a_command_is_there() -> None:
    mailbox = Mailbox()
    mailbox.put_control("now")
    mailbox.linger(DEADLINE_SECONDS)
    assert mailbox.has_control()

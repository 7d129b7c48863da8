"""The mailbox against a model that is a plain list, and what the list does not show."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.gate import Budget, Gate
from actors.mailbox import BATCH_BYTES, BATCH_MESSAGES, Mailbox
from core.ledger import Counts, add
from messages.lane import Batch, Key, Shed
from tests.actors.parcels import Parcel, note

LIMIT = 5
BUDGET = 40
KEYS: tuple[Key, ...] = (("live", "A"), ("live", None), ("wait", "A"), ("wait", "B"))


@dataclass
class Place:
    """One place of the model's lane."""

    message: Parcel | Shed
    key: Key | None
    """The key of what stands or stood here; None for notes."""

    @property
    def waits(self) -> bool:
        """Whether it can still be shed."""
        return self.key is not None and not isinstance(self.message, Shed)


class MailboxModel(RuleBasedStateMachine):
    """Puts and takes at random, compared with a list after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = {"live": Gate(), "wait": Gate()}
        self.budget = Budget(BUDGET)
        self.budget.hold(self.gates["wait"])
        self.mailbox = Mailbox(LIMIT, frozenset({"wait"}), self.gates.__getitem__, self.budget)
        self.control: deque[object] = deque()
        self.lane: list[Place] = []
        self.elsewhere = 0
        self.numbers = 0

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    # What may happen

    @rule()
    def put_control(self) -> None:
        message = self.next_number()
        self.control.append(message)
        self.mailbox.put_control(message)

    @rule(sender=st.sampled_from(["x", "y"]))
    def put_note(self, sender: str) -> None:
        message = note(self.next_number(), sender)
        self.lane.append(Place(message, None))
        self.mailbox.put_data(message)

    @rule(
        key=st.sampled_from(KEYS),
        sender=st.sampled_from(["x", "y"]),
        line=st.sampled_from(["1", "2"]),
        weight=st.integers(1, 7),
        nbytes=st.integers(1, 9),
        records=st.integers(0, 3),
        frames=st.integers(0, 2),
    )
    def put_data(self, key: Key, **terms: Any) -> None:
        message = Parcel(self.next_number(), key, **terms)
        self.lane.append(Place(message, key))
        if key[0] == "live":
            while len(self.waiting(key)) > 1 and (self.weight(key) > LIMIT or self.used() > BUDGET):
                self.shed_oldest(key)
        self.mailbox.put_data(message)

    @rule()
    def take_control(self) -> None:
        expected = self.control.popleft() if self.control else None
        assert self.mailbox.take_control() == expected

    @rule()
    def take_data(self) -> None:
        taken = self.mailbox.take_data()
        if not self.lane:
            assert taken is None
        elif not self.lane[0].waits:
            assert taken == self.lane.pop(0).message
        else:
            expected = []
            while self.lane and self.lane[0].waits:
                expected.append(self.lane.pop(0).message)
            assert taken == Batch(tuple(expected))

    @rule(nbytes=st.integers(1, 30))
    def others_take_memory(self, nbytes: int) -> None:
        self.elsewhere += nbytes
        self.budget.take(nbytes)

    @rule()
    def others_let_go_of_memory(self) -> None:
        self.budget.take(-self.elsewhere)
        self.elsewhere = 0

    @rule()
    def clear(self) -> None:
        self.control.clear()
        self.lane.clear()
        self.mailbox.empty_out()

    # What must hold

    @invariant()
    def tells_what_waits(self) -> None:
        assert len(self.mailbox) == len(self.control) + len(self.lane)
        assert self.mailbox.has_control() == bool(self.control)
        assert self.mailbox.has_data() == bool(self.lane)

    @invariant()
    def counts_what_is_in_flight(self) -> None:
        expected: Counts = {}
        for place in self.lane:
            add(expected, place.message.feed, "in_flight", place.message.records)
            add(expected, place.message.feed, "in_flight_frames", place.message.frames)
        assert self.mailbox.in_flight() == expected

    @invariant()
    def closes_the_gate_of_a_feed_that_waits(self) -> None:
        full = any(self.weight(key) >= LIMIT for key in KEYS if key[0] == "wait")
        assert self.gates["wait"].closed == (full or self.used() > BUDGET)
        assert not self.gates["live"].closed

    @invariant()
    def keeps_to_the_budget(self) -> None:
        assert self.budget.exceeded == (self.used() > BUDGET)

    def teardown(self) -> None:
        """Empty it: everything comes out as the model has it, and the memory is given back."""
        while self.lane:
            self.take_data()
        assert self.mailbox.take_data() is None
        self.others_let_go_of_memory()
        self.budget.take(BUDGET)
        assert not self.budget.exceeded
        self.budget.take(1)
        assert self.budget.exceeded

    # The model's own

    def waiting(self, key: Key) -> list[Place]:
        return [place for place in self.lane if place.waits and place.key == key]

    def weight(self, key: Key) -> int:
        return sum(place.message.weight for place in self.waiting(key))

    def used(self) -> int:
        return self.elsewhere + sum(place.message.nbytes for place in self.lane if place.waits)

    def shed_oldest(self, key: Key) -> None:
        """Replace it where it stands, or add it to an earlier loss that no note parts from it."""
        at = next(i for i, place in enumerate(self.lane) if place.waits and place.key == key)
        shed = self.lane[at].message.shed()
        for i in reversed(range(at)):
            earlier = self.lane[i]
            if earlier.key is None:
                break
            before = earlier.message
            if not isinstance(before, Shed) or earlier.key != key:
                continue
            if (before.sender, before.line) == (shed.sender, shed.line):
                earlier.message = before.merged(shed)
                del self.lane[at]
                return
        self.lane[at].message = shed


TestMailboxModel = pytest.mark.slow(MailboxModel.TestCase)
TestMailboxModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def drain(mailbox: Mailbox) -> list[Any]:
    """Take everything out of the data lane, batches opened."""
    taken: list[Any] = []
    while (message := mailbox.take_data()) is not None:
        taken.extend(message.messages if isinstance(message, Batch) else (message,))
    return taken


def places(mailbox: Mailbox) -> int:
    """Count the places that the lane really holds, empty ones too: its memory."""
    return len(mailbox._data)


def test_what_was_shed_is_told_once_and_in_its_place() -> None:
    """Notes stay where they are, and each loss stays on its side of them."""
    mailbox = Mailbox(limit=2)
    key = ("live", "A")
    for number in range(10):
        mailbox.put_data(note(number) if number % 5 == 4 else Parcel(number, key))
    told = [
        (type(each).__name__, each.first_frame, each.last_frame, each.records)
        if isinstance(each, Shed)
        else ("note" if each.key is None else "parcel", each.number)
        for each in drain(mailbox)
    ]
    assert told == [
        ("Shed", 0, 3, 4), ("note", 4), ("Shed", 5, 6, 2), ("parcel", 7), ("parcel", 8), ("note", 9),
    ]  # fmt: skip


def test_a_message_larger_than_the_bound_is_kept_while_it_is_the_newest() -> None:
    """Otherwise nothing at all would come through."""
    mailbox = Mailbox(limit=3)
    mailbox.put_data(Parcel(1, ("live", "A"), weight=9))
    mailbox.put_data(Parcel(2, ("live", "A"), weight=9))
    shed, kept = drain(mailbox)
    assert (shed.first_frame, kept.number) == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("senders", [1, 7])
def test_memory_is_bounded_while_nobody_reads(senders: int) -> None:
    """Also where several lines share a key, as the lines of a feed do before their normalizer."""
    limit, puts = 50, 100_000
    mailbox = Mailbox(limit)
    most = 0
    for number in range(puts):
        sender = f"connection/{number % senders}"
        mailbox.put_data(Parcel(number, ("live", None), sender, line=sender))
        if number % 64 == 0:
            most = max(most, places(mailbox))
    assert most <= 2 * (limit + senders) + 64
    assert len(mailbox) <= limit + senders
    taken = drain(mailbox)
    kept = [each.number for each in taken if isinstance(each, Parcel)]
    assert kept == list(range(puts - limit, puts))
    assert sum(each.records for each in taken) == puts


def test_a_lane_of_many_keys_is_bounded_key_by_key() -> None:
    """One loud symbol costs the others nothing."""
    mailbox = Mailbox(limit=10)
    for number in range(500):
        mailbox.put_data(Parcel(number, ("live", "loud")))
        if number % 50 == 0:
            mailbox.put_data(Parcel(1000 + number, ("live", "quiet")))
    taken = drain(mailbox)
    kept = Counter(each.key[1] for each in taken if isinstance(each, Parcel) and each.key)
    assert kept == {"loud": 10, "quiet": 10}
    assert sum(each.records for each in taken) == 510


def test_a_feed_that_waits_is_never_shed_however_much_it_puts() -> None:
    """It is the gate's business to stop the senders; what they put anyway is kept."""
    gate = Gate()
    mailbox = Mailbox(3, frozenset({"wait"}), lambda _: gate, Budget(10))
    for number in range(100):
        mailbox.put_data(Parcel(number, ("wait", "A")))
    assert gate.closed
    assert [each.number for each in drain(mailbox)] == list(range(100))
    assert not gate.closed


def test_batches_are_bounded_in_messages() -> None:
    mailbox = Mailbox()
    for number in range(2 * BATCH_MESSAGES + 1):
        mailbox.put_data(Parcel(number, ("live", "A")))
    sizes = [len(batch.messages) for _ in range(3) if (batch := mailbox.take_data())]
    assert sizes == [BATCH_MESSAGES, BATCH_MESSAGES, 1]


def test_batches_are_bounded_in_bytes() -> None:
    """One message may pass the bound, the next waits for the next batch."""
    mailbox = Mailbox()
    for number in range(3):
        mailbox.put_data(Parcel(number, ("live", "A"), nbytes=BATCH_BYTES - 1))
    sizes = [len(batch.messages) for _ in range(2) if (batch := mailbox.take_data())]
    assert sizes == [2, 1]


def test_a_listener_hears_of_every_put_and_can_be_taken_away() -> None:
    """For a port that waits on a socket and not on the mailbox."""
    mailbox = Mailbox()
    heard: list[int] = []
    mailbox.listen(lambda: heard.append(len(mailbox)))
    mailbox.put_control("a")
    mailbox.put_data(note(1))
    mailbox.notify()
    mailbox.listen(None)
    mailbox.put_control("b")
    assert heard == [1, 2, 2]


def test_clearing_gives_memory_back_and_opens_gates() -> None:
    """What a fenced actor leaves behind must not hold the others up."""
    gate, budget = Gate(), Budget(10)
    mailbox = Mailbox(2, frozenset({"wait"}), lambda _: gate, budget)
    for number in range(20):
        mailbox.put_data(Parcel(number, ("wait", "A")))
    before = (gate.closed, budget.exceeded)
    mailbox.empty_out()
    assert (before, gate.closed, budget.exceeded) == ((True, True), False, False)
    assert mailbox.in_flight() == {}


def test_another_bound_holds_at_once() -> None:
    """A gate that was closed for the old one opens; what is above the new one gives way to what comes."""
    gate = Gate()
    mailbox = Mailbox(2, frozenset({"wait"}), lambda _: gate)
    for number in range(4):
        mailbox.put_data(Parcel(number, ("wait", "A")))
        mailbox.put_data(Parcel(10 + number, ("live", "A")))
    closed = [gate.closed]
    mailbox.bound(5)
    closed.append(gate.closed)
    mailbox.put_data(Parcel(4, ("wait", "A")))
    closed.append(gate.closed)
    assert closed == [True, False, True]
    mailbox.bound(1)
    mailbox.put_data(Parcel(14, ("live", "A")))
    left = []
    while (taken := mailbox.take_data()) is not None:
        parcels = taken.messages if isinstance(taken, Batch) else ()
        left += [parcel.number for parcel in parcels if isinstance(parcel, Parcel)]
    assert left == [0, 1, 2, 3, 4, 14]

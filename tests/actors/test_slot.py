"""What outlives an actor: transactions that take effect as a whole, and timers."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.address import Address
from actors.mailbox import Mailbox
from actors.slot import Slot, Transaction
from tests.actors.parcels import note
from tests.support.clock import FakeClock


class Cut(Exception):
    """A crash between two effects."""


def slot(failpoint: Any = None) -> Slot[str]:
    """Give a slot with a clock that a test moves."""
    return Slot("actor", "old", Mailbox(), FakeClock(), failpoint=failpoint)


def fill(tx: Transaction, to: Address[Any]) -> None:
    """Ask for one of everything."""
    tx.become("new")
    tx.tell(to, "command")
    tx.put(to, note(1))
    tx.count("f", "received", 3)
    tx.count("f", "shed", 0)
    tx.count_all({("f", "received"): 2, ("g", "stored"): 1})
    tx.start_timer("t", 5.0, "ring")


def taken(mailbox: Mailbox) -> list[Any]:
    """Take everything, the control lane first."""
    messages = []
    while (message := mailbox.take_control() or mailbox.take_data()) is not None:
        messages.append(message)
    return messages


def test_nothing_takes_effect_before_the_handler_has_returned() -> None:
    holder, to = slot(), Address[Any]("other", Mailbox())
    fill(Transaction(holder), to)
    assert (holder.state, holder.counts, holder.timers, len(to.mailbox)) == ("old", {}, {}, 0)


def test_everything_takes_effect_together_and_in_order() -> None:
    holder, to = slot(), Address[Any]("other", Mailbox())
    tx, seen = Transaction(holder), list[tuple[str, int]]()
    fill(tx, to)
    tx.do(lambda: seen.append((holder.state, len(to.mailbox))))
    holder.commit(tx, lambda: seen.append(("last", 0)))
    assert holder.state == "new"
    assert holder.counts == {("f", "received"): 5, ("g", "stored"): 1}
    assert taken(to.mailbox) == ["command", note(1)]
    assert seen == [("new", 2), ("last", 0)]
    assert not holder.redo


@pytest.mark.parametrize("effect", range(7))
def test_a_crash_between_two_effects_is_finished_and_not_repeated(effect: int) -> None:
    """By the replacement, which finds the rest of the transaction in the slot."""
    reached = 0

    def crash(name: str, stage: str) -> None:
        nonlocal reached
        if stage == "effect":
            reached += 1
            if reached == effect + 1:
                raise Cut

    holder, to = slot(crash), Address[Any]("other", Mailbox())
    tx = Transaction(holder)
    fill(tx, to)
    with pytest.raises(Cut):
        holder.commit(tx)
    assert len(holder.redo) == len(tx.effects) - effect
    holder.finish()
    assert holder.state == "new"
    assert holder.counts == {("f", "received"): 5, ("g", "stored"): 1}
    assert taken(to.mailbox) == ["command", note(1)]


def test_an_effect_that_failed_is_tried_again() -> None:
    holder, done, failures = slot(), list[int](), [Cut()]

    def fail_once() -> None:
        if failures:
            raise failures.pop()
        done.append(2)

    tx = Transaction(holder)
    for effect in (lambda: done.append(1), fail_once, lambda: done.append(3)):
        tx.do(effect)
    with pytest.raises(Cut):
        holder.commit(tx)
    holder.finish()
    assert done == [1, 2, 3]


def test_a_crash_before_the_first_effect_leaves_nothing_to_finish() -> None:
    def crash(name: str, stage: str) -> None:
        assert name == "actor"
        if stage == "before":
            raise Cut

    holder, to = slot(crash), Address[Any]("other", Mailbox())
    tx = Transaction(holder)
    fill(tx, to)
    with pytest.raises(Cut):
        holder.commit(tx)
    assert (holder.state, len(holder.redo), len(to.mailbox)) == ("old", 0, 0)


def test_the_stages_are_reached_in_order() -> None:
    stages: list[str] = []
    holder = slot(lambda name, stage: stages.append(stage))
    tx = Transaction(holder)
    tx.become("new")
    holder.commit(tx)
    assert stages == ["before", "effect", "after"]


def test_an_address_leads_to_the_slots_mailbox() -> None:
    holder = slot()
    assert (holder.address.name, holder.address.mailbox) == ("actor", holder.mailbox)


def set_timers(holder: Slot[str], timers: list[tuple[str, float]]) -> None:
    """Start timers, each of which hands its own place in the list over."""
    for i, (key, seconds) in enumerate(timers):
        tx = Transaction(holder)
        tx.start_timer(key, seconds, i)
        holder.commit(tx)


def due(holder: Slot[str]) -> list[Any]:
    """Take what is due."""
    messages = []
    while (message := holder.take_due_timer()) is not None:
        messages.append(message)
    return messages


def test_timers_are_due_in_order_and_those_of_one_instant_in_the_order_set() -> None:
    holder = slot()
    set_timers(holder, [("a", 2.0), ("b", 1.0), ("c", 2.0), ("d", 9.0)])
    assert holder.next_due() == holder.clock.monotonic() + 1.0
    assert due(holder) == []
    holder.clock.advance(2.0)  # type: ignore[attr-defined]
    assert due(holder) == [1, 0, 2]
    assert set(holder.timers) == {"d"}


def test_a_timer_set_again_replaces_the_earlier_one_and_a_cancelled_one_is_silent() -> None:
    holder = slot()
    set_timers(holder, [("a", 1.0), ("b", 1.0), ("a", 5.0)])
    for key in ("b", "never set"):
        tx = Transaction(holder)
        tx.cancel_timer(key)
        holder.commit(tx)
    holder.clock.advance(1.0)  # type: ignore[attr-defined]
    assert due(holder) == []
    holder.clock.advance(4.0)  # type: ignore[attr-defined]
    assert due(holder) == [2]
    assert holder.next_due() is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5)), max_size=12))
def test_every_timer_rings_once_when_it_is_due(timers: list[tuple[str, int]]) -> None:
    holder = slot()
    start = holder.clock.monotonic()
    set_timers(holder, [(key, float(seconds)) for key, seconds in timers])
    last = {key: (seconds, i) for i, (key, seconds) in enumerate(timers)}
    rung: list[tuple[int, int]] = []
    while (at := holder.next_due()) is not None:
        holder.clock.advance(max(0.0, at - holder.clock.monotonic()))  # type: ignore[attr-defined]
        rung += [(round(holder.clock.monotonic() - start), i) for i in due(holder)]
    assert rung == sorted(last.values())


def test_whoever_fences_waits_for_a_commit_under_way() -> None:
    """What a commit has begun is carried out; then the old incarnation's next one is not."""
    inside, go_on = threading.Event(), threading.Event()

    def pause(name: str, stage: str) -> None:
        if stage == "before":
            inside.set()
            assert go_on.wait(10)

    kept = slot(pause)
    done: list[str] = []

    def commit(what: str) -> bool:
        transaction = Transaction(kept)
        transaction.do(lambda: done.append(what))
        return kept.commit(transaction, by=0)

    committer = threading.Thread(target=commit, args=("first",))
    committer.start()
    assert inside.wait(10)
    fences: list[bool] = []
    fencer = threading.Thread(target=lambda: fences.append(kept.fence(10)))
    fencer.start()
    assert kept.incarnation == 0, "the commit is not over"
    go_on.set()
    committer.join()
    fencer.join()
    assert (fences, done, kept.incarnation) == ([True], ["first"], 1)
    assert not commit("second")
    assert done == ["first"]


def test_a_commit_that_never_ends_is_fenced_all_the_same() -> None:
    """Whoever waits for it hears that it did not end."""
    inside, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        assert go_on.wait(10)

    kept = slot()
    transaction = Transaction(kept)
    transaction.do(hang)
    committer = threading.Thread(target=kept.commit, args=(transaction,))
    committer.start()
    assert inside.wait(10)
    assert not kept.fence(0.01)
    assert kept.incarnation == 1
    go_on.set()
    committer.join()


def test_what_hangs_in_an_effect_is_taken_over_and_not_heard_again() -> None:
    """The rest of the redo log is the replacement's; the effect that hung is left to its thread."""
    hangs, go_on = threading.Event(), threading.Event()
    kept, done = slot(), list[str]()
    tx = Transaction(kept)

    def hang() -> None:
        if not hangs.is_set():
            hangs.set()
            assert go_on.wait(10)
        done.append("hung")

    tx.do(lambda: done.append("before"))
    tx.do(hang)
    tx.do(lambda: done.append("behind"))
    thread = threading.Thread(target=lambda: kept.commit(tx, by=0))
    thread.start()
    assert hangs.wait(10)
    assert not kept.fence(patience_seconds=0.01)
    kept.finish(by=1)
    assert done == ["before", "behind"]
    assert kept.commit(Transaction(kept), by=1), "the replacement goes on, though the lock is still held"
    go_on.set()
    thread.join(10)
    assert done == ["before", "behind", "hung"]
    assert not kept.redo


def test_what_was_replaced_says_in_vain_is_counted() -> None:
    kept = slot()
    pulse = kept.pulse
    kept.fence()
    tx = Transaction(kept)
    tx.become("late")
    tx.count("f", "received")
    assert not kept.commit(tx, by=0)
    assert (kept.state, kept.counts, kept.dropped) == ("old", {}, 2)
    assert pulse.fenced.is_set()
    assert kept.pulse is not pulse

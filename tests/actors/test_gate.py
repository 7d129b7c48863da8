"""Gates and the budget: who is held up, and who is woken."""

from threading import Event, Thread

from hypothesis import given
from hypothesis import strategies as st

from actors.gate import Budget, Gate

DEADLINE_SECONDS = 60.0
steps = st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=30)


@given(steps)
def test_a_gate_is_closed_while_anything_holds_it_and_tells_of_every_opening(
    moves: list[tuple[bool, str]],
) -> None:
    gate, reasons, heard = Gate(), set[str](), list[bool]()
    gate.on_open(lambda: heard.append(gate.closed))
    openings = 0
    for close, reason in moves:
        if close:
            gate.close(reason)
            reasons.add(reason)
        else:
            gate.open(reason)
            openings += reasons == {reason}
            reasons.discard(reason)
        assert gate.closed == bool(reasons)
    assert heard == [False] * openings


def test_every_listener_hears() -> None:
    gate, heard = Gate(), list[str]()
    gate.on_open(lambda: heard.append("a"))
    gate.on_open(lambda: heard.append("b"))
    gate.close(1)
    gate.open(1)
    assert heard == ["a", "b"]


@given(st.lists(st.integers(-5, 8), max_size=30), st.integers(0, 10))
def test_the_gates_are_closed_exactly_while_more_is_held_than_allowed(steps: list[int], limit: int) -> None:
    budget, gates = Budget(limit), [Gate(), Gate()]
    for gate in gates:
        budget.hold(gate)
    used = 0
    for nbytes in steps:
        taken = max(nbytes, -used)
        used += taken
        budget.take(taken)
        assert budget.exceeded == (used > limit)
        assert [gate.closed for gate in gates] == [used > limit] * 2


def test_the_budget_leaves_other_reasons_alone() -> None:
    budget, gate = Budget(1), Gate()
    budget.hold(gate)
    gate.close("full")
    budget.take(2)
    budget.take(-2)
    assert gate.closed
    gate.open("full")
    assert not gate.closed


def test_whoever_is_woken_may_use_the_memory_up_again_at_once() -> None:
    """The gates further down the list must not be opened by what is over by then."""
    budget, gates = Budget(10), [Gate(), Gate()]
    for gate in gates:
        budget.hold(gate)
    refills = [11]
    gates[0].on_open(lambda: budget.take(refills.pop()) if refills else None)
    budget.take(11)
    budget.take(-11)
    assert budget.exceeded
    assert [gate.closed for gate in gates] == [True, True]


def test_a_thread_that_opens_late_does_not_open_what_another_closed_meanwhile() -> None:
    """While one thread tells of the opening, another passes the limit again."""
    budget, gate = Budget(10), Gate()
    budget.hold(gate)
    telling, go_on = Event(), Event()

    def tell() -> None:
        telling.set()
        assert go_on.wait(DEADLINE_SECONDS)

    gate.on_open(tell)
    budget.take(11)
    opener = Thread(target=budget.take, args=(-11,), daemon=True)
    opener.start()
    assert telling.wait(DEADLINE_SECONDS)
    budget.take(11)
    go_on.set()
    opener.join(DEADLINE_SECONDS)
    assert not opener.is_alive()
    assert gate.closed


def test_other_bounds_close_and_open_the_gates_at_once() -> None:
    gate, heard = Gate(), list[bool]()
    gate.on_open(lambda: heard.append(gate.closed))
    budget = Budget(10)
    budget.hold(gate)
    budget.take(8)
    closed = []
    for limit in (5, 20, 7):
        budget.bound(limit)
        closed.append(gate.closed)
    assert closed == [True, False, True]
    budget.take(-8)
    assert heard == [False, False]


def test_a_listener_that_is_there_twice_hears_once() -> None:
    class Listener:
        heard = 0

        def hear(self) -> None:
            self.heard += 1

    gate, listener = Gate(), Listener()
    for _ in range(2):
        gate.on_open(listener.hear)
    gate.close(1)
    gate.open(1)
    assert listener.heard == 1

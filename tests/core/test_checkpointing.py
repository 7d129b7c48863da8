"""Which marks are complete, in whatever order, and however often, their parts are told."""

from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from core.checkpointing import RECOVERED, Checkpointing, JournalMark, Place
from core.memory import Remembered
from core.symbol_state import SymbolState

STORES = frozenset({"lake", "pg"})
DETECTORS = frozenset({"detector/A", "detector/B"})
Part = Callable[[Checkpointing], None]


def mark(number: int, line: str = "f/0/A", session: int = 3) -> JournalMark:
    """Give a mark of a line of the symbols A and B."""
    return JournalMark(session, "f", line, number, 10 * number + 10, ("A", "B"))


def remembered(of: JournalMark) -> Remembered:
    """Give what the normalizer tells at a mark."""
    return Remembered("A", "trades", [of.number], of.number + 1, of.number)


def state(number: int, symbol: str) -> SymbolState:
    """Give a state that can be told apart."""
    empty = SymbolState.empty(4)
    return SymbolState(empty.floats, empty.counters + (number * 2 + (symbol == "B")))


def parts(of: JournalMark) -> list[Part]:
    """Give everything that is told of a mark."""
    return [
        lambda marks: marks.remembered(of, DETECTORS, STORES, [remembered(of)]),
        *(
            partial(_tell_states, of, name, [(name[-1], state(of.number, name[-1]))])
            for name in sorted(DETECTORS)
        ),
        *(partial(_tell_settled, of, store) for store in sorted(STORES)),
    ]


def _tell_states(
    of: JournalMark, detector: str, states: list[tuple[str, SymbolState]], to: Checkpointing
) -> None:
    to.scored(of, detector, states)


def _tell_settled(of: JournalMark, store: str, to: Checkpointing) -> None:
    to.settled(of, store)


def told(marks: Checkpointing, *wanted: Part) -> Checkpointing:
    """Tell these, in order."""
    for part in wanted:
        part(marks)
    return marks


@given(st.permutations(range(5)), st.data())
def test_a_mark_is_complete_with_its_last_part_whatever_the_order(
    order: list[int], data: st.DataObject
) -> None:
    marks, of = Checkpointing(), mark(0)
    for at, i in enumerate(order):
        assert not marks.overlay.covered
        parts(of)[i](marks)
        if at < 4 and data.draw(st.booleans()):
            parts(of)[i](marks)
    assert marks.overlay.covered == {(3, "f/0/A"): Place(0, 10)}
    assert set(marks.overlay.symbols) == {("f", "A"), ("f", "B")}
    assert list(marks.overlay.streams) == [("f", "A", "trades")]
    assert marks.overlay.streams["f", "A", "trades"].next_ordinal == remembered(of).next_ordinal


def test_a_mark_that_lacks_anything_covers_nothing() -> None:
    for left_out in range(5):
        some = [part for i, part in enumerate(parts(mark(0))) if i != left_out]
        assert not told(Checkpointing(), *some, *some).overlay.covered


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["f/0/A", "f/1/A"])), max_size=12))
def test_the_latest_mark_of_a_line_wins(order: list[tuple[int, str]]) -> None:
    """Whatever is told again of an earlier one, late."""
    marks = Checkpointing()
    latest: dict[str, int] = {}
    for number, line in order:
        told(marks, *parts(mark(number, line)))
        latest[line] = max(number, latest.get(line, 0))
    assert {line: place.number for (_, line), place in marks.overlay.covered.items()} == latest


def test_what_is_saved_is_forgotten_and_what_came_meanwhile_is_not() -> None:
    marks = told(Checkpointing(), *parts(mark(0)))
    overlay = marks.overlay
    marks.saved(overlay)
    assert not marks.overlay.covered
    told(marks, *parts(mark(1)))
    marks.saved(overlay)
    assert marks.overlay.covered == {(3, "f/0/A"): Place(1, 20)}


def test_nothing_of_this_run_is_covered_before_what_was_recovered() -> None:
    """A checkpoint that knew this run and not all of the one before would have that one scored twice."""
    marks = Checkpointing()
    marks.expect_recovery()
    own = mark(0, session=4)
    last = [JournalMark(4, "f", name, RECOVERED, 0, None) for name in ("normalizer/f/0", "normalizer/f/1")]
    told(marks, *parts(last[0]), *parts(own))
    assert not marks.overlay.covered
    marks.recovery_read({(3, "f/0/A"): Place(9, 100)}, last)
    assert not marks.overlay.covered
    told(marks, *parts(last[1]))
    assert marks.overlay.covered == {(3, "f/0/A"): Place(9, 100), (4, "f/0/A"): Place(0, 10)}
    # The states are those of the later mark.
    assert marks.overlay.symbols["f", "A"].counters[0] == 0


def test_lost_rows_keep_the_journal_of_their_lines_from_then_on() -> None:
    marks = told(Checkpointing(), *parts(mark(0)), *parts(mark(0, "f/1/A")))
    marks.rows_lost(["f/0/A"])
    told(marks, *parts(mark(1)), *parts(mark(1, "f/1/A")))
    assert marks.overlay.covered == {(3, "f/0/A"): Place(0, 10), (3, "f/1/A"): Place(1, 20)}
    marks.rows_lost(None)
    told(marks, *parts(mark(2, "f/1/A")))
    assert marks.overlay.covered[3, "f/1/A"] == Place(1, 20)


def test_a_line_without_detectors_is_covered_by_its_normalizer_and_the_stores() -> None:
    marks, of = Checkpointing(), mark(0)
    marks.remembered(of, frozenset(), frozenset({"lake"}), [])
    marks.settled(of, "lake")
    assert marks.overlay.covered == {(3, "f/0/A"): Place(0, 10)}


# Stores that come and go


def test_a_mark_waits_for_the_stores_that_its_normalizer_names_and_no_others() -> None:
    """A store that has come since need not have its rows."""
    marks = told(Checkpointing(), *parts(mark(0)))
    assert marks.overlay.covered == {(3, "f/0/A"): Place(0, 10)}
    later = mark(1)
    marks.remembered(later, frozenset(), STORES | {"late"}, [])
    for store in sorted(STORES):
        marks.settled(later, store)
    assert marks.overlay.covered[3, "f/0/A"] == Place(0, 10)
    marks.settled(later, "late")
    assert marks.overlay.covered[3, "f/0/A"] == Place(1, 20)


@given(st.permutations(range(5)), st.integers(0, 5), st.data())
def test_a_store_that_has_left_holds_no_mark_up(order: list[int], at: int, data: st.DataObject) -> None:
    """Whatever is told before and after; what else is lacking is waited for."""
    marks, of = Checkpointing(), mark(0)
    left_out = data.draw(st.sampled_from([None, 1, 2, 3]))
    remembered_by = order.index(0)
    for i, part in enumerate(order):
        # No normalizer names it any more once it has left.
        if i == max(at, remembered_by + 1):
            marks.left("pg")
        if part not in (left_out, 4):
            parts(of)[part](marks)
    if max(at, remembered_by + 1) >= len(order):
        assert not marks.overlay.covered
        marks.left("pg")
    assert bool(marks.overlay.covered) == (left_out is None)


def test_a_store_that_comes_back_is_waited_for_again() -> None:
    marks = Checkpointing()
    marks.left("pg")
    assert not told(marks, *parts(mark(0))[:4]).overlay.covered
    marks.left("pg")
    assert marks.overlay.covered == {(3, "f/0/A"): Place(0, 10)}
    assert told(marks, *parts(mark(1))[:4]).overlay.covered == {(3, "f/0/A"): Place(0, 10)}


def test_a_store_that_leaves_amid_a_recovery_does_not_hold_it_up() -> None:
    marks = Checkpointing()
    marks.expect_recovery()
    last = JournalMark(4, "f", "normalizer/f/0", RECOVERED, 0, None)
    marks.recovery_read({(3, "f/0/A"): Place(9, 100)}, [last])
    told(marks, *parts(last)[:4])
    assert not marks.overlay.covered
    marks.left("pg")
    assert marks.overlay.covered == {(3, "f/0/A"): Place(9, 100)}

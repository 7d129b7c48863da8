"""When a checkpoint may move on: what is known of each mark in the journal, and what a complete one brings.

A mark stands behind the frames of a segment and goes the way of the data. It is complete once its
normalizer has told what it remembered there, each detector the state of its symbols there, and each store
that there was as the mark passed the normalizer, that it has every row from before. Then those frames need
never be read again: a recovery can begin behind them, with that memory and those states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.memory import Remembered
from core.symbol_state import SymbolState

SymbolKey = tuple[str, str]
"""Feed and symbol."""
LineKey = tuple[int, str]
"""Session and line."""
RECOVERED = -1
"""Number of the marks behind all that is recovered; one a normalizer, whose name stands for the line."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a line's journal is covered."""

    number: int
    """The last segment of which nothing needs to be read again."""
    next_frame: int
    """The first frame behind it."""


@dataclass(frozen=True, slots=True)
class JournalMark:
    """Behind the frames of a line's segment, or, with the number RECOVERED, behind all that is recovered."""

    session: int
    feed: str
    line: str
    number: int
    next_frame: int = field(compare=False)
    symbols: tuple[str, ...] | None = field(compare=False)
    """Whose state it is about; None: all of the normalizer's."""


@dataclass(slots=True)
class Overlay:
    """What the last checkpoint on disk lacks."""

    symbols: dict[SymbolKey, SymbolState] = field(default_factory=dict)
    streams: dict[tuple[str, str, str], Remembered] = field(default_factory=dict)
    """By feed, symbol and channel."""
    covered: dict[LineKey, Place] = field(default_factory=dict)


@dataclass(slots=True)
class _Gathering:
    """What was told of one mark so far."""

    detectors: frozenset[str] | None = None
    """Who tells states; None until the normalizer has said so."""
    stores: frozenset[str] = frozenset()
    """Those that have to settle it, as the normalizer says, less those that have left since."""
    streams: Sequence[Remembered] = ()
    states: dict[str, Sequence[tuple[str, SymbolState]]] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)


class Checkpointing:
    """Gathers what is told of marks. Every method may be called twice with the same; the second is idle."""

    def __init__(self) -> None:
        self._gathering: dict[JournalMark, _Gathering] = {}
        self._reached: dict[LineKey, int] = {}
        self._recovered: dict[LineKey, Place] = {}
        self._expected: set[JournalMark] | None = set()
        self._lost: set[str] = set()
        self._all_lost = False
        self.overlay = Overlay()

    # What is told

    def expect_recovery(self) -> None:
        """Wait for `recovery_read` before anything of this run is covered."""
        self._expected = None

    def recovery_read(self, covered: dict[LineKey, Place], marks: Iterable[JournalMark]) -> None:
        """All was read that is to be recovered: it is covered once these marks are complete."""
        if self._expected is None:
            self._recovered, self._expected = covered, set(marks)
            self._go_on()

    def remembered(
        self,
        mark: JournalMark,
        detectors: frozenset[str],
        stores: frozenset[str],
        streams: Sequence[Remembered],
    ) -> None:
        """A normalizer's memory at the mark; the names of the detectors that its symbols have, and of the
        stores that its records go to.
        """
        if (gathering := self._of(mark)) is not None:
            gathering.detectors, gathering.stores, gathering.streams = detectors, stores, streams
            self._go_on(mark)

    def scored(self, mark: JournalMark, detector: str, states: Sequence[tuple[str, SymbolState]]) -> None:
        """A detector's symbols and their states at the mark."""
        if (gathering := self._of(mark)) is not None:
            gathering.states[detector] = states
            self._go_on(mark)

    def settled(self, mark: JournalMark, store: str) -> None:
        """A store, or its spool, has all rows from before the mark."""
        if (gathering := self._of(mark)) is not None:
            gathering.settled.add(store)
            self._go_on(mark)

    def left(self, store: str) -> None:
        """A store was taken out, and has every row that it was given, or its spool has: nothing waits for it.

        Said once no normalizer speaks to it any more. Marks from after it has come back wait for it again.
        """
        for mark, gathering in list(self._gathering.items()):
            gathering.stores -= {store}
            self._go_on(mark)

    def rows_lost(self, lines: Iterable[str] | None) -> None:
        """Rows of these lines (None: of any) are in the journal only: it stays from there on."""
        if lines is None:
            self._all_lost = True
            self._gathering.clear()
        else:
            self._lost.update(lines)
            for mark in [mark for mark in self._gathering if mark.line in self._lost]:
                del self._gathering[mark]

    def saved(self, overlay: Overlay) -> None:
        """The overlay is on disk: forget it."""
        if self.overlay is overlay:
            self.overlay = Overlay()

    # What follows

    def _of(self, mark: JournalMark) -> _Gathering | None:
        stuck = self._all_lost or mark.line in self._lost
        if stuck or mark.number <= self._reached.get((mark.session, mark.line), RECOVERED - 1):
            return None
        return self._gathering.setdefault(mark, _Gathering())

    def _go_on(self, mark: JournalMark | None = None) -> None:
        """Take in what is complete; what was recovered comes first, and as a whole."""
        if self._expected is None:
            return
        if self._expected:
            if not all(self._complete(expected) for expected in self._expected):
                return
            for expected in self._expected:
                self._take(expected)
            self.overlay.covered |= self._recovered
            self._expected = set()
            for waiting in [each for each in self._gathering if self._complete(each)]:
                self._take(waiting)
        elif mark is not None and self._complete(mark):
            self._take(mark)

    def _complete(self, mark: JournalMark) -> bool:
        gathering = self._gathering.get(mark)
        return (
            gathering is not None
            and gathering.detectors is not None
            and len(gathering.states) == len(gathering.detectors)
            and gathering.stores <= gathering.settled
        )

    def _take(self, mark: JournalMark) -> None:
        gathering = self._gathering.pop(mark, None)
        if gathering is None:
            return
        for states in gathering.states.values():
            self.overlay.symbols.update({(mark.feed, symbol): state for symbol, state in states})
        for stream in gathering.streams:
            self.overlay.streams[mark.feed, stream.symbol, stream.channel] = stream
        line = (mark.session, mark.line)
        self._reached[line] = mark.number
        if mark.number != RECOVERED:
            self.overlay.covered[line] = Place(mark.number, mark.next_frame)
        for earlier in [each for each in self._gathering if (each.session, each.line) == line]:
            if earlier.number < mark.number:
                del self._gathering[earlier]

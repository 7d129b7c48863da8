"""Frames in, blocks of ticks out: validation, deduplication, gap detection. Pure, and block-independent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import inf, nan
from typing import Final

import numpy as np
import numpy.typing as npt

from core.columns import Row, block_of, joined
from core.ledger import Counts, add
from core.memory import FeedMemory, Lesson, Stream
from core.records import BOTH, NO_SIDE, NO_TIME, QUOTE, RAW_LIMIT, TRADE, Gap, Int64s, Malformed, TickBlock
from core.runs import Found, Groups, Run, Scans, blocks_of
from core.stretches import stretches

STALE_NS: Final = 3600 * 10**9
"""An event time further than this from ours is told as `stale_time`."""
MANY: Final = 40
"""Fewer frames cost less one by one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a normalizer knows of its feed."""

    feed: str
    venue: str
    known: frozenset[str] | None
    """The symbols that were asked for; None: every symbol is taken (replay)."""
    one_channel: bool
    """The venue's ids run across trades and quotes."""
    live: bool
    """Whether event times are compared with ours."""
    session: int = 0
    """This run's; frames of another are recovered from the journal."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something that the connection should hear of: `acknowledged`, `refused` or `later`, and its text."""

    kind: str
    text: str


@dataclass(slots=True)
class Normalized:
    """What a run of frames came to."""

    blocks: list[TickBlock] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    counts: Counts = field(default_factory=dict)
    lessons: dict[Stream, Lesson] = field(default_factory=dict)
    """For `FeedMemory.learn`, once the handler has returned."""
    stale: dict[str, int] = field(default_factory=dict)
    """Ticks whose event time is far from ours, by symbol."""


class FrameSink:
    """Takes what a dialect reads (`venues.dialect.Sink`) and checks it, record by record."""

    def __init__(
        self,
        terms: Terms,
        memory: FeedMemory,
        session: int,
        line: str,
        lessons: dict[Stream, Lesson] | None = None,
    ) -> None:
        """`lessons` is what other lines of the same handler have taught already."""
        self._terms = terms
        self._memory = memory
        self._session = session
        self._line = line
        self._pieces: dict[str, list[list[Row] | TickBlock]] = {}
        """By symbol, in order: rows that were told one by one, and blocks of many."""
        self._out = Normalized(lessons={} if lessons is None else lessons)
        self._raw = b""
        self._frame = self._ts = self._item = 0
        self._place = ""
        self._some_stale = False

    def begin(self, frame: int, payload: bytes, ts_recv_ns: int) -> None:
        """Begin a frame."""
        self._raw, self._frame, self._ts, self._item, self._place = payload, frame, ts_recv_ns, 0, ""

    def end(self) -> None:
        """End it: a frame is decoded, control or ignored, and exactly one of them."""
        place = "decoded" if self._item else self._place or "ignored"
        add(self._out.counts, self._terms.feed, place)

    def finish(self) -> Normalized:
        """Give everything, blocks in the order in which their symbols first came."""
        out = self._out
        for symbol, pieces in self._pieces.items():
            block = joined([self._block(symbol, piece) for piece in pieces])
            out.blocks.append(block)
            if self._some_stale:
                self._note_stale(block)
        return out

    def take(self, run: Run, found: Found, symbols: Sequence[str], start: int, stop: int) -> bool:
        """Take the frames from start to before stop at once, each of which holds the one tick that was found.

        Says False, and has taken nothing, where an id does not ascend: only one by one can duplicates and
        late ones be told. Says of all else what `trade` and `quote` would have said, frame by frame.
        """
        terms, groups = self._terms, Groups.by(found.symbol[start:stop], start)
        told = stretches(found, symbols, groups, start, stop, terms.one_channel, self._lesson)
        if told is None:
            return False
        streams, holes = told
        for stretch in streams:
            stretch.learn()
        for position, symbol, first, last in holes:
            self._frame, self._ts, self._item = int(run.frames[position]), int(run.ts_recv_ns[position]), 0
            self._note_gap(symbol, first, last)
        for block in blocks_of(
            terms.feed, terms.venue, self._session, self._line, run, found, symbols, groups
        ):
            self._pieces.setdefault(block.symbol, []).append(block)
        self._look_for_stale(found.ts_event_ns[start:stop], run.ts_recv_ns[start:stop])
        for place in ("decoded", "received"):
            add(self._out.counts, terms.feed, place, stop - start)
        return True

    def _block(self, symbol: str, piece: list[Row] | TickBlock) -> TickBlock:
        if isinstance(piece, TickBlock):
            return piece
        return block_of(self._terms.feed, self._terms.venue, symbol, self._session, self._line, piece)

    def trade(
        self, symbol: str, price: float, size: float, side: int, ts_event_ns: int,
        venue_id: str | int | None, seq: int | None,
    ) -> None:  # fmt: skip
        """See `venues.dialect.Sink`."""
        if not 0.0 < price < inf:
            self.malformed("bad_price", self._raw, symbol)
        elif self._admit(symbol, "trades", venue_id, seq, size):
            self._keep(
                symbol, (TRADE, ts_event_ns, self._ts, price, size, side, nan, nan, nan, nan, venue_id)
            )

    def quote(
        self, symbol: str, bid: float, bid_size: float, ask: float, ask_size: float, ts_event_ns: int,
        venue_id: str | int | None, seq: int | None,
    ) -> None:  # fmt: skip
        """See `venues.dialect.Sink`."""
        if not (_is_side(bid) and _is_side(ask)):
            self.malformed("bad_price", self._raw, symbol)
        elif self._admit(symbol, "quotes", venue_id, seq, bid_size, ask_size):
            bid_size, ask_size = _size_of(bid, bid_size), _size_of(ask, ask_size)
            row = (
                QUOTE,
                ts_event_ns,
                self._ts,
                nan,
                nan,
                NO_SIDE,
                bid or nan,
                bid_size,
                ask or nan,
                ask_size,
            )
            self._keep(symbol, (*row, venue_id))

    def both(
        self, symbol: str, price: float, size: float, side: int,
        bid: float, bid_size: float, ask: float, ask_size: float, ts_event_ns: int,
        venue_id: str | int | None, seq: int | None,
    ) -> None:  # fmt: skip
        """See `venues.dialect.Sink`."""
        if not (0.0 < price < inf and _is_side(bid) and _is_side(ask)):
            self.malformed("bad_price", self._raw, symbol)
        elif self._admit(symbol, "both", venue_id, seq, size, bid_size, ask_size):
            bid_size, ask_size = _size_of(bid, bid_size), _size_of(ask, ask_size)
            row = (BOTH, ts_event_ns, self._ts, price, size, side, bid or nan, bid_size, ask or nan, ask_size)
            self._keep(symbol, (*row, venue_id))

    def malformed(self, reason: str, raw: bytes, symbol: str | None = None) -> None:
        """See `venues.dialect.Sink`."""
        terms = self._terms
        self._count_record()
        self._out.malformed.append(
            Malformed(
                terms.feed, terms.venue, symbol, reason, bytes(raw[:RAW_LIMIT]), self._ts,
                self._session, self._line, self._frame, self._item - 1,
            )
        )  # fmt: skip

    def acknowledged(self, key: str) -> None:
        """See `venues.dialect.Sink`."""
        self._reply("acknowledged", key)

    def refused(self, text: str) -> None:
        """See `venues.dialect.Sink`."""
        self._reply("refused", text)

    def later(self, text: str) -> None:
        """See `venues.dialect.Sink`."""
        self._reply("later", text)

    def control(self) -> None:
        """See `venues.dialect.Sink`."""
        self._place = "control"

    def ignored(self) -> None:
        """See `venues.dialect.Sink`."""
        self._place = self._place or "ignored"

    def _reply(self, kind: str, text: str) -> None:
        self._place = "control"
        self._out.replies.append(Reply(kind, text))

    def _admit(
        self, symbol: str, channel: str, venue_id: str | int | None, seq: int | None, *sizes: float
    ) -> bool:
        """Check what all kinds of ticks share; False: it was quarantined or is a duplicate."""
        terms = self._terms
        if terms.known is not None and symbol not in terms.known:
            self.malformed("unknown_symbol", self._raw, symbol)
            return False
        for size in sizes:
            if size < 0.0 or size == inf:
                self.malformed("bad_type", self._raw, symbol)
                return False
        if venue_id is None and seq is None:
            return True
        lesson = self._lesson((symbol, "" if terms.one_channel else channel))
        if venue_id is not None and lesson.is_duplicate(venue_id):
            self._count_record()
            add(self._out.counts, terms.feed, "duplicate.repeated")
            return False
        missing = lesson.missing_before(seq) if seq is not None else None
        if missing is not None:
            self._note_gap(symbol, *missing)
        return True

    def _keep(
        self,
        symbol: str,
        row: tuple[int, int, int, float, float, int, float, float, float, float, str | int | None],
    ) -> None:
        pieces = self._pieces.setdefault(symbol, [])
        if not pieces or not isinstance(rows := pieces[-1], list):
            pieces.append(rows := [])
        rows.append((*row, self._frame, self._item))
        if row[1] != NO_TIME and abs(self._ts - row[1]) > STALE_NS:
            self._some_stale = self._terms.live
        self._count_record()

    def _count_record(self) -> None:
        self._item += 1
        add(self._out.counts, self._terms.feed, "received")

    def _lesson(self, stream: Stream) -> Lesson:
        lesson = self._out.lessons.get(stream)
        if lesson is None:
            lesson = self._out.lessons[stream] = self._memory.lesson(stream)
        return lesson

    def _note_gap(self, symbol: str, first: int, last: int) -> None:
        terms = self._terms
        add(self._out.counts, terms.feed, "event.gap")
        self._out.gaps.append(
            Gap(
                terms.feed, terms.venue, symbol, "sequence", first, last, self._ts,
                self._session, self._line, self._frame, self._item,
            )
        )  # fmt: skip

    def _look_for_stale(self, event_ns: Int64s, received_ns: Int64s) -> None:
        if self._terms.live and _are_stale(event_ns, received_ns).any():
            self._some_stale = True

    def _note_stale(self, block: TickBlock) -> None:
        count = int(np.count_nonzero(_are_stale(block.ts_event_ns, block.ts_recv_ns)))
        if count:
            add(self._out.counts, self._terms.feed, "event.stale_time", count)
            self._out.stale[block.symbol] = count


def _are_stale(event_ns: Int64s, received_ns: Int64s) -> npt.NDArray[np.bool_]:
    late: npt.NDArray[np.bool_] = np.abs(received_ns - event_ns) > STALE_NS
    late &= event_ns != NO_TIME
    return late


def _is_side(price: float) -> bool:
    """Tell whether a bid or ask is one: absent, empty (zero) or a price; NaN compares false."""
    return price != price or 0.0 <= price < inf


def _size_of(price: float, size: float) -> float:
    """Give a side's size; a side that is empty or absent has none."""
    return size if price > 0.0 else nan


def as_recovered(counts: Counts) -> Counts:
    """Give the counts of frames that another session took: it told their events, and we only recover them."""
    return {
        (feed, "recovered" if name == "received" else name): n
        for (feed, name), n in counts.items()
        if not name.startswith("event.")
    }


def normalize(
    run: Run, decode: Callable[[bytes, FrameSink], None], sink: FrameSink, scanner: Scans | None = None
) -> Normalized:
    """Decode frames into what the sink makes of them; a scanner reads what it can of many at once.

    What is found is the same with it and without.
    """
    if scanner is None or len(run) < MANY:
        _one_by_one(run, 0, len(run), decode, sink)
        return sink.finish()
    found = scanner.scan(run.payloads)
    bounds = [0, *(np.flatnonzero(found.ok[1:] != found.ok[:-1]) + 1).tolist(), len(run)]
    at_once = partial(sink.take, run, found, scanner.symbols)
    one_by_one = partial(_one_by_one, run, decode=decode, sink=sink)
    for start, stop in pairwise(bounds):
        if found.ok[start]:
            _halving(start, stop, at_once, one_by_one)
        else:
            one_by_one(start, stop)
    return sink.finish()


def _halving(
    start: int, stop: int, at_once: Callable[[int, int], bool], one_by_one: Callable[[int, int], None]
) -> None:
    """Take frames at once where that can be; what stands in the way is surrounded by halving."""
    if stop - start < MANY:
        one_by_one(start, stop)
    elif not at_once(start, stop):
        middle = (start + stop) // 2
        _halving(start, middle, at_once, one_by_one)
        _halving(middle, stop, at_once, one_by_one)


def _one_by_one(
    run: Run, start: int, stop: int, decode: Callable[[bytes, FrameSink], None], sink: FrameSink
) -> None:
    numbers, times = run.frames[start:stop].tolist(), run.ts_recv_ns[start:stop].tolist()
    for frame, payload, ts_recv_ns in zip(numbers, run.payloads[start:stop], times, strict=True):
        sink.begin(frame, payload, ts_recv_ns)
        decode(payload, sink)
        sink.end()

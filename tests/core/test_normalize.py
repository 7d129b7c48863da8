"""Frames to blocks, with a dialect whose frames are the very calls that it makes."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isinf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import memory
from core.describe import tick_as_json
from core.ledger import Counts, total
from core.memory import FeedMemory
from core.normalize import STALE_NS, FrameSink, Normalized, Reply, Terms, normalize
from core.payloads import Payloads
from core.records import BOTH, BUY, NO_ID, NO_TIME, RAW_LIMIT, REASONS, SELL, Gap, Malformed
from core.runs import Found, Run, Scans

LINE = "f/0/A"
NOW = 1_700_000_000_000_000_000
TERMS = Terms("f", "v", frozenset({"A", "B"}), one_channel=False, live=True)

Call = list[Any]
Frame = list[Call]


@pytest.fixture(autouse=True, scope="module")
def remember_little() -> Iterator[None]:
    """Forget soon, so that short runs of frames show it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "REMEMBERED", 6)
        yield


def decode(payload: bytes, sink: FrameSink) -> None:
    """Make the calls that a frame lists."""
    for name, *arguments in json.loads(payload):
        if name == "malformed":
            sink.malformed(arguments[0], payload, arguments[1])
        else:
            getattr(sink, name)(*arguments)


def run(
    frames: Sequence[Frame],
    feed: FeedMemory | None = None,
    terms: Terms = TERMS,
    first: int = 0,
    scanner: Scans | None = None,
) -> Normalized:
    """Normalize frames in one call, without learning."""
    sink = FrameSink(terms, feed or FeedMemory(), 7, LINE)
    if not frames:
        return sink.finish()
    numbered = ((first + i, json.dumps(frame).encode(), NOW + first + i) for i, frame in enumerate(frames))
    return normalize(Run.of(numbered), decode, sink, scanner)


def trade(price: float = 1.0, symbol: str = "A", size: float = 1.0, **of: Any) -> Call:
    """Give a trade of a frame."""
    return [
        "trade",
        symbol,
        price,
        size,
        of.get("side", BUY),
        of.get("time", NOW),
        of.get("id"),
        of.get("seq"),
    ]


def quote(
    bid: float, ask: float, symbol: str = "A", sizes: tuple[float, float] = (1.0, 2.0), **of: Any
) -> Call:
    """Give a top of book of a frame."""
    return ["quote", symbol, bid, sizes[0], ask, sizes[1], NOW, of.get("id"), of.get("seq")]


prices = st.sampled_from([1.5, 2.0, 0.0, -1.0, inf, nan])
sizes = st.sampled_from([0.0, 1.0, 1.0, -1.0, inf, nan])
symbols = st.sampled_from(["A", "A", "B", "C"])
ids = st.none() | st.integers(0, 12) | st.sampled_from(["x", "y"])
seqs = st.none() | st.integers(0, 20)
times = st.sampled_from([NOW, NO_TIME, NOW - 2 * STALE_NS])
records = st.one_of(
    st.builds(
        lambda s, p, z, t, i, q: ["trade", s, p, z, SELL, t, i, q], symbols, prices, sizes, times, ids, seqs
    ),
    st.builds(
        lambda s, b, x, a, y, t, i, q: ["quote", s, b, x, a, y, t, i, q],
        symbols, prices, sizes, prices, sizes, times, ids, seqs,
    ),
    st.builds(
        lambda s, p, z, b, a, i, q: ["both", s, p, z, BUY, b, 1.0, a, 1.0, NOW, i, q],
        symbols, prices, sizes, prices, prices, ids, seqs,
    ),
    st.builds(lambda r, s: ["malformed", r, s], st.sampled_from(REASONS[3:]), st.none() | symbols),
)  # fmt: skip
others = st.sampled_from(
    [["control"], ["ignored"], ["acknowledged", "k"], ["refused", "no"], ["later", "soon"]]
)
frame = st.lists(records, max_size=4) | st.lists(others, max_size=2) | st.lists(records | others, max_size=3)
frames = st.lists(frame, max_size=12)
terms_of = st.builds(
    Terms,
    st.just("f"),
    st.just("v"),
    st.sampled_from([frozenset({"A", "B"}), None]),
    st.booleans(),
    st.booleans(),
)


def story(parts: Sequence[Normalized]) -> dict[str, Any]:
    """Give all that several calls found, so that only what they found together shows."""
    ticks: dict[str, list[tuple[int, int, bytes]]] = {}
    stale: Counter[str] = Counter()
    for part in parts:
        for block in part.blocks:
            rows = ticks.setdefault(block.symbol, [])
            rows += [
                (int(block.frame[i]), int(block.item[i]), tick_as_json(block, i)) for i in range(len(block))
            ]
        stale.update(part.stale)
    return {
        "ticks": ticks,
        "malformed": [row for part in parts for row in part.malformed],
        "gaps": [gap for part in parts for gap in part.gaps],
        "replies": [reply for part in parts for reply in part.replies],
        "counts": total(part.counts for part in parts),
        "stale": stale,
    }


@pytest.mark.slow
@given(frames, terms_of, st.lists(st.integers(0, 12), max_size=5), st.integers(1, 3))
def test_what_is_found_does_not_depend_on_where_blocks_are_cut(
    said: list[Frame], terms: Terms, cuts: list[int], crashes: int
) -> None:
    """Nor on calls that came to nothing because their handler crashed, nor on learning twice."""
    whole = run(said, terms=terms)
    feed = FeedMemory()
    bounds = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    parts = []
    for start, stop in pairwise(bounds):
        for _ in range(crashes):
            part = run(said[start:stop], feed, terms, start)
        parts.append(part)
        feed.learn(part.lessons)
        feed.learn(part.lessons)
    assert story(parts) == story([whole])


@dataclass
class Columns:
    """What a scan of the frames above finds; see `core.runs.Found`."""

    ok: Any
    symbol: Any
    kind: Any
    ts_event_ns: Any
    price: Any
    size: Any
    side: Any
    bid: Any
    bid_size: Any
    ask: Any
    ask_size: Any
    venue_id: Any
    seq: Any


class Reader:
    """Reads the frames that hold one sound tick of A or B, and whose id is a number."""

    symbols = ("B", "A")

    def scan(self, payloads: Payloads) -> Found:
        """See core.runs.Scans."""
        rows = [_scanned(json.loads(payload), self.symbols) for payload in payloads]
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        return Columns(*columns)


def _scanned(calls: Frame, symbols: Sequence[str]) -> list[Any]:
    """Give ok, symbol, kind, time, price, size, side, bid, bid size, ask, ask size, id and seq."""
    refused = [False, -1, -1, 0, *[nan] * 2, 0, *[nan] * 4, 0, 0]
    if len(calls) != 1 or calls[0][0] not in ("trade", "quote", "both"):
        return refused
    (name, symbol, *values, time, identity, seq) = calls[0]
    trade_part = values[:3] if name != "quote" else [nan, nan, 0]
    quote_part = {"trade": [nan] * 4, "quote": values, "both": values[3:]}[name]
    numbers = [number for number in (*trade_part[:2], *quote_part) if not isnan(number)]
    sound = all(0.0 < number < inf for number in numbers) and (name == "quote" or not isnan(trade_part[0]))
    if symbol not in symbols or isinstance(identity, str) or not sound:
        return refused
    ids = [NO_ID if number is None else number for number in (identity, seq)]
    kind = ("trade", "quote", "both").index(name)
    return [True, symbols.index(symbol), kind, time, *trade_part, *quote_part, *ids]


@pytest.mark.slow
@given(frames, terms_of, st.integers(1, 4), st.integers(0, 12))
def test_reading_many_at_once_finds_what_reading_one_by_one_finds(
    said: list[Frame], terms: Terms, many: int, cut: int
) -> None:
    """And teaches the same, whatever stands between the frames that can be read at once."""
    at_once, one_by_one = FeedMemory(), FeedMemory()
    told: list[list[Normalized]] = [[], []]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.normalize.MANY", many)
        for start, stop in ((0, cut), (cut, len(said))):
            for feed, parts, scanner in zip((at_once, one_by_one), told, (Reader(), None), strict=True):
                parts.append(run(said[start:stop], feed, terms, start, scanner))
                feed.learn(parts[-1].lessons)
    assert story(told[0]) == story(told[1])
    assert taught(at_once) == taught(one_by_one)


def taught(feed: FeedMemory) -> list[tuple[Any, ...]]:
    """Give what is remembered as values that compare."""
    return [
        (told.symbol, told.channel, list(told.identities), told.next_ordinal, told.last_seq)
        for told in feed.export()
    ]


ascending = st.lists(
    st.builds(
        lambda s, kind, step: (s, kind, step), st.sampled_from("AB"), st.integers(0, 1), st.integers(0, 3)
    ),
    max_size=40,
)


@pytest.mark.slow
@given(ascending, st.booleans(), st.booleans())
def test_long_runs_are_read_at_once_up_to_what_stands_in_the_way(
    steps: list[tuple[str, int, int]], one_channel: bool, numbered: bool
) -> None:
    """Ids mostly go on by one; some skip, some repeat."""
    terms, number = Terms("f", "v", None, one_channel, live=True), dict.fromkeys("AB", 0)
    said = []
    for symbol, kind, step in steps:
        number[symbol] += step
        ids: dict[str, Any] = {"id": number[symbol], "seq": number[symbol] if numbered else None}
        said.append([quote(1.0, 2.0, symbol, **ids) if kind else trade(1.5, symbol, **ids)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.normalize.MANY", 2)
        found = run(said, terms=terms, scanner=Reader())
    assert story([found]) == story([run(said, terms=terms)])


@pytest.mark.slow
@given(frames, terms_of)
def test_every_record_and_every_frame_is_counted_exactly_once(said: list[Frame], terms: Terms) -> None:
    found = run(said, terms=terms)
    kept = sum(map(len, found.blocks))
    received = sum(call[0] in ("trade", "quote", "both", "malformed") for frame in said for call in frame)
    assert count(found, "received") == received
    assert received == kept + len(found.malformed) + count(found, "duplicate.repeated")
    assert len(said) == sum(count(found, place) for place in ("decoded", "control", "ignored"))
    assert count(found, "event.gap") == len(found.gaps)
    assert count(found, "event.stale_time") == sum(found.stale.values())


@pytest.mark.slow
@given(frames)
def test_items_are_numbered_in_the_order_of_their_frame(said: list[Frame]) -> None:
    """Duplicates take a number as well, so that numbers do not depend on what was seen before."""
    found = run(said)
    taken = [(int(block.frame[i]), int(block.item[i])) for block in found.blocks for i in range(len(block))]
    taken += [(row.frame, row.item) for row in found.malformed]
    assert len(set(taken)) == len(taken)
    for number, item in taken:
        assert 0 <= item < sum(call[0] in ("trade", "quote", "both", "malformed") for call in said[number])
    for block in found.blocks:
        origins = list(zip(block.frame.tolist(), block.item.tolist(), strict=True))
        assert origins == sorted(origins)


@pytest.mark.slow
@given(frames)
def test_only_sound_values_become_ticks(said: list[Frame]) -> None:
    for block in run(said).blocks:
        for i in range(len(block)):
            kind = int(block.kind[i])
            assert kind == 1 or 0.0 < block.price[i] < inf
            assert kind != 1 or isnan(block.price[i])
            for side in (block.bid[i], block.ask[i]):
                assert isnan(side) or 0.0 < side < inf
            for size in (block.size[i], block.bid_size[i], block.ask_size[i]):
                assert isnan(size) or (size >= 0.0 and not isinf(size))


def count(found: Normalized, name: str) -> int:
    """Give a count of the feed."""
    return found.counts.get(("f", name), 0)


def only(found: Normalized) -> Malformed:
    """Give the one record that was refused, nothing being kept."""
    assert found.blocks == []
    (row,) = found.malformed
    return row


@pytest.mark.parametrize("price", [0.0, -0.0, -1.0, inf, -inf, nan])
def test_a_trade_without_a_price_is_refused(price: float) -> None:
    row = only(run([[trade(price)]]))
    assert (row.reason, row.symbol, row.frame, row.item, row.line) == ("bad_price", "A", 0, 0, LINE)
    assert json.loads(row.raw)[0][0] == "trade"


@pytest.mark.parametrize("price", [-1.0, inf, -inf])
def test_a_quote_with_an_impossible_side_is_refused(price: float) -> None:
    assert only(run([[quote(price, 2.0)]])).reason == "bad_price"
    assert only(run([[quote(1.0, price)]])).reason == "bad_price"
    both = ["both", "A", 1.0, 1.0, BUY, price, 1.0, 2.0, 1.0, NOW, None, None]
    assert only(run([[both]])).reason == "bad_price"


@pytest.mark.parametrize("empty", [0.0, -0.0, nan])
def test_an_empty_side_is_absent_and_not_a_price_of_zero(empty: float) -> None:
    (block,) = run([[quote(empty, 2.0), quote(1.0, empty), quote(empty, empty)]]).blocks
    assert [isnan(bid) for bid in block.bid] == [True, False, True]
    assert [isnan(ask) for ask in block.ask] == [False, True, True]


@pytest.mark.parametrize("size", [-1.0, -inf, inf])
def test_an_impossible_size_is_refused(size: float) -> None:
    said = [trade(size=size), quote(1.0, 2.0, sizes=(size, 1.0)), quote(1.0, 2.0, sizes=(1.0, size))]
    assert [only(run([[call]])).reason for call in said] == ["bad_type"] * 3


def test_a_size_of_zero_is_a_value_and_nan_is_absent() -> None:
    (block,) = run([[trade(size=0.0), trade(size=nan)]]).blocks
    assert block.size[0] == 0.0
    assert isnan(block.size[1])


def test_a_symbol_that_was_not_asked_for_is_refused_but_taken_by_a_replay() -> None:
    row = only(run([[trade(symbol="C", seq=1)]]))
    assert (row.reason, row.symbol) == ("unknown_symbol", "C")
    (block,) = run([[trade(symbol="C")]], terms=Terms("f", "v", None, False, False)).blocks
    assert (block.symbol, block.feed, block.venue, block.session) == ("C", "f", "v", 7)


def test_a_refused_record_teaches_nothing() -> None:
    """Its identity and number are as unproven as its price; the sound one after it is no duplicate."""
    found = run([[trade(-1.0, id=1, seq=1), trade(id=1, seq=1), trade(id=1, seq=1), trade(id=3, seq=3)]])
    assert count(found, "duplicate.repeated") == 1
    assert found.gaps == [Gap("f", "v", "A", "sequence", 2, 2, NOW, 7, LINE, 0, 3)]


def test_numbers_prove_a_gap_also_where_ticks_have_no_identity() -> None:
    found = run([[trade(seq=1), trade(seq=4)], [trade(), trade(seq=5)]])
    assert [(gap.first_missing, gap.last_missing) for gap in found.gaps] == [(2, 3)]


def test_channels_are_told_apart_unless_the_venue_counts_across_them() -> None:
    said = [
        [trade(id=1, seq=1), quote(1.0, 2.0, id=1, seq=1), trade(id=2, seq=2), quote(1.0, 2.0, id=3, seq=3)]
    ]
    apart = run(said)
    assert (count(apart, "duplicate.repeated"), len(apart.gaps)) == (0, 1)
    across = run(said, terms=Terms("f", "v", None, one_channel=True, live=False))
    assert (count(across, "duplicate.repeated"), len(across.gaps)) == (1, 0)


def test_the_bytes_of_a_refused_record_are_cut_at_their_bound() -> None:
    sink = FrameSink(TERMS, FeedMemory(), 7, LINE)
    sink.begin(0, b"", NOW)
    sink.malformed("malformed_json", b"x" * (RAW_LIMIT + 1))
    sink.end()
    assert len(sink.finish().malformed[0].raw) == RAW_LIMIT


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ([], "ignored"),
        ([["ignored"]], "ignored"),
        ([["control"]], "control"),
        ([["control"], ["ignored"]], "control"),
        ([["ignored"], ["acknowledged", "k"]], "control"),
        ([["control"], trade()], "decoded"),
        ([trade(), ["ignored"]], "decoded"),
        ([["malformed", "malformed_json", None]], "decoded"),
    ],
)
def test_a_frame_is_decoded_or_control_or_ignored(frame: Frame, place: str) -> None:
    found = run([frame])
    assert {name: count(found, name) for name in ("decoded", "control", "ignored")} == {
        **dict.fromkeys(("decoded", "control", "ignored"), 0),
        place: 1,
    }


def test_what_the_connection_should_hear_comes_in_order() -> None:
    found = run([[["acknowledged", "k"]], [["refused", "no"], ["later", "soon"]]])
    assert found.replies == [Reply("acknowledged", "k"), Reply("refused", "no"), Reply("later", "soon")]


def test_a_time_far_from_ours_is_told_while_live_and_the_tick_is_kept() -> None:
    far = [trade(time=NOW - STALE_NS - 1), trade(time=NOW + STALE_NS + 1)]
    near = [trade(time=NOW - STALE_NS), trade(time=NO_TIME), trade(symbol="B")]
    found = run([[*far, *near]])
    assert (found.stale, count(found, "event.stale_time")) == ({"A": 2}, 2)
    assert [len(block) for block in found.blocks] == [4, 1]
    assert run([far], terms=Terms("f", "v", None, False, live=False)).stale == {}


def test_blocks_come_in_the_order_in_which_their_symbols_first_came() -> None:
    found = run([[trade(symbol="B")], [trade(symbol="A"), trade(symbol="B")]])
    assert [(block.symbol, block.frame.tolist()) for block in found.blocks] == [("B", [0, 1]), ("A", [1])]


def test_a_tick_of_both_kinds_holds_all_that_was_said() -> None:
    (block,) = run([[["both", "A", 3.0, 4.0, SELL, 1.0, 5.0, 2.0, 6.0, NOW - 9, "i", 1]]]).blocks
    told = tuple(
        getattr(block, name)[0] for name in ("price", "size", "side", "bid", "bid_size", "ask", "ask_size")
    )
    assert told == (3.0, 4.0, SELL, 1.0, 5.0, 2.0, 6.0)
    assert (block.kind[0], block.ts_event_ns[0], block.ts_recv_ns[0], block.venue_id[0]) == (
        BOTH,
        NOW - 9,
        NOW,
        "i",
    )


def test_no_frames_are_nothing() -> None:
    found = run([])
    nothing: Counts = {}
    assert (found.blocks, found.counts, found.lessons) == ([], nothing, {})

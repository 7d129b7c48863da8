"""The demo market: deterministic, complete in its faults, and honest about each of them."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice, pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venues.demo_faults import (
    BAD_TYPE,
    BROKEN,
    CROSSED,
    DROP,
    DUPLICATE,
    FAULTS,
    GAP,
    MALFORMED,
    MISSING,
    OUTLIER,
    PRICE_FAULTS,
    SLIP,
    SPIKE,
    STALE,
)
from venues.demo_market import NEW_YEAR_2026_NS, Event, Market

SECOND = 1_000_000_000
SYMBOL_SETS = (
    ("BTC-USD",),
    ("BTC-USD", "ETH-USD", "SOL-USD"),
    tuple(f"COIN{i}" for i in range(10)),
)
UNJUDGED = (*BROKEN, CROSSED, DUPLICATE, GAP, DROP)


@cache
def session(seed: int, symbols: tuple[str, ...], seconds: float = 15.0) -> tuple[Event, ...]:
    """Give what a market does in its first seconds."""
    return tuple(takewhile(lambda event: event.offset_ns < seconds * SECOND, Market(seed, symbols)))


def z_scores(events: Iterable[Event], wanted: Callable[[Event], bool]) -> Iterator[tuple[Event, float]]:
    """Judge the wanted ones of the sound events by the detector's documented rule, in plain numpy."""
    windows: dict[tuple[str | None, bool], list[float]] = defaultdict(list)
    for event in events:
        if event.fault in UNJUDGED:
            continue
        window = windows[event.symbol, event.kind == "quote"]
        window.append(event.price)
        del window[:-200]
        if len(window) >= 30 and wanted(event):
            yield event, float(abs(event.price - np.mean(window)) / (np.std(window) + 1e-8))


def heard(events: Iterable[Event]) -> list[Event]:
    """Leave out what is never sent."""
    return [event for event in events if event.text is not None]


def of_fault(events: Iterable[Event], *faults: str) -> list[Event]:
    """Give the events of these faults."""
    return [event for event in events if event.fault in faults]


@pytest.mark.slow
@given(
    st.integers(0, 2**31),
    st.lists(st.text(max_size=8), min_size=1, max_size=4),
    st.floats(0.5, 5_000),
    st.booleans(),
)
def test_the_same_arguments_give_the_same_events(
    seed: int, symbols: list[str], rate: float, faults: bool
) -> None:
    """Every event, text included, is a function of the arguments."""
    one, other = (Market(seed, symbols, rate, faults, start_ns=10**18) for _ in range(2))
    assert repr(list(islice(one, 60))) == repr(list(islice(other, 60)))


def test_another_seed_gives_other_messages() -> None:
    """The seed matters."""
    assert heard(session(1, SYMBOL_SETS[0]))[:10] != heard(session(2, SYMBOL_SETS[0]))[:10]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 42])
@pytest.mark.parametrize("symbols", SYMBOL_SETS, ids=len)
def test_each_kind_of_fault_strikes_every_symbol_within_15_seconds(
    seed: int, symbols: tuple[str, ...]
) -> None:
    """A client hears all of them, whichever symbols it subscribes to."""
    struck = {(event.symbol, event.fault) for event in session(seed, symbols) if event.fault}
    kinds = set(FAULTS) - {DROP}
    assert struck == {(symbol, fault) for symbol in symbols for fault in kinds} | {(None, DROP)}


@pytest.mark.parametrize("seed", range(4))
def test_the_first_connection_is_dropped_within_8_seconds_and_then_about_every_minute(seed: int) -> None:
    """Drops need no ticks: one slow symbol shows them."""
    market = Market(seed, ["X"], ticks_per_second=1.0)
    drops = [event.offset_ns / SECOND for event in islice(market, 600) if event.fault == DROP]
    assert drops[0] < 8
    assert all(45 <= later - earlier <= 75 for earlier, later in pairwise(drops))
    assert len(drops) > 4


@pytest.mark.slow
@pytest.mark.parametrize("symbols", SYMBOL_SETS, ids=len)
def test_price_faults_have_the_z_scores_that_they_promise(symbols: tuple[str, ...]) -> None:
    """Outliers warn, spikes and slips are rejected, by the plain rolling z-score."""
    events = session(5, symbols, 30.0)
    judged = list(z_scores(events, lambda event: event.fault in PRICE_FAULTS))
    assert len(judged) >= 6
    for event, z in judged:
        assert 2.5 < z < 4.0 if event.fault == OUTLIER else z > 4.5, event


def test_honest_prices_are_hardly_ever_remarkable() -> None:
    """Under 1 % of the honest ticks warn and practically none is rejected."""
    events = session(5, SYMBOL_SETS[1], 30.0)
    scores = [z for _, z in z_scores(events, lambda event: event.fault is None and (event.id or 0) % 3 == 0)]
    assert sum(z >= 2.5 for z in scores) < 0.01 * len(scores)
    assert sum(z >= 4.0 for z in scores) < 0.001 * len(scores)


def test_price_faults_wait_until_their_window_has_40_prices() -> None:
    """A slow market strikes late rather than where z is not defined."""
    seen: dict[tuple[str | None, bool], int] = defaultdict(int)
    spikes = 0
    for event in islice(Market(3, ["BTC-USD"], ticks_per_second=4.0), 2_000):
        place = (event.symbol, event.kind == "quote")
        if event.fault in (OUTLIER, SPIKE):
            assert seen[place] >= 40
            spikes += 1
        seen[place] += event.fault not in UNJUDGED
    assert spikes


@pytest.mark.slow
def test_price_faults_never_hide_behind_a_slip() -> None:
    """A price of another magnitude leaves the window before the next fault is set into it."""
    since_slip: dict[bool, int] = {True: 200, False: 200}
    for event in takewhile(lambda event: event.offset_ns < 90 * SECOND, Market(3, ["X"])):
        if event.fault in UNJUDGED:
            continue
        window = event.kind == "quote"
        assert event.fault not in PRICE_FAULTS or since_slip[window] >= 200
        since_slip[window] = 0 if event.fault == SLIP else since_slip[window] + 1


@pytest.mark.slow
@pytest.mark.parametrize("symbols", SYMBOL_SETS, ids=len)
def test_ids_are_unique_but_for_duplicates_which_follow_their_originals_unchanged(
    symbols: tuple[str, ...],
) -> None:
    """A duplicate is the same bytes again, at the same time."""
    events = heard(session(5, symbols, 30.0))
    seen: set[int | None] = set()
    for before, event in pairwise(events):
        assert (event.id in seen) == (event.fault == DUPLICATE)
        seen.add(event.id)
        if event.fault == DUPLICATE:
            assert (before.fault, before.text, before.offset_ns) == (None, event.text, event.offset_ns)


@pytest.mark.parametrize("symbols", SYMBOL_SETS, ids=len)
def test_seq_is_contiguous_but_for_gaps_and_broken_messages_have_none(symbols: tuple[str, ...]) -> None:
    """What is missing from a symbol's numbers is what the gaps say, to the number."""
    numbers: dict[str | None, list[int]] = defaultdict(list)
    for event in session(5, symbols, 30.0):
        assert (event.seq is None) == (event.fault in (*BROKEN, DROP))
        if event.seq is not None and event.fault != DUPLICATE:
            numbers[event.symbol].append(event.seq)
    assert len(numbers) == len(symbols)
    for sequence in numbers.values():
        assert sequence == list(range(1, len(sequence) + 1))


def test_a_gap_is_silent_and_lies_directly_before_a_tick_of_its_channel() -> None:
    """Who hears the tick can see the hole."""
    for before, event in pairwise(session(5, SYMBOL_SETS[1], 30.0)):
        if before.fault == GAP:
            assert before.text is None
            assert before.seq is not None
            assert (event.symbol, event.kind, event.offset_ns) == (
                before.symbol,
                before.kind,
                before.offset_ns,
            )
            assert event.seq == before.seq + 1


def test_sound_messages_are_what_their_truth_says() -> None:
    """Text and truth agree on symbol, kind, identity, number, price and time."""
    for event in heard(session(2, SYMBOL_SETS[2])):
        if event.fault in BROKEN:
            continue
        message = json.loads(event.text or "")
        assert (message["symbol"], message["id"], message["seq"]) == (event.symbol, event.id, event.seq)
        has = ("price" in message, "bid" in message and "ask" in message)
        assert has == {"trade": (True, False), "quote": (False, True), "both": (True, True)}[event.kind]
        assert event.price == message.get("price", (message.get("bid", 0) + message.get("ask", 0)) / 2)
        assert all(message[name] > 0 for name in ("size", "bid_size", "ask_size") if name in message)
        late_ns = NEW_YEAR_2026_NS + event.offset_ns - message["timestamp"]
        assert late_ns >= 7_200 * SECOND if event.fault == STALE else late_ns == 0
        if has[1]:
            assert (message["bid"] >= message["ask"]) == (event.fault == CROSSED)


def test_broken_messages_are_broken_as_their_truth_says() -> None:
    """Cut text, no symbol or no price at all, a price of another type."""
    for event in of_fault(session(2, SYMBOL_SETS[2]), MALFORMED):
        with pytest.raises(ValueError):
            json.loads(event.text or "")
    for event in of_fault(session(2, SYMBOL_SETS[2]), MISSING):
        message = json.loads(event.text or "")
        assert "symbol" not in message or not {"price", "bid", "ask"} & message.keys()
    for event in of_fault(session(2, SYMBOL_SETS[2]), BAD_TYPE):
        message = json.loads(event.text or "")
        assert not all(type(message[name]) is float for name in ("price", "bid") if name in message)


@pytest.mark.parametrize("rate", [20.0, 400.0, 3_000.0])
def test_the_rate_is_about_what_was_asked_for(rate: float) -> None:
    """Within a seventh over 6,000 ticks, bursts and all."""
    *_, last = islice(Market(9, SYMBOL_SETS[1], rate, faults=False), 6_000)
    assert last.offset_ns / SECOND == pytest.approx(6_000 / rate, rel=0.15)


def test_ticks_come_in_bursts() -> None:
    """Counts in short spans vary far more than those of a Poisson process, whose ratio is 1."""
    times = [event.offset_ns for event in islice(Market(9, ["X"], 100.0, faults=False), 10_000)]
    counts = np.bincount(np.array(times) // (SECOND // 2))
    assert np.var(counts) / np.mean(counts) > 2


def test_later_faults_strike_a_realistic_share_of_the_ticks() -> None:
    """Between 0.1 and 0.8 % once the first ones are through."""
    later = [event for event in session(5, SYMBOL_SETS[1], 30.0) if event.offset_ns > 15 * SECOND]
    share = len([event for event in later if event.fault and event.fault != GAP]) / len(later)
    assert 0.001 < share < 0.008


def test_no_faults_means_none() -> None:
    """Not even a drop."""
    events = list(islice(Market(1, SYMBOL_SETS[1], faults=False), 8_000))
    assert {event.fault for event in events} == {None}
    assert {event.kind for event in events} == {"trade", "quote", "both"}


@pytest.mark.slow
def test_symbols_move_together_and_start_where_they_should() -> None:
    """Bucketed returns of two symbols are correlated, and known symbols have their usual prices."""
    prices: dict[str | None, list[float]] = defaultdict(list)
    for event in islice(Market(4, SYMBOL_SETS[1], faults=False), 30_000):
        prices[event.symbol].append(event.price)
    for symbol, first in zip(SYMBOL_SETS[1], (60_000, 3_000, 150), strict=True):
        assert prices[symbol][0] == pytest.approx(first, rel=0.01)
    length = 300 * (min(map(len, prices.values())) // 300)
    means = [np.log(prices[symbol][:length]).reshape(-1, 300).mean(axis=1) for symbol in SYMBOL_SETS[1]]
    correlations = np.corrcoef([np.diff(mean) for mean in means])
    assert correlations[0, 1] + correlations[0, 2] + correlations[1, 2] > 0.6


@settings(max_examples=40)
@given(st.text(max_size=12))
def test_any_symbol_has_a_price(symbol: str) -> None:
    """Derived from its name, the same in every market of a seed, and of a readable size."""
    first, again = (next(Market(1, [symbol], faults=False)) for _ in range(2))
    assert first.symbol == symbol
    assert first.price == again.price
    assert 0.9 < first.price < 70_000


@pytest.mark.slow
def test_a_symbol_listed_later_trades_from_then_on_with_all_its_faults() -> None:
    """Listing does not turn the clock back, and listing twice does nothing."""
    market = Market(1, ["BTC-USD"])
    list(islice(market, 2_000))
    market.list_symbol("NEW", 6 * SECOND)
    market.list_symbol("NEW", 7 * SECOND)
    market.list_symbol("PAST", 0)
    events = list(takewhile(lambda event: event.offset_ns < 21 * SECOND, market))
    assert market.symbols == ("BTC-USD", "NEW", "PAST")
    assert all(earlier.offset_ns <= later.offset_ns for earlier, later in pairwise(events))
    new = [event for event in events if event.symbol == "NEW"]
    assert new[0].offset_ns >= 6 * SECOND
    assert {event.fault for event in new} == {None, *FAULTS} - {DROP}


@pytest.mark.parametrize(
    ("symbols", "rate"), [([], 1.0), (["A"], 0.0), (["A"], float("nan")), (["A"], float("inf"))]
)
def test_a_market_without_symbols_or_rate_is_refused(symbols: list[str], rate: float) -> None:
    """Before anything is drawn."""
    with pytest.raises(ValueError):
        Market(1, symbols, rate)

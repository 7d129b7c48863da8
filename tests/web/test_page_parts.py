"""What the page is told, before it is told: any status at all, searches, sorting, and only what is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.statuses import HOSTILE, ledger, nothing, status, statuses, symbol
from web.model import Moment, Recent, View
from web.page import accounts, history, machinery, notices, standing
from web.page.listing import COLUMNS, Listing, Thresholds, Wanted, found_by_names, names_of, ordered
from web.page.since import Since
from web.page.ticks import BAND_TICKS, TickFeed, ascending, band, overlap

NS = 1_000_000_000
LIMITS = {"settings": {"detector": {"warn_z": 2.5, "critical_z": 4.0}}}


@dataclass
class Still:
    """A model that says one thing."""

    view: View
    connected: bool = True

    async def recent(self, feed: str, symbol: str, n: int) -> Recent | None:
        """Know of no ticks."""
        return None


@given(statuses | st.just(nothing))
def test_any_status_at_all_can_be_shown(found: Mapping[str, Any]) -> None:
    view, since = View(NS, found), Since()
    since.look(view)
    told: list[Any] = [standing.figures(view), standing.attention(found), standing.banner(Still(view))]
    whole = found.get("ledger") if isinstance(found.get("ledger"), Mapping) else {}
    told += [part(whole or {}) for part in (accounts.verdict, accounts.equation, accounts.sources)]
    told += [part(whole or {}) for part in (accounts.places, accounts.frames, accounts.reasons)]
    told += [accounts.happened(whole or {}), machinery.line_rows(view, since), machinery.store_rows(found)]
    told += [machinery.actor_rows(found), notices.alert_rows(found)]
    assert all(text.isprintable() for text in texts(told))


def texts(told: object) -> list[str]:
    if isinstance(told, str):
        return [told]
    inner = told.values() if isinstance(told, Mapping) else told if isinstance(told, Sequence) else ()
    return [text for part in inner for text in texts(part)]


@given(st.lists(statuses.map(lambda found: found.get("symbols"))), st.sampled_from(list(COLUMNS)))
def test_any_symbols_at_all_can_be_listed(found: list[Any], sort: str) -> None:
    for symbols in found:
        known = [one for one in symbols if isinstance(one, Mapping)] if isinstance(symbols, list) else []
        listing = Listing(Wanted(sort=sort))
        changes = listing.changes(known, Thresholds.of(LIMITS))
        assert changes is not None
        assert len(changes["rows"]) == min(40, len(known))
        assert listing.changes(known, Thresholds.of(LIMITS)) is None


def test_a_balanced_ledger_says_what_both_sides_come_to() -> None:
    assert accounts.verdict(ledger()) == ("BALANCED", "good")
    assert accounts.equation(ledger()) == "1,234,620 records came in, 1,234,620 are accounted for"


@pytest.mark.parametrize(("lost", "words"), [(7, "7 missing"), (-7, "7 too many")])
def test_a_ledger_that_does_not_balance_says_which_way(lost: int, words: str) -> None:
    assert accounts.verdict(ledger(lost=lost)) == ("NOT BALANCED", "bad")
    assert accounts.equation(ledger(lost=lost)).endswith(words)


def test_what_is_worst_is_told_first() -> None:
    found = standing.attention(status(lines=[], recovery={"ended": False, "of_bytes": 2**20}))
    assert [tone for _, tone in found] == ["bad", "bad", "warn"]
    assert found[0][0] == "Store archive: breaker open, 4,321 rows spooled"


def test_a_pipeline_that_is_well_needs_no_attention() -> None:
    well = status(lines=[{"line": "a", "state": "up"}], stores=[], actors=[])
    assert standing.attention(well) == []
    assert standing.in_a_word("", []) == ("Running well", "good")
    assert standing.in_a_word("", standing.attention(status())) == ("In trouble", "bad")


def test_a_pipeline_that_is_not_heard_of_is_not_connected() -> None:
    silent = Still(View(NS * 86_399, {}), connected=False)
    assert "since 23:59:59 UTC" in standing.banner(silent)
    assert standing.in_a_word(standing.banner(silent), []) == ("Not connected", "bad")


def test_troubled_actors_come_first_and_thousands_are_folded() -> None:
    actors = [
        {"child": f"detector/d/{i}", "state": "running", "restarts": 0, "waiting": int(i == 7)}
        for i in range(5_000)
    ]
    actors += [{"child": "writer/lake", "state": "running", "restarts": 0, "waiting": 0}]
    actors[3_000] |= {"state": "parked", "restarts": 5, "text": "boom"}
    shown = [row["cells"][0][0] for row in machinery.actor_rows({"actors": actors})]
    assert shown == [
        "Supervisor", "Detectors", "detector/d/3000", "detector/d/7", "4,998 more detectors", "Writers",
        "writer/lake",
    ]  # fmt: skip


def test_how_long_a_line_is_in_its_state_is_known_from_its_change_on() -> None:
    since = Since()
    for second, state in ((1, "up"), (2, "up"), (3, "waiting"), (8, "waiting")):
        since.look(View(second * NS, {"lines": [{"line": "a", "state": state}]}))
        if second == 2:
            assert since.of("a") == (NS, False)
    assert since.of("a") == (3 * NS, True)
    assert since.of("unheard of") == (0, False)


def test_a_search_takes_every_word_in_any_case() -> None:
    symbols = [symbol("BTC-USD"), symbol("BTC-EUR"), symbol("ETH-USD", feed="Other")]
    found = ordered(symbols, Wanted.of({"search": " usd BTC "}))
    assert [one["symbol"] for one in found] == ["BTC-USD"]
    assert [one["symbol"] for one in ordered(symbols, Wanted.of({"search": "other"}))] == ["ETH-USD"]


def test_symbols_without_a_value_come_last_either_way() -> None:
    symbols = [symbol("A", z=1.0), symbol("B", z=None), symbol("C", z=3.0)]
    for descending, names in ((True, "CAB"), (False, "ACB")):
        found = ordered(symbols, Wanted(sort="z", descending=descending))
        assert "".join(one["symbol"] for one in found) == names


@given(
    st.dictionaries(st.sampled_from(["search", "sort", "descending", "first", "n"]), statuses | st.integers())
)
def test_whatever_a_browser_wants_is_bounded(asked: Mapping[str, Any]) -> None:
    wanted = Wanted.of(asked)
    assert wanted.sort in COLUMNS
    assert wanted.first >= 0
    assert 1 <= wanted.n <= 200


def test_only_rows_in_sight_that_changed_are_sent() -> None:
    symbols = [symbol(f"S{i:03}") for i in range(100)]
    listing = Listing(Wanted(first=10, n=5))
    first = listing.changes(symbols, Thresholds())
    assert first is not None
    assert list(first["rows"]) == [10, 11, 12, 13, 14]
    symbols[12] = symbol("S012", last=1.0)
    symbols[50] = symbol("S050", last=1.0)
    second = listing.changes(symbols, Thresholds())
    assert second is not None
    assert list(second["rows"]) == [12]


def test_a_name_that_cannot_be_printed_still_finds_its_symbol() -> None:
    symbols = [symbol("plain"), symbol(HOSTILE)]
    assert found_by_names(symbols, names_of(symbols[1])) is symbols[1]
    assert found_by_names(symbols, ("demo", "plain")) is symbols[0]
    assert found_by_names(symbols, ("demo", "absent")) is None


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 30), st.integers(1, 30))
def test_an_overlap_is_where_one_window_goes_on_in_the_other(
    all_of: list[int], moved: int, size: int
) -> None:
    old, new = all_of[:size], all_of[moved : moved + size]
    n = overlap(old, new)
    assert n == 0 or old[-n:] == new[:n]
    assert not any(old[-longer:] == new[:longer] for longer in range(n + 1, min(len(old), len(new)) + 1))


def recent(prices: Sequence[float | None], begin: int = 0, verdict: str = "ok") -> Recent:
    n = len(prices)
    some: list[float | None] = [1.0] * n
    times = [(begin + i) * 1_000_001 for i in range(n)]
    return Recent("f", "s", times, prices, some, some, prices, some, some, [verdict] * n, [None] * n)


def test_ticks_are_sent_once() -> None:
    feed, prices = TickFeed(), [float(i) for i in range(50)]
    assert feed.changes(recent(prices[:30]))["anew"]
    second = feed.changes(recent(prices[10:40], 10))
    assert not second["anew"]
    assert second["price"] == prices[30:40]
    assert {len(column) for column in second.values() if isinstance(column, list)} == {10}
    assert feed.changes(recent(prices[10:40], 10))["ts_ms"] == []
    assert feed.changes(recent(prices, 9_000))["anew"]


@given(st.lists(st.integers(0, 9), max_size=8))
def test_times_are_made_to_ascend_by_changing_as_few_as_possible(times: list[int]) -> None:
    placed = ascending(times)
    assert placed == sorted(placed)
    assert len(placed) == len(times)
    subsets = ([t for i, t in enumerate(times) if mask >> i & 1] for mask in range(1 << len(times)))
    longest = max(len(subset) for subset in subsets if subset == sorted(subset))
    assert sum(a == b for a, b in zip(times, placed, strict=True)) >= longest


def test_a_time_that_was_hours_off_takes_its_place_once_that_is_known() -> None:
    feed, prices = TickFeed(), [1.0, 2.0, 3.0, 4.0]
    ticks = recent(prices)
    off = replace(ticks, ts_ns=[0, 1_000_001, 2_000_002, 10**16])
    assert feed.changes(off)["ts_ms"][-1] == 1e10
    more = replace(recent([*prices, 5.0, 6.0]), ts_ns=[*off.ts_ns, 3_000_003, 4_000_004])
    again = feed.changes(more)
    assert again["drop"] == 4
    assert again["ts_ms"] == pytest.approx([0, 1, 2, 2, 3, 4], rel=1e-5)
    assert feed.changes(more)["ts_ms"] == []


PRICES = st.lists(st.none() | st.floats(-1e6, 1e6), max_size=3 * BAND_TICKS)


@given(PRICES, st.lists(st.booleans(), min_size=600, max_size=600))
def test_the_band_is_two_standard_deviations_wide(prices: list[float | None], refused: list[bool]) -> None:
    verdict = ["reject" if refuse else "ok" for refuse, _ in zip(refused, prices, strict=False)]
    low, high = band(prices, [0.0] * len(prices), verdict)
    window: list[float] = []
    for price, said, below, above in zip(prices, verdict, low, high, strict=True):
        window += [price] if price is not None and said == "ok" else []
        window = window[-BAND_TICKS:]
        assert (below is None) == (above is None) == (len(window) < 2)
        if below is None or above is None:
            continue
        mean = sum(window) / len(window)
        std = sqrt(sum((one - mean) ** 2 for one in window) / len(window))
        assert above == pytest.approx(2 * std, rel=1e-6, abs=1.0)
        assert below == -above


def test_marked_ticks_stay_in_sight_the_newest_first_with_their_reason() -> None:
    feed = TickFeed()
    feed.changes(recent([1.0, 2.0, 3.0], verdict="reject"))
    feed.changes(recent([4.0], 100))
    assert [row["cells"][2][0] for row in feed.marks] == ["3.00", "2.00", "1.00"]
    assert feed.marks[0]["cells"][1] == ("reject", "bad")
    feed.changes(recent([float(i) for i in range(50)], 200, "warn"))
    assert [row["cells"][2][0] for row in feed.marks[:2]] == ["49.00", "48.00"]
    assert len({row["key"] for row in feed.marks}) == len(feed.marks) == 8


def test_moments_are_sent_once() -> None:
    moments = [Moment(second * NS, 400.0, 0.5, 2.0, 1_000.0, None) for second in range(1, 10)]
    feed = history.MomentFeed()
    first = feed.changes(moments[:5])
    assert first is not None
    assert first["anew"]
    second = feed.changes(moments)
    assert second is not None
    assert not second["anew"]
    assert second["ts_ms"] == [6e3, 7e3, 8e3, 9e3]
    assert feed.changes(moments) is None
    assert history.latency(moments).endswith("p99 -")
    assert history.throughput([]) == "Nothing measured yet"

"""The detector's rules, through `score` alone."""

import math
from collections import deque
from dataclasses import fields, replace
from decimal import localcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import (
    BOTH,
    BUY,
    CRITICAL_Z,
    CROSSED_MARKET,
    NO_REASON,
    NO_SIDE,
    OK,
    QUOTE,
    REJECT,
    SELL,
    TRADE,
    WARN,
)
from core.scoring import ScoringRules, SymbolState, initial_state, resized, score
from tests.core.reference import DIGITS, NAN, Reference, Row, Tick, block_of, both, quote, rows_of, trade

SMALL = ScoringRules(window=8, min_history=3, warn_z=1.5, critical_z=2.2)


def judge(ticks: list[Tick], rules: ScoringRules = SMALL) -> list[Row]:
    return rows_of(score(initial_state(rules), block_of(ticks), rules)[1])


@st.composite
def rule_sets(draw: st.DrawFn) -> ScoringRules:
    window = draw(st.sampled_from([2, 3, 7, 8, 17, 40]))
    return ScoringRules(
        window=window,
        min_history=draw(st.integers(1, window)),
        warn_z=draw(st.sampled_from([0.7, 1.0, 1.5, 2.5])),
        critical_z=draw(st.sampled_from([1.3, 2.0, 4.0])),
        epsilon=draw(st.sampled_from([0.0, 1e-8, 1e-3])),
        min_std_bps=draw(st.sampled_from([0.0, 0.0, 1.0, 50.0])),
    )


def _prices(rng: np.random.Generator, style: str, scale: float, n: int) -> np.ndarray:
    if style == "walk":
        return scale * np.exp(np.cumsum(rng.normal(0, 1e-3, n)))
    if style == "flat":
        return np.full(n, scale)
    if style == "one tick":
        return np.where(rng.random(n) < 0.1, np.nextafter(scale, np.inf), scale)
    if style == "spikes":
        return scale * np.where(rng.random(n) < 0.1, rng.choice([1e-3, 0.5, 2.0, 1e3], n), 1.0)
    return 10.0 ** rng.uniform(-300, 307, n)  # wild


@st.composite
def tick_lists(draw: st.DrawFn) -> list[Tick]:
    n = draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    style = draw(st.sampled_from(["walk", "walk", "flat", "one tick", "spikes", "wild"]))
    scale = draw(st.sampled_from([1e-300, 1e-8, 0.1, 100.0, 67_000.01, 1e15, 1e304]))
    kinds = draw(st.sampled_from([[TRADE], [QUOTE], [BOTH], [TRADE, QUOTE], [TRADE, QUOTE, BOTH]]))
    size_scale = draw(st.sampled_from([1.0, 1.0, 1e-300, 1e307]))
    ticks = []
    for price in _prices(rng, style, scale, n).tolist():
        kind = int(rng.choice(kinds))
        half = price * rng.choice([1e-4, 1e-2, 0.0, -1e-3], p=[0.5, 0.4, 0.05, 0.05])
        bid, ask = price - half, price + half
        bid, ask = [(bid, ask), (NAN, ask), (bid, NAN), (NAN, NAN)][rng.choice(4, p=[0.85, 0.05, 0.05, 0.05])]
        size = rng.choice([rng.exponential() * size_scale, 0.0, NAN], p=[0.8, 0.1, 0.1])
        side = int(rng.choice([BUY, SELL, NO_SIDE]))
        match kind:
            case 0:
                ticks.append(Tick(kind, price, size, side))
            case 1:
                ticks.append(Tick(kind, bid=bid, ask=ask))
            case _:
                ticks.append(Tick(kind, price, size, side, bid, ask))
    return ticks


def near_a_threshold(z: float, rules: ScoringRules) -> bool:
    return any(math.isclose(z, bound, rel_tol=1e-9) for bound in (rules.warn_z, rules.critical_z))


def close(ours: float, theirs: float, abs_tol: float) -> bool:
    if math.isnan(theirs):
        return math.isnan(ours)
    return math.isclose(ours, theirs, rel_tol=1e-11, abs_tol=abs_tol)


@given(tick_lists(), rule_sets())
@settings(deadline=None, max_examples=300)
@pytest.mark.slow
def test_decisions_and_features_are_those_of_the_formulas(ticks: list[Tick], rules: ScoringRules) -> None:
    for at, (ours, theirs) in enumerate(zip(judge(ticks, rules), Reference(rules).rows(ticks), strict=True)):
        if ours[:2] != theirs[:2] and near_a_threshold(theirs.z, rules):
            return
        assert ours[:2] == theirs[:2], f"tick {at}: {ours}, not {theirs}"
        for name, abs_tol in {
            "z": 1e-12,
            "vwap": 0.0,
            "spread_mean": 0.0,
            "momentum": 1e-12,
            "imbalance": 1e-13,
            "volatility": 1e-12,
        }.items():
            assert close(getattr(ours, name), getattr(theirs, name), abs_tol), (
                f"tick {at}, {name}: {ours}, {theirs}"
            )


@given(tick_lists(), rule_sets(), st.lists(st.integers(0, 70)))
@settings(deadline=None)
@pytest.mark.slow
def test_where_blocks_are_cut_changes_no_bit(ticks: list[Tick], rules: ScoringRules, cuts: list[int]) -> None:
    whole = block_of(ticks)
    expected_state, expected = score(initial_state(rules), whole, rules)
    bounds = sorted({0, len(ticks), *(cut for cut in cuts if cut < len(ticks))})
    state, parts = initial_state(rules), []
    for start, stop in pairwise(bounds):
        state, part = score(state, whole.slice(start, stop), rules)
        parts.append(part)
    assert state.to_bytes() == expected_state.to_bytes()
    for column in fields(expected):
        joined = np.concatenate([getattr(part, column.name) for part in parts])
        assert joined.tobytes() == getattr(expected, column.name).tobytes(), column.name


def test_where_blocks_are_cut_changes_no_bit_at_the_default_window() -> None:
    rng = np.random.default_rng(7)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 1e-4, 900)))
    whole, rules = (
        block_of([trade(price, size) for price, size in zip(prices, rng.exponential(1, 900), strict=True)]),
        ScoringRules(),
    )
    expected_state, expected = score(initial_state(rules), whole, rules)
    state, momentum = initial_state(rules), []
    for at in range(900):
        state, one = score(state, whole.slice(at, at + 1), rules)
        momentum += one.momentum.tolist()
    assert state.to_bytes() == expected_state.to_bytes()
    np.testing.assert_array_equal(momentum, expected.momentum)


@given(tick_lists(), tick_lists())
@settings(deadline=None, max_examples=30)
def test_a_state_is_never_changed(before: list[Tick], after: list[Tick]) -> None:
    state, _ = score(initial_state(SMALL), block_of(before), SMALL)
    written = state.to_bytes()
    first, _ = score(state, block_of(after), SMALL)
    second, _ = score(state, block_of(after), SMALL)
    assert state.to_bytes() == written
    assert first.to_bytes() == second.to_bytes()


@given(tick_lists(), rule_sets())
@settings(deadline=None, max_examples=30)
def test_a_state_survives_being_written_down(ticks: list[Tick], rules: ScoringRules) -> None:
    state, _ = score(initial_state(rules), block_of(ticks), rules)
    again = SymbolState.from_bytes(state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert again.window == rules.window
    left, right = (score(each, block_of(ticks), rules)[0] for each in (state, again))
    assert left.to_bytes() == right.to_bytes()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_state_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        SymbolState.from_bytes(raw)


@given(st.data())
def test_a_state_cut_short_or_of_another_version_is_refused(data: st.DataObject) -> None:
    raw = initial_state(SMALL).to_bytes()
    with pytest.raises(ValueError, match="state"):
        SymbolState.from_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(ValueError, match="version"):
        SymbolState.from_bytes(raw[:4] + b"\x02\x00" + raw[6:])


def test_results_are_read_only() -> None:
    state, scores = score(initial_state(SMALL), block_of([trade(1.0)]), SMALL)
    for array in (state.floats, state.counters, *(getattr(scores, column.name) for column in fields(scores))):
        assert not array.flags.writeable
        assert array.flags.c_contiguous


def test_a_state_under_other_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="window 8 under rules of window 200"):
        score(initial_state(SMALL), block_of([trade(1.0)]), ScoringRules())


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 1},
        {"min_history": 0},
        {"min_history": 201},
        {"warn_z": 0.0},
        {"critical_z": NAN},
        {"epsilon": -1.0},
        {"min_std_bps": math.inf},
    ],
)
def test_rules_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(ScoringRules(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("crossed", [quote(100.0, 100.0), quote(101.0, 100.0), both(100.0, 101.0, 100.0)])
def test_a_crossed_market_is_refused_and_joins_no_window(crossed: Tick) -> None:
    calm = [both(100.0 + step % 2, 99.0, 101.5) for step in range(8)]
    *before, refused, _, after = judge([*calm, crossed, quote(99.0, 101.0), both(101.0, 99.0, 102.0)])
    _, after_calm_alone = judge([*calm, quote(99.0, 101.0), both(101.0, 99.0, 102.0)])[-2:]
    assert (refused.verdict, refused.reason) == (REJECT, CROSSED_MARKET)
    assert math.isnan(refused.z)
    assert refused[3:] == before[-1][3:], "a refused row carries the current features"
    assert repr(after) == repr(after_calm_alone)


def test_a_refused_price_stays_in_the_window_but_not_in_the_features() -> None:
    rows = judge([trade(price) for price in (100.0, 101.0, 100.0, 101.0, 100.0, 101.0, 150.0, 150.0)])
    assert (rows[6].verdict, rows[6].reason) == (REJECT, CRITICAL_Z)
    assert rows[6].vwap == rows[5].vwap == 100.5
    assert rows[7].z < rows[6].z
    assert (rows[7].verdict, rows[7].reason) == (WARN, NO_REASON)
    assert rows[7].vwap == pytest.approx((3 * 100 + 3 * 101 + 150) / 7)


def test_below_min_history_nothing_is_judged() -> None:
    rows = judge([trade(100.0), trade(1e6), trade(100.0)])
    assert [row.verdict for row in rows] == [OK, OK, OK]
    assert [math.isnan(row.z) for row in rows] == [True, True, False]


def test_trades_and_mids_are_judged_in_windows_of_their_own() -> None:
    rows = judge(
        [trade(100.0), trade(101.0), quote(9.0, 11.0), trade(100.0), quote(10.0, 11.0), quote(9.5, 11.0)]
    )
    assert [math.isnan(row.z) for row in rows] == [True, True, True, False, True, False]


def test_a_one_sided_quote_is_accepted_unjudged() -> None:
    rows = judge([quote(99.0, 101.0)] * 4 + [quote(5.0, NAN), quote(NAN, 5.0), quote(99.0, 101.0)])
    assert all(row.verdict == OK for row in rows)
    assert [math.isnan(row.z) for row in rows[4:]] == [True, True, False]
    assert rows[-1].z == 0.0
    assert rows[5].spread_mean == 2.0


def test_both_is_judged_by_its_trade_price_and_counts_as_trade_and_quote() -> None:
    rows = judge([both(100.0 + step % 2, 9.0, 11.0) for step in range(6)] + [quote(90.0, 92.0)])
    assert rows[5].spread_mean == 2.0
    assert rows[5].vwap == 100.5
    assert math.isnan(rows[6].z), "no mid of the six has joined the window of mids"


def test_features_are_undefined_until_there_is_something_to_compute() -> None:
    first, second, third = judge(
        [trade(100.0, NAN, NO_SIDE), trade(200.0, NAN, NO_SIDE), trade(100.0, 3.0, SELL)]
    )
    assert all(math.isnan(value) for value in first[3:])
    assert second.volatility == 0.0
    assert math.isnan(second.vwap)
    assert math.isnan(second.momentum)
    assert third.vwap == 100.0
    assert third.momentum == pytest.approx(-math.log(2))
    assert third.volatility == pytest.approx(math.log(2))
    assert third.imbalance == -1.0


def test_a_worked_example() -> None:
    row = judge(
        [trade(100.0, 1.0, BUY), trade(110.0, 2.0, SELL), trade(99.0, 4.0, NO_SIDE), quote(98.0, 101.0)]
    )[-1]
    up, down = math.log(110 / 100), math.log(99 / 110)
    assert row.vwap == pytest.approx((100 + 220 + 396) / 7)
    assert row.momentum == pytest.approx((2 * up + 4 * down) / 6)
    assert row.imbalance == pytest.approx(-1 / 3)
    assert row.volatility == pytest.approx((up - down) / 2)
    assert row.spread_mean == 3.0


def test_the_oldest_trade_brings_no_return_once_its_predecessor_has_left() -> None:
    rules = ScoringRules(window=2, min_history=2, warn_z=90.0, critical_z=99.0)
    row = judge([trade(1.0, 5.0), trade(50.0, 7.0), trade(55.0, 1.0)], rules)[-1]
    assert row.momentum == pytest.approx(math.log(1.1))
    assert row.volatility == pytest.approx(0.0, abs=1e-16)
    assert row.vwap == pytest.approx((350 + 55) / 8)


def test_a_flat_market_and_the_floor_under_its_std() -> None:
    flat = [trade(100.0)] * 199 + [trade(100.01)]
    assert judge(flat, ScoringRules())[-1].z == pytest.approx(math.sqrt(199), rel=1e-4)
    assert judge(flat, ScoringRules())[-1].verdict == REJECT
    floored = judge(flat, ScoringRules(min_std_bps=1.0))[-1]
    assert floored.z == pytest.approx(0.995, rel=1e-3)
    assert floored.verdict == OK


def test_a_shift_of_level_is_taken_over_after_a_dozen_ticks() -> None:
    rng = np.random.default_rng(3)
    old, new = rng.normal(100.0, 0.01, 200), rng.normal(110.0, 0.01, 30)
    rows = judge([trade(price) for price in [*old.tolist(), *new.tolist()]], ScoringRules())
    assert [row.verdict for row in rows[200:211]] == [REJECT] * 11
    assert REJECT not in [row.verdict for row in rows[211:]]


def test_prices_at_the_end_of_the_range_are_judged_like_any_others() -> None:
    for scale in (1e308, 1e-300, 1.0):
        rules = ScoringRules(epsilon=0.0)
        prices = [scale * (1 + 1e-3 * (step % 2)) for step in range(199)] + [scale * 1.5]
        *calm, spike = judge([trade(price) for price in prices], rules)
        assert all(row.verdict == OK for row in calm)
        assert spike.verdict == REJECT
        assert spike.z == pytest.approx(math.sqrt(199), rel=1e-3)
        assert spike.vwap == pytest.approx(scale * 1.0005, rel=1e-4)


@pytest.mark.parametrize(
    ("warn_z", "critical_z", "verdict"),
    [
        (1.0, 2.0, REJECT),
        (1.0, 2.0 * (1 - 1e-9), REJECT),
        (1.0, 2.0 * (1 + 1e-9), WARN),
        (2.0, 3.0, WARN),
        (2.0 * (1 + 1e-9), 3.0, OK),
    ],
)
def test_a_threshold_is_reached_by_equality_and_missed_by_a_billionth(
    warn_z: float, critical_z: float, verdict: int
) -> None:
    rules = ScoringRules(window=5, min_history=5, warn_z=warn_z, critical_z=critical_z, epsilon=0.0)
    row = judge([trade(price) for price in (1.0, 1.0, 1.0, 1.0, 6.0)], rules)[-1]
    assert row.z == 2.0
    assert row.verdict == verdict


def test_a_mid_whose_sides_add_up_to_more_than_a_float_holds_is_judged() -> None:
    row = judge([quote(1.5e308, 1.7e308)] * 5 + [quote(1.0e308, 1.1e308)])[-1]
    assert row.z == pytest.approx(math.sqrt(5))
    assert row.verdict == REJECT
    assert row.spread_mean == pytest.approx(0.2e308)


def test_neighbouring_floats_are_told_apart() -> None:
    price = 1e15
    row = judge([trade(price)] * 199 + [trade(price + 0.125)], ScoringRules())[-1]
    assert row.z == pytest.approx(math.sqrt(199), rel=1e-5)


@pytest.mark.parametrize("price", [NAN, 0.0, -1.0, math.inf])
def test_a_trade_without_a_usable_price_poisons_nothing(price: float) -> None:
    calm = [trade(100.0 + step % 2) for step in range(9)]
    _, _, *after = judge([*calm[:5], trade(price), *calm[5:]])[4:]
    assert repr(after) == repr(judge(calm)[5:])


@given(tick_lists(), tick_lists(), rule_sets(), rule_sets())
@settings(deadline=None, max_examples=150)
@pytest.mark.slow
def test_a_resized_state_goes_on_as_one_that_was_fed_the_newest_values(
    before: list[Tick], after: list[Tick], old: ScoringRules, new: ScoringRules
) -> None:
    reference = Reference(old)
    told = rows_of(score(initial_state(old), block_of(before), old)[1])
    for ours, theirs in zip(told, reference.rows(before), strict=True):
        if ours[:2] != theirs[:2]:
            assert near_a_threshold(theirs.z, old)
            return
    state = resized(score(initial_state(old), block_of(before), old)[0], new.window)
    later = Reference(new)
    later.judged = {kind: deque(values, new.window) for kind, values in reference.judged.items()}
    later.trades, later.spreads = deque(reference.trades, new.window), deque(reference.spreads, new.window)
    with localcontext(DIGITS):
        features = later._features()
    assert state.window == new.window
    for ours_now, theirs_now in zip(state.floats[:5].tolist(), features, strict=True):
        assert close(ours_now, theirs_now, 1e-12)
    for ours, theirs in zip(rows_of(score(state, block_of(after), new)[1]), later.rows(after), strict=True):
        if ours[:2] != theirs[:2]:
            assert near_a_threshold(theirs.z, new)
            return
        for mine, other in zip(ours[2:], theirs[2:], strict=True):
            assert close(mine, other, 1e-12), (ours, theirs)


@given(tick_lists(), rule_sets(), rule_sets())
@settings(deadline=None, max_examples=50)
def test_a_state_of_the_right_window_stays_itself_and_resizing_up_and_back_loses_nothing(
    ticks: list[Tick], rules: ScoringRules, other: ScoringRules
) -> None:
    state = score(initial_state(rules), block_of(ticks), rules)[0]
    assert resized(state, rules.window) is state
    back = resized(resized(state, rules.window + other.window), rules.window)
    assert back.counters.tolist() == np.minimum(state.counters, rules.window).tolist()
    again = resized(back, rules.window + other.window)
    assert again.to_bytes() == resized(state, rules.window + other.window).to_bytes()


@pytest.mark.parametrize("window", [0, 1_000_001])
def test_a_window_out_of_bounds_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match="window must be"):
        resized(initial_state(SMALL), window)

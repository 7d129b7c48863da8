"""Which actors there are, worked out from the settings."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.topology import detector_name, enough_connections, line_number, plan_feed, redealt

symbols = st.lists(st.text("ABC", min_size=1, max_size=4), max_size=12, unique=True)
numbers = st.integers(1, 6)


@given(symbols, numbers, numbers)
def test_every_symbol_is_on_exactly_one_line(names: list[str], connections: int, normalizers: int) -> None:
    plan = plan_feed("f", names, connections, normalizers)
    assert sorted(symbol for line in plan.lines for symbol in line.symbols) == sorted(names)
    sizes = [len(line.symbols) for line in plan.lines]
    assert max(sizes) - min(sizes) <= 1
    assert not names or min(sizes) >= 1
    assert 1 <= len(plan.lines) <= connections


@given(symbols, numbers, numbers)
def test_every_line_has_one_normalizer_and_each_knows_its_lines(
    names: list[str], connections: int, normalizers: int
) -> None:
    plan = plan_feed("f", names, connections, normalizers)
    assert [line.line for line in plan.lines] == [f"f/{i}/A" for i in range(len(plan.lines))]
    assert len(plan.normalizers) == min(normalizers, len(plan.lines)) == len(set(plan.normalizers))
    heard = [line for normalizer in plan.normalizers for line in plan.lines_of(normalizer)]
    assert sorted(heard) == sorted(line.line for line in plan.lines)
    for i, line in enumerate(plan.lines):
        assert line.normalizer == f"normalizer/f/{i % normalizers}"
        assert line.line in plan.lines_of(line.normalizer)


def test_symbols_are_dealt_in_turn() -> None:
    """So that the busy ones, which users name first, do not all end on one line."""
    plan = plan_feed("f", ["A", "B", "C", "D", "E"], 2, 1)
    assert [line.symbols for line in plan.lines] == [("A", "C", "E"), ("B", "D")]


def test_a_feed_without_symbols_still_has_a_line() -> None:
    (line,) = plan_feed("f", [], 3, 2).lines
    assert (line.feed, line.line, line.symbols, line.normalizer) == ("f", "f/0/A", (), "normalizer/f/0")


def test_a_symbol_has_a_detector_of_its_own_or_a_shard() -> None:
    assert detector_name("f", "BTC-USD", None) == "detector/f/BTC-USD"
    assert detector_name("f", "BTC-USD", 8) == f"detector/{crc32(b'f/BTC-USD') % 8}"


@pytest.mark.parametrize(("symbol", "shard"), [("A", 5), ("B", 60), ("BTC-USD", 91), ("é", 41)])
def test_the_shard_of_a_symbol_never_changes(symbol: str, shard: int) -> None:
    """Neither from run to run nor from version to version."""
    assert detector_name("f", symbol, 97) == f"detector/{shard}"


@given(st.text(max_size=8), st.integers(1, 9))
def test_any_text_has_a_shard(symbol: str, shards: int) -> None:
    """JSON may bring half of a surrogate pair along."""
    for each in (symbol, symbol + "\ud800"):
        assert detector_name("f", each, shards) in {f"detector/{i}" for i in range(shards)}


def test_shards_take_about_the_same_number_of_symbols() -> None:
    names = [detector_name("f", f"S{i}", 4) for i in range(1000)]
    assert all(150 <= names.count(f"detector/{i}") <= 350 for i in range(4))


@given(
    st.lists(symbols, min_size=2, max_size=5), numbers, st.integers(1, 3),
    st.one_of(st.none(), st.integers(3, 6)),
)  # fmt: skip
def test_symbols_are_dealt_again_and_nobody_else_moves(
    changes: list[list[str]], connections: int, count: int, most: int | None
) -> None:
    first, *later = changes
    plan = plan_feed("f", first, enough_connections(connections, len(first), most), count)
    normalizers = plan.normalizers
    next_line = len(plan.lines)
    for names in later:
        before, plan = plan, redealt(plan, names, normalizers, most, next_line)
        places = {symbol: line for line in before.lines for symbol in line.symbols}
        assert sorted(symbol for line in plan.lines for symbol in line.symbols) == sorted(names)
        assert all(line.symbols and (most is None or len(line.symbols) <= most) for line in plan.lines)
        there = {line.line for line in before.lines}
        new = [line.line for line in plan.lines if line.line not in there]
        assert new == [f"f/{next_line + i}/A" for i in range(len(new))]
        next_line += len(new)
        for line in plan.lines:
            assert line.normalizer in normalizers
            for symbol in line.symbols:
                assert symbol not in places or places[symbol].line == line.line
        if most is None:
            assert len(new) <= (not before.lines)


def test_a_new_symbol_goes_to_the_emptiest_line_and_a_line_more_only_where_none_has_room() -> None:
    plan = plan_feed("f", ["A", "B", "C", "D"], 2, 2)
    dealt = redealt(plan, ["A", "B", "D", "E", "F", "G"], plan.normalizers, 2, 7)
    assert [(line.line, line.symbols, line.normalizer) for line in dealt.lines] == [
        ("f/0/A", ("A", "E"), "normalizer/f/0"),
        ("f/1/A", ("B", "D"), "normalizer/f/1"),
        ("f/7/A", ("F", "G"), "normalizer/f/1"),
    ]
    assert line_number("f/7/A") == 7

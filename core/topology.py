"""Which actors there are and who talks to whom, worked out from the settings; no actor in sight.

Symbols are dealt to connections in turn, connection i goes to normalizer i mod n, and a symbol goes
to its own detector or, with a number of shards, to the one that a stable hash of it names.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from zlib import crc32


@dataclass(frozen=True, slots=True)
class LinePlan:
    """One connection."""

    feed: str
    line: str
    """`feed/connection/A`."""
    symbols: tuple[str, ...]
    normalizer: str


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """The actors of one feed."""

    feed: str
    lines: tuple[LinePlan, ...]

    @property
    def normalizers(self) -> tuple[str, ...]:
        """Names of the feed's normalizers, each once, in order."""
        return tuple(dict.fromkeys(line.normalizer for line in self.lines))

    def symbols_of(self, normalizer: str) -> frozenset[str]:
        """The symbols of those lines."""
        return frozenset(
            symbol for line in self.lines if line.normalizer == normalizer for symbol in line.symbols
        )

    def lines_of(self, normalizer: str) -> tuple[str, ...]:
        """The lines that a normalizer listens to."""
        return tuple(line.line for line in self.lines if line.normalizer == normalizer)


def enough_connections(wanted: int, symbols: int, most_symbols: int | None) -> int:
    """Give how many connections a feed gets: what was asked for, or more where the venue takes fewer symbols
    on one.
    """
    return wanted if most_symbols is None else max(wanted, -(-symbols // most_symbols))


def plan_feed(feed: str, symbols: Sequence[str], connections: int, normalizers: int) -> FeedPlan:
    """Deal the symbols of a feed to its connections, and those to its normalizers."""
    count = min(connections, max(1, len(symbols)))
    return FeedPlan(
        feed,
        tuple(
            LinePlan(feed, f"{feed}/{i}/A", tuple(symbols[i::count]), f"normalizer/{feed}/{i % normalizers}")
            for i in range(count)
        ),
    )


def redealt(
    plan: FeedPlan,
    symbols: Collection[str],
    normalizers: Sequence[str],
    most_symbols: int | None,
    next_line: int,
) -> FeedPlan:
    """Take out the symbols that are gone, and deal those that are new; all others stay where they are.

    A new one goes to the line with the fewest symbols, the first of several; where none has room, to a line
    of its own, numbered from `next_line`. A line that is left without a symbol is not in the plan.
    """
    there = {symbol for line in plan.lines for symbol in line.symbols}
    wanted = set(symbols)
    dealt = {line: [symbol for symbol in line.symbols if symbol in wanted] for line in plan.lines}
    for symbol in symbols:
        if symbol in there:
            continue
        line = min(dealt, key=lambda line: len(dealt[line]), default=None)
        if line is None or (most_symbols is not None and len(dealt[line]) >= most_symbols):
            normalizer = normalizers[next_line % len(normalizers)]
            line = LinePlan(plan.feed, f"{plan.feed}/{next_line}/A", (), normalizer)
            dealt[line] = []
            next_line += 1
        dealt[line].append(symbol)
    lines = tuple(replace(line, symbols=tuple(dealt[line])) for line in dealt if dealt[line])
    return FeedPlan(plan.feed, lines)


def line_number(line: str) -> int:
    """Give the number of a line among its feed's."""
    return int(line.split("/")[1])


def detector_name(feed: str, symbol: str, shards: int | None) -> str:
    """Name the detector of a symbol: its own, or a shard's.

    `crc32` because it is the same in every process and version, which `hash()` is not.
    """
    if shards is None:
        return f"detector/{feed}/{symbol}"
    return f"detector/{crc32(f'{feed}/{symbol}'.encode('utf-8', 'surrogatepass')) % shards}"

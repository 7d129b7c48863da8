"""The market again, but as far along the pipeline as a benchmark wants it: frames, blocks, rows."""

import time
from collections.abc import Sequence
from typing import Any

from benchmarks import market
from core.memory import FeedMemory
from core.normalize import FrameSink, Terms, normalize
from core.records import ScoredBlock, TickBlock
from core.runs import Run
from core.scanning import Scanner
from core.scoring import ScoringRules, initial_state, score
from stores.rows import scored_rows
from venues.binance import Binance
from venues.dialect import FeedTerms


def payloads(names: Sequence[str], count: int) -> list[bytes]:
    """Give frames without their WebSocket headers."""
    frames = market.trades(names, market.flood_times(count, time.time_ns() // 1_000_000))
    return [frame[4 if frame[1] == 126 else 2 :] for frame in frames]


def dialect(names: Sequence[str]) -> Binance:
    """Give the dialect that reads them."""
    return Binance(FeedTerms(tuple(names), ("trades",), "", {}))


def terms(names: Sequence[str]) -> Terms:
    """Give what a normalizer knows of the feed."""
    return Terms("binance", "binance", frozenset(names), one_channel=False, live=True, session=1)


def blocks(names: Sequence[str], frames: Sequence[bytes]) -> list[TickBlock]:
    """Give a block a symbol."""
    sink = FrameSink(terms(names), FeedMemory(), 1, "binance/0/A")
    return normalize(run_of(0, frames), dialect(names).decode, sink).blocks


def run_of(first: int, frames: Sequence[bytes]) -> Run:
    """Give frames as a connection hands them on."""
    now = time.time_ns()
    return Run.of((first + number, payload, now) for number, payload in enumerate(frames))


def scanner(names: Sequence[str]) -> Scanner:
    """Give what reads many frames at once, of any source of trades."""
    return Scanner(dialect(names).shapes, names)


def rows(names: Sequence[str], count: int) -> Any:
    """Give about so many rows of `ticks`, as an Arrow table: what is refused is not among them."""
    rules = ScoringRules()
    scored = [
        ScoredBlock(block, score(initial_state(rules), block, rules)[1])
        for block in blocks(names, payloads(names, count))
    ]
    accepted, _ = scored_rows(scored)
    return accepted.combine_chunks()

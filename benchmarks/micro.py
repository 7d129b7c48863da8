"""What the steps of one tick cost by themselves, in this process and from memory: µs a tick or a hop.

The best of each run is taken, since whatever disturbs a measurement makes it longer.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import pykka

from benchmarks import instruments, market, prepared
from benchmarks.limit import Combined
from benchmarks.measuring import Result, Table, spread
from core import frames
from core.kernel_cache import kernel
from core.memory import FeedMemory
from core.normalize import FrameSink, normalize
from core.records import ScoredBlock
from core.runs import Run
from core.scanning import Scanner
from core.scoring import ScoringRules, initial_state, score
from stores.journal_format import FRAMES, encode_entry
from stores.rows import scored_rows

READ_BYTES: Final = 256 * 1024
BATCH: Final = 1_400
"""About what one read of 256 KiB holds."""
REPEATS: Final = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--frames", type=int, default=100_000)


def measure(options: argparse.Namespace) -> Result:
    """Time each step on the same trades."""
    result = Result("micro", {"frames": options.frames, "runs": options.runs})
    names = instruments.symbols(5)
    steps = {**_steps(names, options.frames), **_hops(options.frames // 20 or 1)}
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.runs):
        for name, (step, ticks) in steps.items():
            found[name].append(min(_seconds(step) for _ in range(REPEATS)) / ticks * 1e6)
    rows = [{"step": name, "µs": spread(values)} for name, values in found.items()]
    result.tables.append(Table("Steps of one tick", rows))  # type: ignore[arg-type]
    return result


def _seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


Step = tuple[Callable[[], object], int]
"""What is timed, and how many ticks it works off."""


def _steps(names: Sequence[str], count: int) -> dict[str, Step]:
    payloads = prepared.payloads(names, count)
    runs = [prepared.run_of(start, payloads[start : start + BATCH]) for start in range(0, count, BATCH)]
    scanner = prepared.scanner(names)
    wire = b"".join(map(market.text_frame, payloads))
    reads = [wire[start : start + READ_BYTES] for start in range(0, len(wire), READ_BYTES)]
    limit = msgspec.json.Decoder(Combined, strict=False).decode
    dialect = prepared.dialect(names)
    kernel()
    blocks = prepared.blocks(names, payloads)
    rules = ScoringRules()
    first = initial_state(rules)
    scored = [ScoredBlock(block, score(first, block, rules)[1]) for block in blocks]

    def read() -> None:
        state = frames.FrameState()
        for piece in reads:
            state = frames.read(state, piece, 2**24).state

    return {
        "core.frames: split a read": (read, count),
        "msgspec: decode a frame (the limit's)": (lambda: [limit(one) for one in payloads], count),
        "venues.binance: decode into nothing": (lambda: _decode(dialect, payloads), count),
        "core.normalize: to blocks, one by one": (lambda: _normalize(names, dialect, runs, None), count),
        "core.scanning: read many at once": (lambda: [scanner.scan(run.payloads) for run in runs], count),
        "core.normalize: to blocks, many at once": (lambda: _normalize(names, dialect, runs, scanner), count),
        "core.scoring: judge in large blocks": (
            lambda: [score(first, block, rules) for block in blocks], count,
        ),
        "core.scoring: judge one tick a block": (
            lambda: _one_by_one(first, blocks[0].slice(0, 1), rules), 1_000,
        ),
        "stores.journal_format: encode": (
            lambda: [encode_entry(FRAMES, 0, 0, run.payloads) for run in runs], count,
        ),
        "stores.rows: blocks to Arrow": (lambda: scored_rows(scored), count),
    }  # fmt: skip


class _Nothing:
    """Takes trades and forgets them."""

    def trade(self, *values: Any) -> None:
        """Forget."""


def _decode(dialect: Any, payloads: Sequence[bytes]) -> None:
    nothing = _Nothing()
    for payload in payloads:
        dialect.decode(payload, nothing)


def _normalize(names: Sequence[str], dialect: Any, runs: Sequence[Run], scanner: Scanner | None) -> None:
    memory, terms = FeedMemory(), prepared.terms(names)
    for run in runs:
        sink = FrameSink(terms, memory, 1, "binance/0/A")
        memory.learn(normalize(run, dialect.decode, sink, scanner).lessons)


def _one_by_one(state: Any, block: Any, rules: ScoringRules) -> None:
    for _ in range(1_000):
        score(state, block, rules)


class _Echo(pykka.ThreadingActor):
    """Gives back what it is asked."""

    def on_receive(self, message: Any) -> Any:
        """Give it back."""
        return message


def _hops(count: int) -> dict[str, Step]:
    """Time Pykka itself: an ask, there and back, and tells in a row."""

    def ask() -> None:
        actor = _Echo.start()
        for _ in range(count):
            actor.ask(None)
        actor.stop()

    def tell() -> None:
        actor = _Echo.start()
        for _ in range(count * 10):
            actor.tell(None)
        actor.ask(None)
        actor.stop()

    return {"pykka: a hop (half an ask)": (ask, 2 * count), "pykka: a tell": (tell, 10 * count)}

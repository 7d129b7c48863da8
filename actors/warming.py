"""What is kept of the actors' knowledge between two runs, taken from and put into their slots.

Only while no actor runs: before the supervisor starts, and after everything has drained.
"""

from collections.abc import Iterator

from actors.assembly import Assembly
from core.symbol_state import SymbolState
from stores.checkpoint import Checkpoint, StreamCheckpoint, SymbolCheckpoint, symbol_checkpoint


def symbols_of(assembly: Assembly) -> Iterator[SymbolCheckpoint]:
    """Give each symbol's rolling state; one that got no tick keeps what it started with."""
    for spec in assembly.of_kind("detector"):
        state = spec.slot.state
        for (feed, symbol), warm in state.warm.items():
            if (feed, symbol) not in state.symbols:
                yield symbol_checkpoint(feed, symbol, warm)
        for (feed, symbol), tracked in state.symbols.items():
            yield symbol_checkpoint(feed, symbol, tracked.state)


def streams_of(assembly: Assembly) -> Iterator[StreamCheckpoint]:
    """Give what each normalizer remembers."""
    for spec in assembly.of_kind("normalizer"):
        feed = spec.arguments["terms"].feed
        for stream in spec.slot.state.memory.export():
            yield StreamCheckpoint.of(feed, stream)


def warm(assembly: Assembly, checkpoint: Checkpoint) -> int:
    """Give the actors what the checkpoint knows; count the symbols that start warm.

    A symbol that is configured no more is left out; a state of another window is resized by its detector.
    """
    detectors = {
        (normalizer.arguments["terms"].feed, symbol): address.name
        for normalizer in assembly.of_kind("normalizer")
        for symbol, address in normalizer.slot.state.detectors.items()
    }
    count = 0
    for told in checkpoint.symbols:
        name = detectors.get((told.feed, told.symbol))
        if name is not None:
            state = SymbolState.from_bytes(told.state)
            assembly.specs[name].slot.state.warm[told.feed, told.symbol] = state
            count += 1
    for spec in assembly.of_kind("normalizer"):
        for stream in checkpoint.streams:
            if stream.feed == spec.arguments["terms"].feed and stream.symbol in spec.slot.state.detectors:
                spec.slot.state.memory.restore(stream.remembered)
    return count

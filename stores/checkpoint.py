"""The checkpoint: what detectors and normalizers knew at a place in the journal, to begin from there.

It is of one piece: states, memories and the places (`covered`) that they belong to are replaced together.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from core.checkpointing import LineKey, Overlay, Place
from core.memory import Remembered
from core.records import freeze
from core.symbol_state import SymbolState
from stores.syncing import sync_directory

VERSION: Final = 2
READABLE: Final = (1, 2)
"""Version 1 said nothing of `covered`."""
NAME: Final = "checkpoint"


class SymbolCheckpoint(msgspec.Struct, frozen=True, array_like=True):
    """A symbol's rolling state."""

    feed: str
    symbol: str
    state: bytes
    """As `core.symbol_state.SymbolState.to_bytes` gives it."""


class StreamCheckpoint(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a symbol and channel."""

    feed: str
    symbol: str
    channel: str
    identities: list[str | int] | bytes
    """The remembered ones, oldest first; bytes are whole numbers that ascend, int64, little-endian."""
    next_ordinal: int
    last_seq: int | None

    @classmethod
    def of(cls, feed: str, stream: Remembered) -> "StreamCheckpoint":
        """Give what a feed's normalizer remembers, to be written down."""
        ids = stream.identities
        kept = ids if isinstance(ids, list) else ids.astype("<i8").tobytes()
        return cls(feed, stream.symbol, stream.channel, kept, stream.next_ordinal, stream.last_seq)

    @property
    def remembered(self) -> Remembered:
        """What a normalizer can remember again."""
        kept = self.identities
        ids = kept if isinstance(kept, list) else freeze(np.frombuffer(kept, "<i8").astype(np.int64))
        return Remembered(self.symbol, self.channel, ids, self.next_ordinal, self.last_seq)


class Covered(msgspec.Struct, frozen=True, array_like=True):
    """A line of an unclean session, and how far its frames are in what the checkpoint knows."""

    session: int
    line: str
    number: int
    next_frame: int


class Checkpoint(msgspec.Struct, frozen=True):
    """Everything that is warm."""

    version: int
    session: int
    symbols: list[SymbolCheckpoint]
    streams: list[StreamCheckpoint]
    covered: list[Covered] = []

    @property
    def places(self) -> dict[LineKey, Place]:
        """How far each line of a session is covered."""
        return {(each.session, each.line): Place(each.number, each.next_frame) for each in self.covered}


def save(
    data_dir: Path,
    session: int,
    symbols: Iterable[SymbolCheckpoint],
    streams: Iterable[StreamCheckpoint],
    places: dict[LineKey, Place],
) -> None:
    """Put a checkpoint in the place of the last one, durably; OSError where the disk refuses."""
    covered = [Covered(*line, place.number, place.next_frame) for line, place in places.items()]
    checkpoint = Checkpoint(VERSION, session, list(symbols), list(streams), covered)
    temporary = data_dir / f"{NAME}.tmp"
    with open(temporary, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(msgspec.msgpack.encode(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(data_dir / NAME)
    sync_directory(data_dir)


def lay_over(data_dir: Path, session: int, overlay: Overlay, is_kept: Callable[[int], bool]) -> None:
    """Bring the checkpoint up to date, durably; OSError where the disk refuses.

    Places of sessions that are not kept any more are left out.
    """
    last = load(data_dir)
    if not isinstance(last, Checkpoint):
        # One that cannot be read was told at the start, and nothing of it was used.
        last = Checkpoint(VERSION, session, [], [])
    places = {line: place for line, place in (last.places | overlay.covered).items() if is_kept(line[0])}
    save(data_dir, session, _symbols(last, overlay), _streams(last, overlay), places)


def _symbols(last: Checkpoint, overlay: Overlay) -> Iterator[SymbolCheckpoint]:
    for told in last.symbols:
        if (told.feed, told.symbol) not in overlay.symbols:
            yield told
    for (feed, symbol), state in overlay.symbols.items():
        yield symbol_checkpoint(feed, symbol, state)


def _streams(last: Checkpoint, overlay: Overlay) -> Iterator[StreamCheckpoint]:
    for told in last.streams:
        if (told.feed, told.symbol, told.channel) not in overlay.streams:
            yield told
    for (feed, *_), stream in overlay.streams.items():
        yield StreamCheckpoint.of(feed, stream)


def symbol_checkpoint(feed: str, symbol: str, state: SymbolState) -> SymbolCheckpoint:
    """Give a symbol's state, to be written down."""
    return SymbolCheckpoint(feed, symbol, state.to_bytes())


def load(data_dir: Path) -> Checkpoint | str | None:
    """Give the checkpoint; None where there is none, and words where it cannot be used."""
    path = data_dir / NAME
    try:
        checkpoint = msgspec.msgpack.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        return f"the checkpoint {path} cannot be read ({error}); detectors start cold"
    if checkpoint.version not in READABLE:
        return f"the checkpoint {path} is of another version ({checkpoint.version}); detectors start cold"
    return checkpoint

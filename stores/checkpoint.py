"""The checkpoint: what detectors and normalizers knew when a run ended, so that the next one starts warm."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from stores.journal import sync_directory

VERSION: Final = 1
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
    identities: list[str | int]
    """The remembered ones, oldest first."""
    next_ordinal: int
    last_seq: int | None


class Checkpoint(msgspec.Struct, frozen=True):
    """Everything that is warm."""

    version: int
    session: int
    symbols: list[SymbolCheckpoint]
    streams: list[StreamCheckpoint]


def save(
    data_dir: Path, session: int, symbols: Iterable[SymbolCheckpoint], streams: Iterable[StreamCheckpoint]
) -> None:
    """Put a checkpoint in the place of the last one, durably; OSError where the disk refuses."""
    content = msgspec.msgpack.encode(Checkpoint(VERSION, session, list(symbols), list(streams)))
    temporary = data_dir / f"{NAME}.tmp"
    with open(temporary, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(data_dir / NAME)
    sync_directory(data_dir)


def load(data_dir: Path) -> Checkpoint | str | None:
    """Give the checkpoint; None where there is none, and words where it cannot be used."""
    path = data_dir / NAME
    try:
        checkpoint = msgspec.msgpack.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        return f"the checkpoint {path} cannot be read ({error}); detectors start cold"
    if checkpoint.version != VERSION:
        return f"the checkpoint {path} is of another version ({checkpoint.version}); detectors start cold"
    return checkpoint

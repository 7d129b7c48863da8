"""The checkpoint on disk: reads back as it was, is brought up to date as one piece, or says what is wrong."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.checkpointing import Overlay, Place
from core.memory import Remembered
from core.symbol_state import SymbolState
from stores.checkpoint import (
    NAME,
    Checkpoint,
    StreamCheckpoint,
    SymbolCheckpoint,
    lay_over,
    load,
    save,
    symbol_checkpoint,
)

STATE = SymbolState.empty(4)
STREAM = Remembered("A", "trades", [1, "x"], 2, 7)


def kept(data_dir: Path) -> Checkpoint:
    """Load what must be there."""
    found = load(data_dir)
    assert isinstance(found, Checkpoint)
    return found


def plain(told: Remembered) -> tuple[Any, ...]:
    """Give what is remembered as values that compare."""
    return told.symbol, told.channel, list(told.identities), told.next_ordinal, told.last_seq


def save_one(data_dir: Path) -> None:
    """Save a checkpoint of the symbol A, of a line of session 3."""
    symbols, streams = [symbol_checkpoint("f", "A", STATE)], [StreamCheckpoint.of("f", STREAM)]
    save(data_dir, 3, symbols, streams, {(3, "f/0/A"): Place(4, 50)})


def test_it_reads_back_as_it_was(tmp_path: Path) -> None:
    save_one(tmp_path)
    found = kept(tmp_path)
    assert found.places == {(3, "f/0/A"): Place(4, 50)}
    assert [plain(stream.remembered) for stream in found.streams] == [plain(STREAM)]
    assert found.symbols == [SymbolCheckpoint("f", "A", STATE.to_bytes())]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_an_overlay_replaces_what_it_has_and_leaves_the_rest(tmp_path: Path) -> None:
    save_one(tmp_path)
    other = SymbolState(STATE.floats, STATE.counters + 1)
    later = Remembered("A", "trades", np.array([2, 2**62]), 4, 8)
    overlay = Overlay(
        {("f", "B"): other},
        {("f", "A", "trades"): later},
        {(3, "f/1/A"): Place(0, 9), (2, "f/0/A"): Place(1, 1)},
    )
    lay_over(tmp_path, 3, overlay, lambda session: session == 3)
    found = kept(tmp_path)
    assert {told.symbol: told.state for told in found.symbols} == {
        "A": STATE.to_bytes(),
        "B": other.to_bytes(),
    }
    assert [plain(stream.remembered) for stream in found.streams] == [plain(later)]
    assert found.places == {(3, "f/0/A"): Place(4, 50), (3, "f/1/A"): Place(0, 9)}


def test_the_first_overlay_needs_no_checkpoint_before(tmp_path: Path) -> None:
    lay_over(tmp_path, 1, Overlay({("f", "A"): STATE}, {}, {(1, "f/0/A"): Place(0, 5)}), lambda session: True)
    assert kept(tmp_path).places == {(1, "f/0/A"): Place(0, 5)}


def test_one_of_version_1_covers_nothing(tmp_path: Path) -> None:
    old = {"version": 1, "session": 3, "symbols": [["f", "A", STATE.to_bytes()]], "streams": []}
    (tmp_path / NAME).write_bytes(msgspec.msgpack.encode(old))
    assert kept(tmp_path).places == {}
    assert len(kept(tmp_path).symbols) == 1


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"version": "x"})])
def test_one_that_cannot_be_read_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    found = load(tmp_path)
    assert isinstance(found, str)
    assert "cannot be read" in found


def test_one_of_a_later_version_is_told(tmp_path: Path) -> None:
    later = {"version": 99, "session": 3, "symbols": [], "streams": []}
    (tmp_path / NAME).write_bytes(msgspec.msgpack.encode(later))
    assert "of another version (99)" in str(load(tmp_path))


def test_none_is_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None

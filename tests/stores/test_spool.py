"""The spool keeps parts, in order, across restarts and damage."""

from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RetryableStoreError
from stores.parts import Part
from stores.rows import dead_letter_rows
from stores.spool import Spool, SpoolFull
from stores.store import BatchId
from tests.stores.making import dead_letter, part

PLENTY = 2**30


def parts(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.arrow"))


def same(found: Part | None, wanted: Part) -> bool:
    assert found is not None
    return bool(
        (found.table, found.batch, found.runs) == (wanted.table, wanted.batch, wanted.runs)
        and found.rows.equals(wanted.rows)
        and found.rows.schema.equals(wanted.rows.schema)
    )


def test_parts_come_back_in_order_with_their_ids_also_after_reopening(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", PLENTY)
    written = [
        part(3, number=2**40, feeds=["a", "b", "b"]),
        Part("dead_letters", dead_letter_rows([dead_letter(raw=b"\x00")]), BatchId(-(2**62), 0), (("a", 1),)),
        part(1, number=7),
    ]
    for one in written:
        spool.append(one)
    assert same(spool.head(), written[0])
    spool.pop()
    reopened = Spool(tmp_path / "spool", PLENTY)
    assert len(reopened) == 2
    assert reopened.rows_by_feed() == {"spot": 1}, "dead letters are no records"
    assert reopened.nbytes == spool.nbytes == sum(path.stat().st_size for path in parts(tmp_path / "spool"))
    for one in written[1:]:
        assert same(reopened.head(), one)
        reopened.pop()
    assert reopened.head() is None
    assert (len(reopened), reopened.nbytes, reopened.rows_by_feed()) == (0, 0, {})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["append", "pop", "reopen"]), max_size=12))
def test_it_is_a_queue_whatever_happens(steps: list[str]) -> None:
    with TemporaryDirectory() as directory:
        spool, model = Spool(Path(directory), PLENTY), deque[int]()
        for number, step in enumerate(steps):
            if step == "append":
                spool.append(part(2, number=number))
                model.append(number)
            elif step == "pop" and model:
                spool.pop()
                model.popleft()
            elif step == "reopen":
                spool = Spool(Path(directory), PLENTY)
            head = spool.head()
            assert (head.batch.number if head else None) == (model[0] if model else None)
            assert len(spool) == len(model)
            assert spool.rows_by_feed() == ({"spot": 2 * len(model)} if model else {})


def test_a_part_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    measured = Spool(tmp_path / "measured", PLENTY)
    measured.append(part(3))
    spool = Spool(tmp_path / "spool", 2 * measured.nbytes)
    spool.append(part(3, number=1))
    spool.append(part(3, number=2))
    with pytest.raises(SpoolFull, match="bytes"):
        spool.append(part(3, number=3))
    assert len(spool) == len(parts(tmp_path / "spool")) == 2
    spool.pop()
    spool.append(part(3, number=4))
    spool.pop()
    assert same(spool.head(), part(3, number=4))


def test_a_disk_that_refuses_counts_as_full_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", PLENTY)
    (tmp_path / "spool").rmdir()
    with pytest.raises(SpoolFull, match="cannot be written"):
        spool.append(part())
    (tmp_path / "spool").mkdir()
    spool.append(part())
    assert len(spool) == len(Spool(tmp_path / "spool", PLENTY)) == 1


def test_what_was_overtaken_while_it_was_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """A writer hung in here and was replaced: the replacement's parts are there, its own late one is not."""
    spool = Spool(tmp_path / "spool", PLENTY)
    late, mine = part(2, number=1), part(3, number=2)

    class Overtaken(Exception):
        pass

    def check() -> None:
        spool.append(mine)
        raise Overtaken

    with pytest.raises(Overtaken):
        spool.append(late, check)
    assert len(spool) == len(parts(tmp_path / "spool")) == 1
    assert same(spool.head(), mine)
    assert not list((tmp_path / "spool").glob("*.tmp"))


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.tmp").write_bytes(b"half")
    spool = Spool(tmp_path, PLENTY)
    assert list(tmp_path.iterdir()) == []
    assert (len(spool), spool.set_aside()) == (0, ())


@pytest.mark.parametrize("reopen", [False, True])
@pytest.mark.parametrize("place", [0, 10, 200, -30, -1])
def test_a_damaged_file_is_set_aside_and_the_rest_goes_on(tmp_path: Path, place: int, reopen: bool) -> None:
    spool = Spool(tmp_path, PLENTY)
    spool.append(part(3, number=1))
    spool.append(part(2, number=2))
    content = bytearray(parts(tmp_path)[0].read_bytes())
    content[place] ^= 0xFF
    parts(tmp_path)[0].write_bytes(content)
    if reopen:
        spool = Spool(tmp_path, PLENTY)
    assert same(spool.head(), part(2, number=2))
    (aside,) = spool.set_aside()
    assert aside.path.name == "00000000000000000001.arrow.corrupt"
    assert aside.path.read_bytes() == content
    assert aside.rows_by_feed in ({"spot": 3}, None)
    assert reopen or aside.rows_by_feed == {"spot": 3}
    assert spool.set_aside() == ()
    assert (len(spool), spool.rows_by_feed()) == (1, {"spot": 2})


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_file_cut_short_is_set_aside_at_once(tmp_path: Path, length: int) -> None:
    Spool(tmp_path, PLENTY).append(part(3))
    path = parts(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:length])
    spool = Spool(tmp_path, PLENTY)
    assert len(spool) == 0
    assert spool.head() is None
    assert len(spool.set_aside()) == 1
    spool.append(part(1, number=9))
    assert same(Spool(tmp_path, PLENTY).head(), part(1, number=9))
    assert (tmp_path / "00000000000000000001.arrow.corrupt").exists()


def test_a_part_is_dropped_once_and_known_wherever_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, PLENTY)
    first, second = part(1, number=1), part(1, number=2)
    assert not spool.holds(first)
    spool.append(first)
    assert spool.holds(first)
    spool.append(second)
    assert spool.holds(first)
    assert spool.holds(second)
    spool.drop(second)
    assert len(spool) == 2
    spool.drop(first)
    assert not spool.holds(first)
    spool.drop(first)
    assert same(spool.head(), second)


def test_a_file_that_went_away_is_told_of(tmp_path: Path) -> None:
    spool = Spool(tmp_path, PLENTY)
    spool.append(part(2))
    parts(tmp_path)[0].unlink()
    assert spool.head() is None
    (gone,) = spool.set_aside()
    assert gone.rows_by_feed == {"spot": 2}


def test_a_disk_that_does_not_answer_is_worth_another_try(tmp_path: Path) -> None:
    spool = Spool(tmp_path, PLENTY)
    spool.append(part(2))
    path = parts(tmp_path)[0]
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    with pytest.raises(RetryableStoreError):
        spool.head()
    path.rmdir()
    path.write_bytes(content)
    assert same(spool.head(), part(2))


def test_popping_an_empty_spool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        Spool(tmp_path, PLENTY).pop()

"""Entries of a lake's log that are written without reading the table again."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from core.errors import RetryableStoreError
from stores.lake import LakeWriter
from stores.lake_files import LakeFiles
from stores.lake_log import appending, put_entry
from stores.lake_reader import LakeReader
from stores.lake_table import LakeTable
from stores.rows import alert_rows
from stores.store import BatchId, Query
from tests.stores.making import alert, rows_of, ticks

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def writer(root: str) -> Iterator[LakeWriter]:
    with closing(LakeWriter(root)) as opened:
        opened.open()
        yield opened


def frames(root: str) -> list[int]:
    with closing(LakeReader(root)) as reader:
        return sorted(row["frame"] for row in rows_of(reader.read(Query("ticks"))))


def entries(root: str) -> list[list[dict[str, Any]]]:
    paths = sorted(Path(root, "ticks", "_delta_log").glob("*.json"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def who_wrote(root: str) -> list[str]:
    return [
        action["commitInfo"]["engineInfo"].split(":")[0] for entry in entries(root) for action in entry[:1]
    ]


def behind(root: str) -> LakeTable:
    """Open a table and write to it, so that its handle is behind its own commits."""
    table = LakeTable("ticks", LakeFiles(root, "ticks", {}))
    table.add(ticks(frame=1), "tapeline/1", 1)
    return table


def test_an_entry_is_put_as_a_whole_and_once(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    assert put_entry(tmp_path, 3, b"first")
    assert not put_entry(tmp_path, 3, b"second")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["00000000000000000003.json"]
    assert (tmp_path / "_delta_log" / "00000000000000000003.json").read_bytes() == b"first"


@pytest.mark.parametrize(("checkpoint", "known"), [(2, True), (3, False), (9, False)])
def test_a_place_that_a_checkpoint_covers_is_none(tmp_path: Path, checkpoint: int, known: bool) -> None:
    """Its name was free because entries before a checkpoint are deleted: nobody would read it."""
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "_last_checkpoint").write_text(json.dumps({"version": checkpoint}))
    if known:
        assert put_entry(tmp_path, 3, b"entry")
    else:
        with pytest.raises(RetryableStoreError, match="gone on without this writer"):
            put_entry(tmp_path, 3, b"entry")


def test_an_entry_tells_what_delta_rs_would_have_told() -> None:
    add = AddAction("date=2024-01-01/a.parquet", 7, {"date": "2024-01-01"}, 5, True, '{"numRecords": 1}')
    told = [json.loads(line) for line in appending([add], [("tapeline/1", 9)], 8).splitlines()]
    assert [list(action) for action in told] == [["commitInfo"], ["add"], ["txn"]]
    assert told[1]["add"] == {
        "path": "date=2024-01-01/a.parquet", "size": 7, "partitionValues": {"date": "2024-01-01"},
        "modificationTime": 5, "dataChange": True, "stats": '{"numRecords": 1}',
    }  # fmt: skip
    assert told[2]["txn"] == {"appId": "tapeline/1", "version": 9}


def test_batches_are_appended_without_delta_rs_and_read_by_it(root: str, writer: LakeWriter) -> None:
    for number in range(3):
        writer.write("ticks", ticks(2, frame=[2 * number, 2 * number + 1]), BatchId(1, number))
    assert who_wrote(root)[-3:] == ["tapeline"] * 3
    assert frames(root) == [0, 1, 2, 3, 4, 5]
    handle = DeltaTable(str(Path(root, "ticks")))
    assert handle.transaction_version("tapeline/1") == 2
    assert writer.holds("ticks", BatchId(1, 2))
    assert not writer.holds("ticks", BatchId(1, 3))


def test_what_others_commit_in_between_stands_in_nobodys_way(root: str, writer: LakeWriter) -> None:
    writer.write("ticks", ticks(frame=1), BatchId(1, 1))
    DeltaTable(str(Path(root, "ticks"))).alter.set_table_properties(
        {"owner": "somebody"}, raise_if_not_exists=False
    )
    writer.write("ticks", ticks(frame=2), BatchId(1, 2))
    writer.write("ticks", ticks(frame=3), BatchId(1, 3))
    assert who_wrote(root)[-4:] == ["tapeline", "delta-rs", "delta-rs", "tapeline"]
    assert frames(root) == [1, 2, 3]
    assert DeltaTable(str(Path(root, "ticks"))).metadata().configuration["owner"] == "somebody"


def test_a_table_whose_protocol_asks_for_more_is_left_to_delta_rs(root: str, writer: LakeWriter) -> None:
    DeltaTable(str(Path(root, "ticks"))).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    with pytest.raises(RetryableStoreError, match="Protocol changed"):
        writer.write("ticks", ticks(frame=1), BatchId(1, 1))
    assert not writer.holds("ticks", BatchId(1, 1))
    for number in (1, 2, 3):
        writer.write("ticks", ticks(frame=number), BatchId(1, number))
    assert who_wrote(root)[-3:] == ["delta-rs"] * 3
    assert frames(root) == [1, 2, 3]


def test_a_batch_that_is_there_is_refused_to_a_handle_that_is_behind(root: str) -> None:
    table = behind(root)
    DeltaTable(str(Path(root, "ticks"))).alter.set_table_properties({"a": "b"}, raise_if_not_exists=False)
    with pytest.raises(RetryableStoreError, match="is there already"):
        table.add(ticks(frame=1), "tapeline/1", 1)
    assert frames(root) == [1]


def test_a_writer_that_slept_until_the_log_was_shortened_adds_nothing(root: str) -> None:
    sleeper = behind(root)
    successor = LakeTable("ticks", LakeFiles(root, "ticks", {}))
    successor.add(ticks(frame=2), "tapeline/2", 1)
    successor.refresh()
    successor.handle.create_checkpoint()
    for path in Path(root, "ticks", "_delta_log").glob("*.json"):
        path.unlink()
    with pytest.raises(RetryableStoreError, match="gone on without this writer"):
        sleeper.add(ticks(frame=3), "tapeline/1", 2)
    assert frames(root) == [1, 2]
    assert not successor.holds("tapeline/1", 2)


def test_a_disk_without_links_is_left_to_delta_rs(
    root: str, writer: LakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    writer.write("ticks", ticks(frame=1), BatchId(1, 1))
    assert who_wrote(root)[-1] == "delta-rs"
    assert frames(root) == [1]


def test_texts_too_long_for_a_files_own_statistics_are_bounded_all_the_same(
    root: str, writer: LakeWriter
) -> None:
    """Parquet keeps no bounds beyond 4 KiB; a column without would hide its rows from filters."""
    writer.write("alerts", alert_rows([alert(text="b" * 5000), alert(text="a" * 5000)]), BatchId(1, 1))
    (stats,) = (
        json.loads(action["add"]["stats"])
        for path in Path(root, "alerts", "_delta_log").glob("*.json")
        for action in map(json.loads, path.read_text().splitlines())
        if "add" in action
    )
    assert stats["minValues"]["text"] == "a" * 32
    assert stats["maxValues"]["text"].startswith("b" * 32)
    assert stats["nullCount"]["symbol"] == 2

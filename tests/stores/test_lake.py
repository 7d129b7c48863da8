"""What is the lake's own: shutting predecessors out, unknown outcomes, versions, upkeep, faults."""

import datetime
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest
from deltalake import DeltaTable, write_deltalake

from core.errors import PermanentStoreError, RetryableStoreError, StoreVersionError
from stores.lake import LakeWriter
from stores.lake_files import LakeFiles
from stores.lake_reader import LakeReader
from stores.lake_table import LakeTable, by_date
from stores.lake_upkeep import Upkeep
from stores.lake_version import VERSION_KEY
from stores.schema import SCHEMA_VERSION, TABLES
from stores.store import BatchId, Query
from tests.stores.making import DAY_NS, NOON_NS, empty, rows_of, ticks

pytestmark = pytest.mark.slow
HOUR_NS = 3600 * 10**9


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def writer(root: str) -> Iterator[LakeWriter]:
    with closing(LakeWriter(root)) as opened:
        opened.open()
        yield opened


def read(root: str, **query: Any) -> list[dict[str, Any]]:
    with closing(LakeReader(root)) as reader:
        return rows_of(reader.read(Query("ticks", **query)))


def files_of(root: str, pattern: str = "date=*/*.parquet") -> list[Path]:
    return sorted(Path(root, "ticks").glob(pattern))


def tidy(root: str, small_files: int = 5, ago_ns: int = 0) -> LakeWriter:
    """Open a writer whose upkeep is soon due and whose clock is behind."""
    opened = LakeWriter(root, upkeep=Upkeep(small_files), clock_ns=lambda: time.time_ns() - ago_ns)
    opened.open()
    return opened


def test_a_writer_that_was_replaced_can_write_nothing_more(root: str, writer: LakeWriter) -> None:
    writer.write("ticks", ticks(frame=1), BatchId(1, 0))
    replacement = LakeWriter(root)
    replacement.open()
    for session, number in ((1, 1), (7, 0)):
        with pytest.raises(RetryableStoreError):
            writer.write("ticks", ticks(frame=2), BatchId(session, number))
        assert not replacement.holds("ticks", BatchId(session, number))
    with pytest.raises(RetryableStoreError, match="another writer has taken over"):
        writer.holds("ticks", BatchId(1, 0))
    with pytest.raises(RetryableStoreError, match="another writer has taken over"):
        writer.write("ticks", ticks(frame=2), BatchId(1, 1))
    replacement.write("ticks", ticks(frame=3), BatchId(1, 1))
    assert [row["frame"] for row in read(root)] == [1, 3]


def test_a_replaced_writer_cannot_finish_a_compaction(root: str) -> None:
    old = LakeTable("ticks", LakeFiles(root, "ticks", {}))
    old.add(ticks(), "tapeline/1", 0)
    LakeTable("ticks", LakeFiles(root, "ticks", {}))
    date, rows = by_date("ticks", ticks())[0]
    with pytest.raises(Exception, match="Concurrent transaction"):
        old.commit([old.new_file(rows, date, data_change=False)])
    assert len(read(root)) == 1


class TornDisk(LakeFiles):
    """A disk that fails right behind a commit."""

    failing = False

    def sync_commits(self, first: int, last: int) -> None:
        if self.failing:
            raise OSError("the disk does not answer")
        super().sync_commits(first, last)


def test_a_commit_of_unknown_outcome_is_found_and_not_repeated(root: str) -> None:
    files = TornDisk(root, "ticks", {})
    table = LakeTable("ticks", files)
    files.failing = True
    with pytest.raises(OSError, match="does not answer"):
        table.add(ticks(2), "tapeline/1", 3)
    files.failing = False
    assert table.holds("tapeline/1", 3)
    assert not table.holds("tapeline/1", 4)
    table.add(ticks(1), "tapeline/1", 4)
    assert len(read(root)) == 3


def test_files_whose_frames_nobody_asks_for_are_not_read(root: str, writer: LakeWriter) -> None:
    """Where a file is of one line, not even its footer: the file may be gone."""
    writer.write("ticks", ticks(10), BatchId(1, 0))
    (old,) = files_of(root)
    writer.write("ticks", ticks(10, frame=np.arange(10, 20)), BatchId(1, 1))
    old.unlink()
    assert len(writer.origins("ticks", 1, {"spot/0/A": 10})["spot/0/A"]) == 10
    with pytest.raises(RetryableStoreError):
        writer.origins("ticks", 1, {"spot/0/A": 9})


def test_many_small_commits_become_few_files_and_the_same_rows(root: str) -> None:
    with closing(tidy(root)) as writer:
        for number in range(12):
            rows = ticks(3, frame=[3 * number + i for i in range(3)], ts_event_ns=NOON_NS + number)
            writer.write("ticks", rows, BatchId(1, number))
        other_day = ticks(2, ts_event_ns=NOON_NS + DAY_NS, frame=[100, 101])
        writer.write("ticks", other_day, BatchId(2, 0))
        before = read(root)
        reader = LakeReader(root)
        running = reader.read(Query("ticks"))
        assert writer.maintain() == "merged 12 files of ticks and deleted 0"
        assert writer.maintain() is None
        assert read(root) == before == rows_of(running)
        reader.close()
        assert len(DeltaTable(f"{root}/ticks").file_uris()) == 2
        held = [writer.holds("ticks", BatchId(1, number)) for number in (0, 11, 12)]
        assert held == [True, True, False]
        writer.write("ticks", ticks(1, frame=500), BatchId(1, 12))
        assert len(writer.origins("ticks", 1)["spot/0/A"]) == 37 + 2
    with closing(LakeWriter(root)) as reopened:
        reopened.open()
        assert reopened.holds("ticks", BatchId(1, 12))
        assert not reopened.holds("ticks", BatchId(2, 1))
        assert len(read(root)) == len(before) + 1


def test_readers_see_every_row_exactly_once_during_compaction(root: str) -> None:
    with closing(tidy(root, small_files=3)) as writer:
        writer.write("ticks", ticks(5), BatchId(1, 0))
        counts: list[int] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                counts.append(len(read(root)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        told = []
        for number in range(1, 25):
            writer.write("ticks", ticks(5), BatchId(1, number))
            told.append(writer.maintain())
        done.set()
        watcher.join(60)
    assert sum(text is not None for text in told) >= 7
    assert counts == sorted(counts)
    assert all(count % 5 == 0 for count in counts)
    assert len(read(root)) == 125


def test_files_are_deleted_an_hour_after_they_were_merged_and_identifiers_are_kept(root: str) -> None:
    with closing(tidy(root)) as writer:
        for number in range(6):
            writer.write("ticks", ticks(), BatchId(1, number))
        assert writer.maintain() == "merged 6 files of ticks and deleted 0"
        assert len(files_of(root)) == 7
    for commit in files_of(root, "_delta_log/*"):
        os.utime(commit, (0, 0))
    with closing(tidy(root, ago_ns=2 * HOUR_NS)) as writer:
        for number in range(6):
            writer.write("ticks", ticks(), BatchId(2, number))
        assert writer.maintain() == "merged 7 files of ticks and deleted 7"
        assert len(files_of(root)) == 7
        assert files_of(root, "_delta_log/00000000000000000000.json") == []
    with closing(LakeWriter(root)) as writer:
        writer.open()
        assert writer.holds("ticks", BatchId(1, 5))
        assert not writer.holds("ticks", BatchId(1, 6))
        assert writer.holds("ticks", BatchId(2, 5))
    assert len(read(root)) == 12


def test_large_files_are_left_alone_and_the_bound_on_bytes_is_kept(root: str) -> None:
    writer = LakeWriter(root, upkeep=Upkeep(small_files=2, target_bytes=1))
    writer.open()
    for number in range(3):
        writer.write("ticks", ticks(), BatchId(1, number))
    assert writer.maintain() is None
    assert len(DeltaTable(f"{root}/ticks").file_uris()) == 3


def test_middling_files_do_not_keep_small_ones_from_being_merged(root: str) -> None:
    with closing(LakeWriter(root)) as writer:
        writer.open()
        for number in range(2):
            writer.write(
                "ticks", ticks(3000, price=np.random.default_rng(number).random(3000)), BatchId(1, number)
            )
        for number in range(2, 6):
            writer.write("ticks", ticks(1), BatchId(1, number))
    middling = max(path.stat().st_size for path in files_of(root))
    with closing(LakeWriter(root, upkeep=Upkeep(small_files=2, target_bytes=middling + 1))) as writer:
        writer.open()
        assert writer.maintain() == "merged 4 files of ticks and deleted 0"
    assert len(read(root)) == 6004


def test_rows_that_compress_well_are_merged_a_bounded_number_at_a_time(root: str) -> None:
    """The writer waits meanwhile; what is left is merged at the next turns, and no file again and again."""
    with closing(LakeWriter(root, upkeep=Upkeep(small_files=2, target_rows=1_000))) as writer:
        writer.open()
        for number in range(20):
            writer.write("ticks", ticks(100), BatchId(1, number))
        turns = []
        while (done := writer.maintain()) is not None:
            turns.append(done.partition(" and ")[0])
        assert turns == ["merged 10 files of ticks"] * 2
        assert len(DeltaTable(f"{root}/ticks").file_uris()) == 2
    assert len(read(root)) == 2_000


def old_lake(root: str) -> None:
    """Make a lake as a version before the first would have: a column less, and no version."""
    rows = ticks(2).drop_columns(["volatility"])
    dated = rows.append_column("date", pa.array([datetime.date(2023, 11, 14)] * 2, pa.date32()))
    write_deltalake(f"{root}/ticks", dated, partition_by=["date"])


def test_an_older_lake_is_read_as_it_is_and_migrated_by_the_writer(root: str) -> None:
    old_lake(root)
    assert [row["volatility"] for row in read(root)] == [None, None]
    with closing(LakeWriter(root)) as writer:
        writer.open()
        writer.write("ticks", ticks(1, volatility=0.5, ts_event_ns=NOON_NS + 9), BatchId(1, 0))
        assert [row["volatility"] for row in read(root)] == [None, None, 0.5]
    handle = DeltaTable(f"{root}/ticks")
    assert handle.metadata().configuration[VERSION_KEY] == str(SCHEMA_VERSION)
    assert {field.name for field in handle.schema().fields} == {*TABLES["ticks"].names, "date"}
    with closing(LakeWriter(root, upkeep=Upkeep(small_files=2))) as writer:
        writer.open()
        assert writer.maintain() == "merged 2 files of ticks and deleted 0"
    assert [row["volatility"] for row in read(root)] == [None, None, 0.5]


def test_a_newer_lake_is_refused_in_one_line(root: str, writer: LakeWriter) -> None:
    DeltaTable(f"{root}/ticks").alter.set_table_properties({VERSION_KEY: "99"}, raise_if_not_exists=False)
    with pytest.raises(StoreVersionError, match=r"tables of version 99, known here: 1\): upgrade") as refused:
        LakeWriter(root).open()
    assert "\n" not in str(refused.value)
    with pytest.raises(StoreVersionError):
        read(root)


def test_a_commit_that_a_power_cut_tore_is_set_aside(root: str, writer: LakeWriter) -> None:
    writer.write("ticks", ticks(), BatchId(1, 0))
    writer.write("ticks", ticks(), BatchId(1, 1))
    newest = files_of(root, "_delta_log/*.json")[-1]
    newest.write_bytes(newest.read_bytes()[:-20])
    with closing(LakeWriter(root)) as mended:
        mended.open()
        assert mended.holds("ticks", BatchId(1, 0))
        assert not mended.holds("ticks", BatchId(1, 1))
        mended.write("ticks", ticks(), BatchId(1, 1))
    assert len(read(root)) == 2


def test_a_store_that_cannot_be_reached_is_worth_another_try(root: str, writer: LakeWriter) -> None:
    shutil.move(f"{root}/ticks", f"{root}/away")
    Path(f"{root}/ticks").write_bytes(b"")
    with pytest.raises(RetryableStoreError) as failed:
        writer.write("ticks", ticks(), BatchId(1, 0))
    assert "\n" not in str(failed.value)
    Path(f"{root}/ticks").unlink()
    shutil.move(f"{root}/away", f"{root}/ticks")
    assert not writer.holds("ticks", BatchId(1, 0))
    writer.write("ticks", ticks(), BatchId(1, 0))
    assert len(read(root)) == 1


def test_a_place_that_is_no_directory_is_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RetryableStoreError):
        LakeWriter(str(tmp_path / "file")).open()


def test_an_endpoint_that_refuses_is_worth_another_try() -> None:
    options = {
        "aws_endpoint": "http://127.0.0.1:1", "aws_allow_http": "true", "aws_access_key_id": "key",
        "aws_secret_access_key": "secret", "aws_region": "here", "max_retries": "0",
    }  # fmt: skip
    with pytest.raises(RetryableStoreError):
        LakeWriter("s3://bucket/lake", options).open()
    with closing(LakeReader("s3://bucket/lake", options)) as reader, pytest.raises(RetryableStoreError):
        reader.read(Query("ticks"))


def test_a_lake_with_a_url_is_written_merged_and_read_through_the_object_store(tmp_path: Path) -> None:
    for table in TABLES:
        (tmp_path / table).mkdir()
    url = tmp_path.as_uri()
    with closing(LakeWriter(url, upkeep=Upkeep(small_files=3))) as writer:
        writer.open()
        for number in range(4):
            writer.write("ticks", ticks(3), BatchId(1, number))
        assert writer.maintain() == "merged 4 files of ticks and deleted 0"
        assert writer.holds("ticks", BatchId(1, 3))
        assert len(writer.origins("ticks", 1)["spot/0/A"]) == 12
    assert len(read(url)) == 12


def test_a_writer_that_is_not_open_says_so(root: str) -> None:
    with pytest.raises(RetryableStoreError, match="not open"):
        LakeWriter(root).write("ticks", ticks(), BatchId(1, 0))
    with pytest.raises(PermanentStoreError, match="no table 'bars'"):
        LakeWriter(root).write("bars", empty("gaps"), BatchId(1, 0))


def test_other_tools_find_rows_by_any_column(root: str, writer: LakeWriter) -> None:
    long = "x" * 40 + "\U0010ffff"
    rows = ticks(3, price=[1.0, 2.0, 3.0], kind=[0, 1, 0], symbol=long, bid=5.0)
    writer.write("ticks", rows, BatchId(1, 0))
    theirs = DeltaTable(f"{root}/ticks").to_pyarrow_dataset(
        filesystem=LakeFiles(root, "ticks", {}).filesystem
    )
    field = pa_dataset.field
    for wanted, count in (
        (field("kind") == "trade", 2),
        (field("price") > 1.5, 2),
        (field("symbol") == long, 3),
        (field("bid") == 5.0, 3),
        (field("symbol") == "x", 0),
    ):
        assert theirs.count_rows(filter=wanted) == count


def test_tables_carry_their_descriptions(root: str, writer: LakeWriter) -> None:
    (price,) = [field for field in DeltaTable(f"{root}/ticks").schema().fields if field.name == "price"]
    assert price.metadata == {"comment": "Price of the trade, in the quote currency."}


def test_a_row_goes_to_the_date_of_its_time() -> None:
    rows = ticks(5, ts_event_ns=[0, -1, DAY_NS, -DAY_NS, DAY_NS - 1])
    dates = {str(date): part["ts_event_ns"].to_pylist() for date, part in by_date("ticks", rows)}
    assert dates == {
        "1969-12-31": [-1, -DAY_NS],
        "1970-01-01": [0, DAY_NS - 1],
        "1970-01-02": [DAY_NS],
    }
    for table in TABLES:
        assert by_date(table, empty(table)) == []


@pytest.mark.slow
def test_an_object_store_that_never_answers_is_given_up_soon() -> None:
    """It listens and says nothing: the writer hears of it as of any failure, and goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
            "AWS_REGION": "nowhere",
            "timeout": "1s",
            "max_retries": "1",
        }
        with pytest.raises(RetryableStoreError):
            LakeWriter("s3://bucket/lake", options).open()

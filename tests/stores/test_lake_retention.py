"""How long a lake keeps rows, and in which order compaction leaves them."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from core.errors import RetryableStoreError
from stores.lake import LakeWriter
from stores.lake_files import LakeFiles
from stores.lake_reader import LakeReader
from stores.lake_table import LakeTable
from stores.lake_upkeep import Upkeep, compact, expire
from stores.registry import StoreTerms, open_writer
from stores.rows import alert_rows, dead_letter_rows, gap_rows, malformed_rows
from stores.store import BatchId, Query
from tests.stores.making import DAY_NS, NOON_NS, alert, dead_letter, gap, malformed, rows_of, ticks

pytestmark = pytest.mark.slow
HOUR_NS = 3600 * 10**9
KEPT_DAYS = 7
MIDNIGHT_NS = NOON_NS // DAY_NS * DAY_NS


@dataclass
class Clocks:
    """The time of day, the machine's to begin with, and the one that durations come from."""

    now_ns: int
    passed: float = 0.0

    def clock_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(time.time_ns())


@pytest.fixture
def writer(root: str, clocks: Clocks) -> Iterator[LakeWriter]:
    with closing(keeping(root, clocks)) as opened:
        yield opened


def keeping(root: str, clocks: Clocks, **upkeep: int) -> LakeWriter:
    terms = Upkeep(**{"retention_days": KEPT_DAYS, **upkeep})
    opened = LakeWriter(root, upkeep=terms, clock_ns=clocks.clock_ns, monotonic=clocks.monotonic)
    opened.open()
    return opened


def read(root: str, table: str = "ticks", **query: Any) -> list[dict[str, Any]]:
    with closing(LakeReader(root)) as reader:
        return rows_of(reader.read(Query(table, **query)))


def files_of(root: str) -> list[Path]:
    return sorted(Path(root, "ticks").glob("date=*/*.parquet"))


def write_days_ago(writer: LakeWriter, clocks: Clocks, *ago: int, number: int = 0) -> None:
    times = [clocks.now_ns - days * DAY_NS for days in ago]
    frames = [100 * number + days for days in ago]
    writer.write("ticks", ticks(len(ago), ts_event_ns=times, frame=frames), BatchId(1, number))


def frames(root: str) -> list[int]:
    return sorted(row["frame"] for row in read(root))


@pytest.mark.parametrize("of_day", [0, DAY_NS // 2, DAY_NS - 1])
def test_dates_beyond_the_bound_go_and_the_day_of_the_bound_stays_whole(root: str, of_day: int) -> None:
    bound = MIDNIGHT_NS - KEPT_DAYS * DAY_NS
    times = [bound - 9 * DAY_NS, bound - DAY_NS, bound - 1, bound, bound + DAY_NS - 1, MIDNIGHT_NS]
    with closing(keeping(root, Clocks(MIDNIGHT_NS + of_day))) as writer:
        writer.write("ticks", ticks(6, ts_event_ns=times), BatchId(1, 0))
        before = DeltaTable(f"{root}/ticks").version()
        assert writer.maintain() == "removed 2 dates of ticks"
        assert [row["ts_event_ns"] for row in read(root)] == times[3:]
        assert DeltaTable(f"{root}/ticks").version() == before + 1
        assert [row["ts_event_ns"] for row in read(root, limit=5)] == times[3:]


def test_every_table_loses_its_old_dates(root: str) -> None:
    ages = [0, 30 * DAY_NS]
    received = [{"ts_recv_ns": NOON_NS - age} for age in ages]
    tables = {
        "rejects": malformed_rows([malformed(**times) for times in received]),
        "gaps": gap_rows([gap(**times) for times in received]),
        "alerts": alert_rows([alert(ts_ns=NOON_NS - age) for age in ages]),
        "dead_letters": dead_letter_rows([dead_letter(**times) for times in received]),
    }
    with closing(keeping(root, Clocks(NOON_NS))) as writer:
        for name, rows in tables.items():
            writer.write(name, rows, BatchId(1, 0))
        assert writer.maintain() == "; ".join(f"removed 1 dates of {name}" for name in tables)
    for name in tables:
        (kept,) = read(root, name)
        assert kept["ts_ns" if name == "alerts" else "ts_recv_ns"] == NOON_NS


def test_a_row_goes_by_its_receive_time_only_where_it_has_no_time_of_its_own(root: str) -> None:
    """A replay of old ticks is old, however lately they were received."""
    with closing(keeping(root, Clocks(NOON_NS))) as writer:
        old = NOON_NS - 30 * DAY_NS
        writer.write("ticks", ticks(1, ts_event_ns=old, ts_recv_ns=NOON_NS), BatchId(1, 0))
        writer.write("ticks", ticks(1, ts_event_ns=NOON_NS, ts_recv_ns=old, frame=5), BatchId(1, 1))
        writer.maintain()
    assert frames(root) == [5]


def test_without_a_bound_everything_is_kept(root: str, clocks: Clocks) -> None:
    with closing(keeping(root, clocks, retention_days=0)) as writer:
        write_days_ago(writer, clocks, 0, 9_000)
        assert writer.maintain() is None
    assert frames(root) == [0, 9_000]


def test_what_comes_too_late_is_removed_at_the_next_turn_which_is_an_hour_away(
    root: str, writer: LakeWriter, clocks: Clocks
) -> None:
    write_days_ago(writer, clocks, 0, 9, 10)
    assert writer.maintain() == "removed 2 dates of ticks"
    write_days_ago(writer, clocks, 9, number=1)
    version = DeltaTable(f"{root}/ticks").version()
    clocks.passed = 3599
    assert writer.maintain() is None
    assert DeltaTable(f"{root}/ticks").version() == version
    clocks.passed = 3600
    assert writer.maintain() == "removed 1 dates of ticks"
    assert frames(root) == [0]


def test_a_turn_at_which_nothing_is_old_commits_nothing(
    root: str, writer: LakeWriter, clocks: Clocks
) -> None:
    write_days_ago(writer, clocks, 0, KEPT_DAYS)
    version = DeltaTable(f"{root}/ticks").version()
    for _ in range(3):
        assert writer.maintain() is None
        clocks.passed += 3600
    assert DeltaTable(f"{root}/ticks").version() == version


def test_a_query_that_runs_meanwhile_reads_to_its_end(root: str, writer: LakeWriter, clocks: Clocks) -> None:
    """Its files stay though they are old by the disk's account: what counts is when they fell out of use."""
    write_days_ago(writer, clocks, 0, 9, 10)
    for path in files_of(root):
        os.utime(path, (0, 0))
    with closing(LakeReader(root)) as reader:
        running = reader.read(Query("ticks"))
        opened = DeltaTable(f"{root}/ticks").to_pyarrow_dataset(
            filesystem=LakeFiles(root, "ticks", {}).filesystem
        )
        assert writer.maintain() == "removed 2 dates of ticks"
        clocks.passed = 3600
        assert writer.maintain() is None
        assert len(files_of(root)) == 3
        assert opened.count_rows() == 3
        assert [row["frame"] for row in rows_of(running)] == [10, 9, 0]
    assert frames(root) == [0]


def test_the_files_are_deleted_an_hour_later_though_nothing_is_ever_merged(
    root: str, writer: LakeWriter, clocks: Clocks
) -> None:
    clocks.now_ns -= 2 * HOUR_NS
    write_days_ago(writer, clocks, 0, 9, 10)
    assert writer.maintain() == "removed 2 dates of ticks"
    clocks.passed = 3599
    assert writer.maintain() is None
    assert len(files_of(root)) == 3
    clocks.passed = 3600
    assert writer.maintain() == "deleted 2 files of ticks"
    assert len(files_of(root)) == 1
    assert frames(root) == [0]


def test_a_successor_deletes_the_files_that_its_predecessor_removed(root: str, clocks: Clocks) -> None:
    clocks.now_ns -= 2 * HOUR_NS
    with closing(keeping(root, clocks)) as writer:
        write_days_ago(writer, clocks, 0, 9)
        writer.maintain()
    with closing(keeping(root, clocks)) as writer:
        assert writer.maintain() == "deleted 1 files of ticks"
    assert len(files_of(root)) == 1


def test_batches_whose_rows_are_gone_are_held_and_origins_are_those_that_are_left(
    root: str, writer: LakeWriter, clocks: Clocks
) -> None:
    write_days_ago(writer, clocks, 0, 9)
    write_days_ago(writer, clocks, 10, number=1)
    writer.maintain()

    def told(opened: LakeWriter) -> tuple[list[bool], dict[str, list[int]]]:
        held = [opened.holds("ticks", BatchId(1, number)) for number in (0, 1, 2)]
        return held, {line: packed.tolist() for line, packed in opened.origins("ticks", 1).items()}

    expected = ([True, True, False], {"spot/0/A": [0]})
    assert told(writer) == expected
    with closing(keeping(root, clocks)) as successor:
        assert told(successor) == expected


def test_a_replaced_writer_removes_nothing(root: str, clocks: Clocks) -> None:
    with closing(keeping(root, clocks)) as writer:
        write_days_ago(writer, clocks, 0, 9)
        LakeWriter(root).open()
        with pytest.raises(RetryableStoreError, match="another writer has taken over"):
            writer.maintain()
    assert frames(root) == [0, 9]


def test_old_dates_go_before_files_are_merged(root: str, clocks: Clocks) -> None:
    with closing(keeping(root, clocks, small_files=4)) as writer:
        for number in range(2):
            write_days_ago(writer, clocks, 0, 9, number=number)
        assert writer.maintain() == "removed 1 dates of ticks; merged 2 files of ticks and deleted 0"
    assert frames(root) == [0, 100]


def test_the_configuration_says_how_long_the_lake_keeps_rows(root: str) -> None:
    """This goes by the machine's own clock, for which these ticks are years old."""
    with closing(open_writer(StoreTerms("lake", root, retention_days=30))) as store:
        store.open()
        store.write("ticks", ticks(), BatchId(1, 0))
        assert store.maintain() == "removed 1 dates of ticks"


def mixed(symbols: list[str], n: int, seed: int) -> list[pa.Table]:
    """Make a batch a symbol; times agree now and then, and some ticks have none of their own."""
    random = np.random.default_rng(seed)
    made = []
    for place, symbol in enumerate(symbols):
        times = NOON_NS + random.integers(0, n // 2, n)
        columns = {"ts_event_ns": times, "ts_recv_ns": times + random.integers(0, 3, n)}
        line = f"spot/0/{'AB'[place % 2]}"
        # Whatever the order, sums of such prices are the same to the last bit.
        prices = random.integers(1, 2**20, n) / 2**10
        rows = ticks(n, symbol=symbol, price=prices, session=1 + place // 2, line=line, **columns)
        unknown: Any = pa.array(random.random(n) < 0.2)
        events = pc.if_else(unknown, pa.scalar(None, pa.int64()), rows["ts_event_ns"])
        at = rows.schema.get_field_index("ts_event_ns")
        made.append(rows.set_column(at, rows.schema.field(at), events))
    return made


def sort_key(row: dict[str, Any]) -> tuple[Any, ...]:
    event = row["ts_event_ns"]
    at = row["ts_recv_ns"] if event is None else event
    return row["symbol"], at, row["session"], row["line"], row["frame"], row["item"]


def test_merging_sorts_by_symbol_time_and_origin_and_changes_no_answer(root: str, clocks: Clocks) -> None:
    symbols = ["SOL-USD", "BTC-USD", "ETH-USD", "BTC-USD", "ADA-USD"]
    queries: list[dict[str, Any]] = [
        {}, {"symbol": "BTC-USD"}, {"limit": 70}, {"start_ns": NOON_NS + 20, "end_ns": NOON_NS + 60},
        {"table": "bars", "interval_ns": 10}, {"table": "bars", "interval_ns": 7, "symbol": "ETH-USD"},
    ]  # fmt: skip
    with closing(keeping(root, clocks, retention_days=0, small_files=5)) as writer:
        for number, rows in enumerate(mixed(symbols, 200, 3)):
            writer.write("ticks", rows, BatchId(1, number))
        before = [read(root, **query) for query in queries]
        origins = {line: sorted(packed) for line, packed in writer.origins("ticks", 1).items()}
        assert writer.maintain() == "merged 5 files of ticks and deleted 0"
        assert [read(root, **query) for query in queries] == before
        assert {line: sorted(packed) for line, packed in writer.origins("ticks", 1).items()} == origins
    (merged,) = LakeTable("ticks", LakeFiles(root, "ticks", {})).handle.file_uris()
    stored = pq.read_table(merged, partitioning=None).to_pylist()
    assert stored == sorted(stored, key=sort_key)
    assert len(stored) == 1000


def test_a_query_of_one_symbol_skips_the_row_groups_of_the_rest(root: str) -> None:
    table = LakeTable("ticks", LakeFiles(root, "ticks", {}))
    for number in range(2):
        both = [ticks(35_000, symbol=symbol) for symbol in ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD")]
        table.add(pa.concat_tables(both), "tapeline/1", number)
    assert compact(table, Upkeep(), NOON_NS // 10**6) == 2
    (file,) = table.dataset().get_fragments()
    assert file.num_row_groups == 3
    wanted = pa_dataset.field("symbol") == "BTC-USD"
    assert file.subset(wanted).num_row_groups == 1
    assert file.count_rows(filter=wanted) == 70_000


def test_rows_without_a_symbol_come_last(root: str) -> None:
    table = LakeTable("alerts", LakeFiles(root, "alerts", {}))
    for number, symbols in enumerate([("B", None), ("A", "B")]):
        rows = [alert(symbol=symbol, ts_ns=NOON_NS - number) for symbol in symbols]
        table.add(alert_rows(rows), "tapeline/1", number)
    compact(table, Upkeep(), NOON_NS // 10**6)
    merged = table.dataset().to_table(columns=["symbol", "ts_ns"]).to_pylist()
    assert [(row["symbol"], row["ts_ns"] - NOON_NS) for row in merged] == [
        ("A", -1), ("B", -1), ("B", 0), (None, 0),
    ]  # fmt: skip


def test_an_empty_table_has_nothing_to_lose(root: str) -> None:
    assert expire(LakeTable("gaps", LakeFiles(root, "gaps", {})), 1, NOON_NS) == 0

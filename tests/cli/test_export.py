"""`export`: directories that other programs read, files that are whole, and what is refused."""

import csv
import os
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest

from cli.arguments import parse
from cli.export import run
from cli.export_files import MOST_OPEN, ExportFiles
from cli.partitions import Partition, parted
from core.errors import UsageError
from stores.lake import LakeWriter
from stores.rows import malformed_rows
from stores.schema import RESULTS, TICKS
from stores.store import BatchId
from tests.stores.making import DAY_NS, NOON_NS, malformed, ticks

pytestmark = pytest.mark.slow
SYMBOLS = ("BTC-USD", "ETH/USD", "比特币")
DAYS = ("2023-11-14", "2023-11-15")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a configuration whose lake holds three symbols on two days, and a reject without a symbol."""
    directory = tmp_path_factory.mktemp("export")
    writer = LakeWriter(str(directory / "data" / "lake"))
    writer.open()
    for number, symbol in enumerate(SYMBOLS):
        at = NOON_NS + np.repeat([0, DAY_NS], 10) + np.arange(20)
        rows = ticks(20, symbol=symbol, ts_event_ns=at, price=np.arange(20) + 100.0, item=number)
        writer.write("ticks", rows, BatchId(1, number))
    writer.write("rejects", malformed_rows([malformed()]), BatchId(1, 9))
    writer.close()
    path = directory / "config.toml"
    path.touch()
    return path


def export(config: Path, *argv: str | Path) -> int:
    return run(parse(["export", *map(str, argv), "--config", str(config)]))


@pytest.fixture(scope="module")
def exported(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("there") / "ticks"
    assert export(config, "ticks", "--output", directory) == 0
    return directory


def files_of(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def same(rows: Any) -> list[tuple[str, str, float]]:
    """Give rows in the form in which all programs agree on them."""
    return sorted((str(day)[:10], str(symbol), float(price)) for day, symbol, price in rows)


EXPECTED = sorted(
    (DAYS[number // 10], symbol, 100.0 + number) for symbol in SYMBOLS for number in range(20)
)  # fmt: skip


class TestDirectory:
    def test_has_a_file_a_date_and_symbol(self, exported: Path) -> None:
        names = ("BTC-USD", "ETH%2FUSD", "%E6%AF%94%E7%89%B9%E5%B8%81")
        assert files_of(exported) == sorted(
            f"date={day}/symbol={name}/part-0.parquet" for day in DAYS for name in names
        )

    def test_is_read_by_pyarrow(self, exported: Path) -> None:
        table: Any = pa_dataset.dataset(exported, partitioning="hive").to_table()
        assert (
            same(zip(*(table[name].to_pylist() for name in ("date", "symbol", "price")), strict=True))
            == EXPECTED
        )
        assert set(table.schema.names) == {*RESULTS["ticks"].names, "date"}

    def test_is_read_by_polars(self, exported: Path) -> None:
        frame = polars.scan_parquet(exported / "**/*.parquet", hive_partitioning=True).collect()
        assert same(frame.select("date", "symbol", "price").rows()) == EXPECTED

    def test_is_read_by_duckdb(self, exported: Path) -> None:
        with duckdb.connect() as connection:
            found = connection.sql(f"SELECT date, symbol, price FROM '{exported}/*/*/*.parquet'").fetchall()
        assert same(found) == EXPECTED

    def test_is_read_by_pandas(self, exported: Path) -> None:
        pandas = pytest.importorskip("pandas", reason="pandas is not among the dependencies")
        frame = pandas.read_parquet(exported)
        assert same(frame[["date", "symbol", "price"]].itertuples(index=False)) == EXPECTED


class TestCommand:
    def test_says_what_it_wrote(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        argv = ("--symbol", "BTC-USD", "--start", DAYS[1])
        assert export(config, "ticks", "--output", tmp_path / "a", *argv) == 0
        out, err = capsys.readouterr()
        day, total = out.splitlines()
        assert day == f"date={DAYS[1]}: 10 rows of 1 symbol"
        assert total.startswith("10 ticks in 1 files, 0.0 MiB, in ")
        assert err == ""

    def test_writes_csv_with_one_head(self, config: Path, tmp_path: Path) -> None:
        assert export(config, "ticks", "--output", tmp_path / "a", "--format", "csv") == 0
        path = tmp_path / "a" / f"date={DAYS[0]}" / "symbol=BTC-USD" / "part-0.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["price"] for row in rows] == [f"{100 + number}.0" for number in range(10)]

    def test_writes_bars(self, config: Path, tmp_path: Path) -> None:
        assert export(config, "bars", "--interval", "1h", "--output", tmp_path / "a") == 0
        assert len(files_of(tmp_path / "a")) == 6

    def test_puts_rows_without_a_symbol_where_hive_does(self, config: Path, tmp_path: Path) -> None:
        assert export(config, "rejects", "--output", tmp_path / "a") == 0
        assert [name.split("/")[1] for name in files_of(tmp_path / "a")] == [
            "symbol=__HIVE_DEFAULT_PARTITION__"
        ]
        columns: Any = {"date": pa.date32(), "symbol": pa.utf8()}
        named = pa.schema(columns)
        layout = pa_dataset.partitioning(named, flavor="hive")
        table: Any = pa_dataset.dataset(tmp_path / "a", partitioning=layout).to_table()
        assert table["symbol"].to_pylist() == [None]

    def test_writes_to_no_directory_that_holds_something(self, config: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").touch()
        with pytest.raises(UsageError, match=r"is not empty: name another directory, or add --overwrite"):
            export(config, "ticks", "--output", tmp_path)
        assert os.listdir(tmp_path) == ["mine.txt"]

    def test_replaces_what_an_earlier_export_wrote_and_nothing_else(
        self, config: Path, tmp_path: Path
    ) -> None:
        assert export(config, "ticks", "--output", tmp_path) == 0
        (tmp_path / "mine.txt").touch()
        argv = ("--output", tmp_path, "--overwrite", "--symbol", "BTC-USD", "--format", "csv")
        assert export(config, "ticks", *argv) == 0
        assert files_of(tmp_path) == [*(f"date={day}/symbol=BTC-USD/part-0.csv" for day in DAYS), "mine.txt"]

    def test_with_nothing_found_says_so(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert export(config, "ticks", "--symbol", "nobody", "--output", tmp_path / "a") == 0
        assert 'no ticks of symbol "nobody" in store lake' in capsys.readouterr().err

    def test_needs_a_directory_it_can_write_to(self, config: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="cannot write to"):
            export(config, "ticks", "--output", tmp_path / "file")

    def test_of_a_store_that_cannot_be_read_leaves_what_was_there(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert export(config, "ticks", "--output", tmp_path / "out") == 0
        writer = LakeWriter(str(tmp_path / "data" / "lake"))
        writer.open()
        writer.write("ticks", ticks(3), BatchId(1, 1))
        writer.close()
        for path in (tmp_path / "data").rglob("*.parquet"):
            path.unlink()
        (tmp_path / "a.toml").touch()
        before = files_of(tmp_path / "out")
        assert export(tmp_path / "a.toml", "ticks", "--output", tmp_path / "out", "--overwrite") == 1
        assert capsys.readouterr().err.startswith("tapeline: store lake: ")
        assert files_of(tmp_path / "out") == before


class TestFiles:
    def test_appear_once_they_are_whole(self, tmp_path: Path) -> None:
        (partition, rows), *_ = parted("ticks", ticks(3).to_batches()[0])
        with pytest.raises(ZeroDivisionError):
            self.fail_amid(tmp_path, partition, rows)
        assert files_of(tmp_path) == []

    def fail_amid(self, directory: Path, partition: Partition, rows: pa.RecordBatch) -> None:
        with ExportFiles(directory, TICKS, "parquet") as files:
            files.add(partition, rows)
            assert [name.rsplit("/", 1)[1][:10] for name in files_of(directory)] == [".tapeline-"]
            raise ZeroDivisionError

    def test_are_never_many_at_once(self, tmp_path: Path) -> None:
        """More symbols than may be open: some get a second part, and no row is lost."""
        symbols = [f"S{number}" for number in range(MOST_OPEN + 5)]
        with ExportFiles(tmp_path, TICKS, "parquet") as files:
            for turn in range(2):
                for symbol in symbols:
                    for partition, rows in parted(
                        "ticks", ticks(1, symbol=symbol, item=turn).to_batches()[0]
                    ):
                        files.add(partition, rows)
                assert sum(name.endswith(".part") for name in files_of(tmp_path)) == MOST_OPEN
        table: Any = pa_dataset.dataset(tmp_path, partitioning="hive").to_table()
        assert table.num_rows == 2 * len(symbols) == sum(files.rows.values())
        assert files.files == len(files_of(tmp_path)) > len(symbols)

    def test_take_schemas_of_every_table(self, tmp_path: Path) -> None:
        for table, schema in RESULTS.items():
            with ExportFiles(tmp_path / table, schema, "csv") as files:
                for partition, rows in parted(
                    table, pa.RecordBatch.from_pylist([{"symbol": "A"}], schema=schema)
                ):
                    files.add(partition, rows)
            assert len(files_of(tmp_path / table)) == 1

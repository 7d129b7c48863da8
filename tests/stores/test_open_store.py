"""Reading a store from a program: what comes, as what, and what is said about mistakes."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pytest

from core.errors import RetryableStoreError, SettingsError, UsageError
from core.settings_loading import load
from stores import OpenStore, open_store
from stores.lake import LakeWriter
from stores.rows import alert_rows, dead_letter_rows, gap_rows, malformed_rows
from stores.schema import RESULTS
from stores.store import BatchId
from tests.stores.making import NOON_NS, alert, dead_letter, gap, malformed, ticks

pytestmark = pytest.mark.slow
SECOND = 10**9
NOON = datetime.fromtimestamp(NOON_NS // SECOND, UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a configuration of two stores, of which the first holds two minutes of trades and more."""
    directory = tmp_path_factory.mktemp("reading")
    writer = LakeWriter(str(directory / "data" / "lake"))
    writer.open()
    seconds = np.arange(120)
    trades = ticks(120, ts_event_ns=NOON_NS + seconds * SECOND, price=100.0 + seconds, frame=seconds)
    for table, rows in (
        ("ticks", trades),
        ("rejects", malformed_rows([malformed()])),
        ("gaps", gap_rows([gap()])),
        ("alerts", alert_rows([alert(symbol="BTC-USD")])),
        ("dead_letters", dead_letter_rows([dead_letter()])),
    ):
        writer.write(table, rows, BatchId(1, 1))
    writer.close()
    path = directory / "config.toml"
    path.write_text('[[stores]]\n[[stores]]\nname = "other"\npath = "other"\n', encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def store(config: Path) -> Iterator[OpenStore]:
    with open_store(config) as opened:
        yield opened


def prices(table: pa.Table) -> list[float]:
    found: Any = table["price"].to_pylist()
    return list(found)


class TestTables:
    def test_are_those_of_a_query(self, store: OpenStore) -> None:
        given = {
            "ticks": store.ticks(), "rejects": store.rejects(), "bars": store.bars(), "gaps": store.gaps(),
            "alerts": store.alerts(), "dead_letters": store.dead_letters(),
        }  # fmt: skip
        assert {name: table.schema.names for name, table in given.items()} == {
            name: schema.names for name, schema in RESULTS.items()
        }
        assert {name: table.num_rows for name, table in given.items()} == {
            "ticks": 120, "rejects": 1, "bars": 3, "gaps": 1, "alerts": 1, "dead_letters": 1,
        }  # fmt: skip

    def test_are_restricted_by_symbol_venue_and_number(self, store: OpenStore) -> None:
        assert prices(store.ticks("BTC-USD", venue="demo", limit=2)) == [218.0, 219.0]
        assert store.ticks("ETH-USD").num_rows == store.ticks(venue="binance").num_rows == 0
        assert store.alerts("BTC-USD").num_rows == 1

    def test_come_piece_by_piece_as_well(self, store: OpenStore) -> None:
        pieces = store.batches("bars", "BTC-USD", interval="30s")
        assert sum(batch.num_rows for batch in pieces) == store.bars("BTC-USD", "30s").num_rows == 5

    def test_are_of_the_store_that_is_named(self, config: Path) -> None:
        with open_store(config, "other") as other:
            assert other.ticks().num_rows == 0

    def test_come_from_settings_too(self, config: Path) -> None:
        with open_store(load(config, (), {})) as opened:
            assert opened.ticks(limit=1).num_rows == 1

    def test_show_what_was_written_since(self, tmp_path: Path) -> None:
        """Beside a writer that goes on, every read sees what was committed before it."""
        (tmp_path / "config.toml").touch()
        writer = LakeWriter(str(tmp_path / "data" / "lake"))
        writer.open()
        with open_store(tmp_path / "config.toml") as opened:
            assert opened.ticks().num_rows == 0
            writer.write("ticks", ticks(3), BatchId(1, 1))
            assert opened.ticks().num_rows == 3
        writer.close()


class TestTimes:
    @pytest.mark.parametrize(
        "start",
        [
            NOON + timedelta(seconds=118),
            (NOON + timedelta(seconds=118)).astimezone(timezone(timedelta(hours=-5))),
            NOON_NS + 118 * SECOND,
            np.int64(NOON_NS + 118 * SECOND),
            (NOON + timedelta(seconds=118)).isoformat(),
            str(NOON_NS + 118 * SECOND),
        ],
        ids=["aware", "elsewhere", "ns", "numpy", "ISO", "text of ns"],
    )
    def test_may_be_written_in_many_ways(self, store: OpenStore, start: Any) -> None:
        assert prices(store.ticks(start=start)) == [218.0, 219.0]

    def test_may_be_relative_to_now(self, store: OpenStore) -> None:
        assert store.ticks(start="-1h").num_rows == 0

    def test_leave_the_end_out(self, store: OpenStore) -> None:
        assert prices(store.ticks(start=NOON_NS, end=NOON + timedelta(seconds=1))) == [100.0]

    def test_count_nanoseconds_where_a_datetime_knows_them(self, store: OpenStore) -> None:
        class Moment(datetime):
            nanosecond = 1

        later = Moment(NOON.year, NOON.month, NOON.day, NOON.hour, NOON.minute, NOON.second, tzinfo=UTC)
        assert prices(store.ticks(start=later, limit=200))[0] == 101.0

    @pytest.mark.parametrize("interval", ["1m", 60 * SECOND, timedelta(minutes=1)])
    def test_of_an_interval_too(self, store: OpenStore, interval: Any) -> None:
        assert store.bars(interval=interval).equals(store.bars())


class TestMistakes:
    @pytest.mark.parametrize(
        ("asked", "text"),
        [
            ({"start": datetime(2026, 1, 15)}, 'start: "2026-01-15 00:00:00" has no time zone'),
            ({"end": date(2026, 1, 15)}, 'end: "datetime.date(2026, 1, 15)" is no time'),
            ({"end": 1.5}, 'end: "1.5" is no time'),
            ({"start": True}, 'start: "True" is no time'),
            ({"start": -1}, 'start: "-1" is not a time from 1970 to 2262'),
            ({"start": "noon"}, 'start: "noon" is not a time'),
            ({"start": 2, "end": 1}, 'start "2" is later than end "1"'),
            ({"limit": 0}, 'limit: "0" must be a whole number'),
            ({"limit": "5"}, "limit: "),
            ({"symbol": 5}, 'symbol: "5" is no text'),
            ({"interval": "1m"}, "interval is the length of bars; ticks have none"),
        ],
    )
    def test_in_what_is_asked_are_told_in_one_line(
        self, store: OpenStore, asked: dict[str, Any], text: str
    ) -> None:
        with pytest.raises(UsageError) as caught:
            store.batches("ticks", **asked)
        assert str(caught.value).startswith(text)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("interval", ["soon", 0, -5, timedelta(0)])
    def test_in_an_interval_are_told(self, store: OpenStore, interval: Any) -> None:
        with pytest.raises(UsageError, match="interval"):
            store.bars(interval=interval)

    def test_in_a_name_are_told(self, store: OpenStore, config: Path) -> None:
        with pytest.raises(UsageError, match='there is no table "tick"; there are alerts, bars'):
            store.batches("tick")
        with pytest.raises(UsageError, match="alerts have no venue"):
            store.batches("alerts", venue="demo")
        with pytest.raises(UsageError, match='there is no store "x"; known are lake, other'):
            open_store(config, "x")
        with pytest.raises(SettingsError, match="cannot be read"):
            open_store(config.with_name("nowhere.toml"))

    def test_a_store_that_is_closed_says_so(self, config: Path) -> None:
        opened = open_store(config)
        opened.close()
        opened.close()
        with pytest.raises(UsageError, match='the store "lake" is closed'):
            opened.ticks()

    def test_a_store_that_cannot_be_read_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").touch()
        writer = LakeWriter(str(tmp_path / "data" / "lake"))
        writer.open()
        writer.write("ticks", ticks(3), BatchId(1, 1))
        writer.close()
        for path in (tmp_path / "data").rglob("*.parquet"):
            path.unlink()
        with open_store(tmp_path / "config.toml") as opened:
            for read in (opened.ticks, opened.bars):
                with pytest.raises(RetryableStoreError) as caught:
                    read()
                assert "\n" not in str(caught.value)


class TestFrames:
    def test_polars_takes_them(self, store: OpenStore) -> None:
        frame: Any = polars.from_arrow(store.ticks("BTC-USD"))
        assert frame["price"].sum() == sum(range(100, 220))
        assert frame["z"].null_count() == 120

    def test_duckdb_takes_them(self, store: OpenStore) -> None:
        trades = store.ticks("BTC-USD")
        with duckdb.connect() as connection:
            connection.register("trades", trades)
            assert connection.sql("SELECT max(price) FROM trades").fetchall() == [(219.0,)]

    def test_pandas_takes_them(self, store: OpenStore) -> None:
        pandas = pytest.importorskip("pandas", reason="pandas is not among the dependencies")
        frame = store.ticks("BTC-USD").to_pandas()
        assert frame["price"].sum() == sum(range(100, 220))
        start = pandas.Timestamp(NOON_NS + 118 * SECOND + 1, tz="UTC")
        assert prices(store.ticks(start=start)) == [219.0]

    def test_times_become_timestamps(self, store: OpenStore) -> None:
        times = store.ticks(limit=1)["ts_event_ns"].cast(pa.timestamp("ns", "UTC"))
        assert times.cast(pa.timestamp("us", "UTC")).to_pylist() == [NOON + timedelta(seconds=119)]


def test_the_package_alone_imports_nothing_heavy() -> None:
    code = "import stores, sys; print(*sys.modules); assert callable(stores.open_store)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"numpy", "pyarrow", "duckdb", "pydantic", "deltalake"}.isdisjoint(ran.stdout.split())

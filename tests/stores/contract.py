"""What every store must do; a store's own test module derives a class that says how it is opened."""

import math
import multiprocessing
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from core.errors import PermanentStoreError, UsageError
from core.records import BOTH, BUY, NO_TIME, QUOTE, SELL, TRADE
from stores import registry
from stores.registry import StoreTerms
from stores.rows import alert_rows, dead_letter_rows, gap_rows, malformed_rows, scored_rows
from stores.schema import RESULTS, TABLES
from stores.store import BatchId, Query, Store, StoreReader, pack_origins
from tests.stores.making import (
    DAY_NS,
    NOON_NS,
    alert,
    block,
    dead_letter,
    empty,
    gap,
    malformed,
    rows_of,
    ticks,
)

SECOND = 10**9
LATER_NS = NOON_NS + 9
STRANGE = ["BTC/USD", "比特币", "🚀'; DROP TABLE ticks; --", "a\nb", " ", "%", "e\u0301"]


@dataclass(frozen=True)
class Opening:
    """Says how to open a store without the registry; can be sent to another process."""

    writer: Callable[[], Store]
    reader: Callable[[], StoreReader]


Terms = StoreTerms | Opening


def open_writer(terms: Terms) -> Store:
    """Give the writer's side."""
    return terms.writer() if isinstance(terms, Opening) else registry.open_writer(terms)


def open_reader(terms: Terms) -> StoreReader:
    """Give the query's side."""
    return terms.reader() if isinstance(terms, Opening) else registry.open_reader(terms)


@contextmanager
def opened(terms: Terms) -> Iterator[Store]:
    """Open a writer, and close it."""
    with closing(open_writer(terms)) as store:
        store.open()
        yield store


def asked(terms: Terms, table: str = "ticks", **query: Any) -> list[dict[str, Any]]:
    """Ask a reader of one's own."""
    with closing(open_reader(terms)) as reader:
        return rows_of(reader.read(Query(table, **query)))


def count_rows(terms: Terms, told: Any) -> None:
    """Read twice in another process, and tell how many rows there were."""
    told.put([len(asked(terms)), len(asked(terms, symbol="BTC-USD"))])


@pytest.mark.slow
class StoreContract(ABC):
    """The contract of `stores.store`, seen from outside."""

    cannot: ClassVar[Mapping[str, str]] = {}
    """The tests of what a server cannot do, each with the reason."""

    @pytest.fixture(autouse=True)
    def _skip_what_it_cannot_do(self, request: pytest.FixtureRequest) -> None:
        name = request.node.originalname
        if name in self.cannot:
            pytest.skip(self.cannot[name])

    @pytest.fixture
    @abstractmethod
    def terms(self, tmp_path: Any) -> Terms:
        """Say how to open an empty store."""

    @pytest.mark.parametrize("table", sorted(RESULTS))
    def test_a_store_that_was_never_written_to_gives_no_rows_of_the_right_schema(
        self, terms: Terms, table: str
    ) -> None:
        with closing(open_reader(terms)) as reader:
            rows = reader.read(Query(table, interval_ns=SECOND)).read_all()
        assert rows.num_rows == 0
        assert rows.schema.equals(RESULTS[table])

    @pytest.mark.parametrize("table", sorted(TABLES))
    def test_an_empty_batch_is_held_and_gives_no_rows(self, terms: Terms, table: str) -> None:
        with opened(terms) as store:
            assert not store.holds(table, BatchId(1, 0))
            store.write(table, empty(table), BatchId(1, 0))
            assert store.holds(table, BatchId(1, 0))
        assert asked(terms, table) == []

    def test_every_table_gives_back_what_was_written(self, terms: Terms) -> None:
        _, rejects = scored_rows([block(2, verdict=2, reason=1, bid=9.0, ask=8.0)])
        written = {
            "ticks": ticks(3, side=[BUY, SELL, 0], kind=[TRADE, QUOTE, BOTH], verdict=[0, 1, 0], z=0.5),
            "rejects": rejects,
            "gaps": gap_rows([gap(), gap(symbol=None, first_missing=None, last_missing=None, item=1)]),
            "alerts": alert_rows([alert(), alert(feed=None, text="später", ts_ns=NOON_NS + 1)]),
            "dead_letters": dead_letter_rows([dead_letter(raw=b"\x00\xff")]),
        }
        with opened(terms) as store:
            for table, rows in written.items():
                store.write(table, rows, BatchId(1, 0))
        for table, rows in written.items():
            names = TABLES[table].names
            found = [{name: row[name] for name in names} for row in asked(terms, table)]
            assert found == rows.to_pylist()

    def test_malformed_records_and_refused_ticks_share_a_table(self, terms: Terms) -> None:
        with opened(terms) as store:
            store.write("rejects", malformed_rows([malformed(symbol="ETH-USD")]), BatchId(1, 0))
        (row,) = asked(terms, "rejects")
        assert (row["reason"], row["raw"], row["verdict"], row["price"], row["kind"], row["ts_event_ns"]) == (
            "bad_type", b"\xff{", "reject", None, None, None,
        )  # fmt: skip

    def test_absent_values_are_null_and_zero_is_a_value(self, terms: Terms) -> None:
        with opened(terms) as store:
            rows = ticks(2, price=[math.nan, 0.0], ts_event_ns=[NO_TIME, NOON_NS + 9], size=math.nan)
            store.write("ticks", rows, BatchId(1, 0))
        absent, zero = asked(terms)
        assert (absent["price"], absent["ts_event_ns"], absent["venue_id"], absent["side"]) == (None,) * 4
        assert (zero["price"], zero["size"]) == (0.0, None)

    def test_extreme_numbers_come_back_exactly(self, terms: Terms) -> None:
        prices = [5e-324, 1.7976931348623157e308, -0.0, 0.1, 12345678.12345678, math.inf, -math.inf]
        times = [NOON_NS + i for i in range(len(prices))]
        with opened(terms) as store:
            frames = 2**40 + np.arange(len(prices))
            rows = ticks(len(prices), price=prices, ts_event_ns=times, session=-(2**62), frame=frames)
            store.write("ticks", rows, BatchId(1, 0))
        found = asked(terms)
        assert [row["price"] for row in found] == prices
        assert math.copysign(1, found[2]["price"]) == -1
        assert [row["ts_event_ns"] for row in found] == times
        assert [(row["session"], row["frame"]) for row in found] == [(-(2**62), n) for n in frames]

    @pytest.mark.parametrize(
        "symbol", ["BTC/USD", "比特币", "🚀'; DROP TABLE ticks; --", "a\nb", " ", "%", "e\u0301"]
    )
    def test_any_symbol_is_kept_and_found(self, terms: Terms, symbol: str) -> None:
        with opened(terms) as store:
            store.write("ticks", ticks(2, symbol=symbol), BatchId(1, 0))
            store.write("ticks", ticks(1, symbol="other", frame=5), BatchId(1, 1))
        assert [row["symbol"] for row in asked(terms, symbol=symbol)] == [symbol] * 2

    def test_half_a_surrogate_pair_does_no_harm(self, terms: Terms) -> None:
        with opened(terms) as store:
            store.write("ticks", ticks(1, symbol="x\ud800y"), BatchId(1, 0))
        assert asked(terms)[0]["symbol"] == "x\ufffdy"

    def test_holds_is_true_of_what_was_written_and_of_what_it_superseded(self, terms: Terms) -> None:
        with opened(terms) as store:
            store.write("ticks", ticks(), BatchId(1, 5))
            held = [store.holds("ticks", BatchId(1, number)) for number in (4, 5, 6)]
            assert held == [True, True, False]
            assert not store.holds("ticks", BatchId(2, 5))
            assert not store.holds("gaps", BatchId(1, 5))

    def test_holds_and_origins_outlive_the_writer(self, terms: Terms) -> None:
        with opened(terms) as store:
            store.write("ticks", ticks(3, frame=[4, 4, 9], item=[0, 1, 0]), BatchId(1, 5))
            store.write("ticks", ticks(1, frame=2, line="spot/1/A"), BatchId(1, 6))
            store.write("ticks", ticks(1, session=2, frame=8), BatchId(2, 0))
        with opened(terms) as store:
            assert store.holds("ticks", BatchId(1, 6))
            assert not store.holds("ticks", BatchId(1, 7))
            found = {line: sorted(packed.tolist()) for line, packed in store.origins("ticks", 1).items()}
            assert found == {
                "spot/0/A": pack_origins([4, 4, 9], [0, 1, 0]).tolist(),
                "spot/1/A": pack_origins([2], [0]).tolist(),
            }
            assert store.origins("ticks", 3) == {}
            assert store.origins("gaps", 1) == {}

    @pytest.mark.parametrize(
        ("since", "expected"),
        [
            ({}, {"spot/0/A": range(300), "spot/1, 'A\\": range(0, 30, 3)}),
            ({"spot/0/A": 257}, {"spot/0/A": range(257, 300), "spot/1, 'A\\": range(0, 30, 3)}),
            ({"spot/1, 'A\\": 13}, {"spot/0/A": range(300), "spot/1, 'A\\": range(15, 30, 3)}),
            ({"spot/0/A": 299, "spot/1, 'A\\": 9},
             {"spot/0/A": [299], "spot/1, 'A\\": range(9, 30, 3)}),
            ({"spot/9/A": 2}, {"spot/0/A": range(300), "spot/1, 'A\\": range(0, 30, 3)}),
            ({"spot/0/A": 300}, {"spot/1, 'A\\": range(0, 30, 3)}),
            ({"spot/0/A": 2**40, "spot/1, 'A\\": 28, "spot/9/A": 0}, {}),
        ],
    )  # fmt: skip
    def test_origins_come_from_the_frame_on_that_each_line_is_asked_for(
        self, terms: Terms, since: dict[str, int], expected: dict[str, Sequence[int]]
    ) -> None:
        """Of a line that is not named, all come; another session's are none of it."""
        other = "spot/1, 'A\\"
        with opened(terms) as store:
            store.write("ticks", ticks(200, frame=np.arange(200)), BatchId(1, 0))
            store.write("ticks", ticks(100, frame=np.arange(200, 300), item=[0, 1] * 50), BatchId(1, 1))
            store.write("ticks", ticks(10, frame=np.arange(0, 30, 3), line=other), BatchId(1, 2))
            store.write("ticks", ticks(2, session=2, frame=[298, 299], item=7), BatchId(2, 0))
            store.write("gaps", gap_rows([gap(frame=7), gap(frame=8)]), BatchId(1, 0))
            found = {line: sorted(p.tolist()) for line, p in store.origins("ticks", 1, since).items()}
            gaps = store.origins("gaps", 1, {"spot/0/A": 8})
        assert found == {
            line: [pack_origins(n, n % 2 if n >= 200 else 0) for n in frames]
            for line, frames in expected.items()
        }
        assert {line: packed.tolist() for line, packed in gaps.items()} == {"spot/0/A": [pack_origins(8, 0)]}

    def test_rows_of_another_schema_are_refused_for_good(self, terms: Terms) -> None:
        with opened(terms) as store:
            for rows in (empty("gaps"), ticks().rename_columns([*ticks().column_names[:-1], "other"])):
                with pytest.raises(PermanentStoreError):
                    store.write("ticks", rows, BatchId(1, 0))
            with pytest.raises(PermanentStoreError):
                store.write("candles", ticks(), BatchId(1, 0))
        assert asked(terms) == []

    def test_close_is_legal_at_any_time(self, terms: Terms) -> None:
        store = open_writer(terms)
        store.close()
        store.open()
        store.close()
        store.close()

    def test_rows_come_by_event_time_else_receive_time_and_then_by_origin(self, terms: Terms) -> None:
        with opened(terms) as store:
            rows = ticks(
                5, ts_event_ns=NOON_NS + np.array([7, 3, 3, NO_TIME - NOON_NS, 3]), ts_recv_ns=NOON_NS + 5,
                frame=[0, 2, 2, 3, 1], item=[0, 1, 0, 0, 0],
            )  # fmt: skip
            store.write("ticks", rows, BatchId(1, 0))
        order = [(row["frame"], row["item"]) for row in asked(terms)]
        assert order == [(1, 0), (2, 0), (2, 1), (3, 0), (0, 0)]

    def test_a_range_takes_its_start_and_leaves_its_end(self, terms: Terms) -> None:
        times = [NOON_NS, NOON_NS + 1, NOON_NS + 2, NOON_NS + DAY_NS, -1, -DAY_NS - 1]
        with opened(terms) as store:
            store.write("ticks", ticks(6, ts_event_ns=times), BatchId(1, 0))
            late = ticks(1, ts_event_ns=NO_TIME, ts_recv_ns=NOON_NS + 1, frame=6)
            store.write("ticks", late, BatchId(1, 1))

        def times_in(start: int | None, end: int | None) -> list[int]:
            rows = asked(terms, start_ns=start, end_ns=end)
            return [
                row["ts_event_ns"] if row["ts_event_ns"] is not None else row["ts_recv_ns"] for row in rows
            ]

        assert times_in(NOON_NS + 1, NOON_NS + 2) == [NOON_NS + 1] * 2
        assert times_in(NOON_NS + 2, None) == [NOON_NS + 2, NOON_NS + DAY_NS]
        assert times_in(None, 0) == [-DAY_NS - 1, -1]
        assert times_in(-(2**70), 2**70) == sorted([*times, NOON_NS + 1])
        assert times_in(NOON_NS + 2, NOON_NS) == []

    @pytest.mark.parametrize(
        ("table", "rows", "start"),
        [
            ("gaps", gap_rows([gap(), gap(ts_recv_ns=LATER_NS, item=1)]), NOON_NS + 5),
            ("alerts", alert_rows([alert(), alert(ts_ns=LATER_NS)]), NOON_NS + 5),
            (
                "dead_letters",
                dead_letter_rows([dead_letter(), dead_letter(ts_recv_ns=LATER_NS, item=1)]),
                LATER_NS,
            ),
        ],
    )  # fmt: skip
    def test_other_tables_are_ranged_by_their_own_time(
        self, terms: Terms, table: str, rows: Any, start: int
    ) -> None:
        with opened(terms) as store:
            store.write(table, rows, BatchId(1, 0))
        assert len(asked(terms, table)) == 2
        assert len(asked(terms, table, start_ns=start)) == 1
        assert len(asked(terms, table, end_ns=start)) == 1
        assert asked(terms, table, symbol="none such") == []

    def test_venue_and_symbol_select(self, terms: Terms) -> None:
        with opened(terms) as store:
            store.write("ticks", ticks(2, venue="coinbase", symbol="BTC-USD"), BatchId(1, 0))
            store.write("ticks", ticks(3, venue="binance", symbol="BTCUSDT", line="b/0/A"), BatchId(1, 1))
            store.write("ticks", ticks(1, venue="coinbase", symbol="ETH-USD", frame=5), BatchId(1, 2))
        assert len(asked(terms, venue="coinbase")) == 3
        assert len(asked(terms, venue="coinbase", symbol="BTC-USD")) == 2
        assert asked(terms, venue="binance", symbol="BTC-USD") == []

    @pytest.mark.parametrize("limit", [1, 3, 4, 6, 100])
    def test_a_limit_gives_the_last_rows_oldest_first(self, terms: Terms, limit: int) -> None:
        times = [NOON_NS + day * DAY_NS + i for day in range(2) for i in range(3)]
        with opened(terms) as store:
            store.write("ticks", ticks(6, ts_event_ns=times[::-1]), BatchId(1, 0))
        assert [row["ts_event_ns"] for row in asked(terms, limit=limit)] == times[-limit:]

    def test_quotes_have_the_derived_columns(self, terms: Terms) -> None:
        with opened(terms) as store:
            rows = ticks(
                4, kind=QUOTE, price=math.nan, size=math.nan,
                bid=[99.0, 99.0, math.nan, 99.0], ask=[101.0, 101.0, 101.0, 101.0],
                bid_size=[3.0, 0.0, 1.0, math.nan], ask_size=[1.0, 0.0, 1.0, 1.0],
            )  # fmt: skip
            store.write("ticks", rows, BatchId(1, 0))
        whole, no_size, no_bid, absent_size = (
            tuple(row[name] for name in ("mid", "spread", "spread_bps", "microprice")) for row in asked(terms)
        )
        assert whole == (100.0, 2.0, pytest.approx(200.0), pytest.approx(100.5))
        assert no_size == (100.0, 2.0, pytest.approx(200.0), None)
        assert no_bid == (None,) * 4
        assert absent_size == (100.0, 2.0, pytest.approx(200.0), None)

    @pytest.mark.parametrize("interval", [1, 7, SECOND, 60 * SECOND, 5 * DAY_NS])
    def test_bars_are_those_of_a_plain_computation(self, terms: Terms, interval: int) -> None:
        rng = np.random.default_rng(interval)
        n = 200
        times = rng.integers(-3, 3, n) * interval + rng.integers(0, max(interval // 2, 1), n)
        rows = ticks(
            n, ts_event_ns=times, price=rng.integers(1, 99, n) / 8, kind=rng.integers(0, 3, n),
            size=np.where(rng.random(n) < 0.3, math.nan, rng.integers(0, 5, n)), frame=rng.permutation(n),
        )  # fmt: skip
        with opened(terms) as store:
            store.write("ticks", rows.slice(0, 50), BatchId(1, 0))
            store.write("ticks", rows.slice(50), BatchId(1, 1))
        found = asked(terms, "bars", interval_ns=interval)
        expected = plain_bars(rows.to_pylist(), interval)
        assert len(found) == len(expected)
        for bar, plain in zip(found, expected, strict=True):
            assert {k: v for k, v in bar.items() if k != "vwap"} == {
                k: v for k, v in plain.items() if k != "vwap"
            }
            assert bar["vwap"] == (None if plain["vwap"] is None else pytest.approx(plain["vwap"], rel=1e-12))

    def test_bars_are_whole_whatever_the_range(self, terms: Terms) -> None:
        with opened(terms) as store:
            rows = ticks(6, ts_event_ns=[NOON_NS + i * SECOND // 2 for i in range(6)])
            store.write("ticks", rows, BatchId(1, 0))
        bars = asked(terms, "bars", interval_ns=SECOND, start_ns=NOON_NS + 1, end_ns=NOON_NS + SECOND + 1)
        assert [(bar["ts_ns"], bar["trades"]) for bar in bars] == [(NOON_NS + SECOND, 2)]
        assert [bar["ts_ns"] for bar in asked(terms, "bars", interval_ns=SECOND, limit=2)] == [
            NOON_NS + SECOND,
            NOON_NS + 2 * SECOND,
        ]

    @pytest.mark.parametrize(
        "query",
        [
            Query("bars"),
            Query("bars", interval_ns=0),
            Query("bars", interval_ns=-5),
            Query("bars", interval_ns=2**63),
            Query("candles"),
            Query("alerts", venue="demo"),
        ],
    )
    def test_a_query_that_makes_no_sense_is_the_users_error(self, terms: Terms, query: Query) -> None:
        with closing(open_reader(terms)) as reader, pytest.raises(UsageError):
            reader.read(query)

    def test_two_processes_read_beside_the_writer(self, terms: Terms) -> None:
        spawn = multiprocessing.get_context("spawn")
        told: Any = spawn.Queue()
        with opened(terms) as store:
            store.write("ticks", ticks(10), BatchId(1, 0))
            readers = [spawn.Process(target=count_rows, args=(terms, told)) for _ in range(2)]
            for reader in readers:
                reader.start()
            for number in range(1, 21):
                store.write("ticks", ticks(10, frame=np.arange(10) + 10 * number), BatchId(1, number))
            counts = [told.get(timeout=60) for _ in readers]
            for reader in readers:
                reader.join(60)
        assert [reader.exitcode for reader in readers] == [0, 0]
        for first, second in counts:
            assert 10 <= first <= second <= 210
            assert first % 10 == second % 10 == 0

    def test_a_thread_reads_whole_batches_while_the_writer_writes_and_tidies(self, terms: Terms) -> None:
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                seen.append(len(asked(terms)))

        with opened(terms) as store:
            store.write("ticks", ticks(10), BatchId(1, 0))
            thread = threading.Thread(target=read)
            thread.start()
            for number in range(1, 31):
                store.write("ticks", ticks(10, frame=np.arange(10) + 10 * number), BatchId(1, number))
                store.maintain()
            done.set()
            thread.join(60)
        assert seen == sorted(seen)
        assert seen
        assert all(count % 10 == 0 for count in seen)
        assert len(asked(terms)) == 310


def plain_bars(rows: list[dict[str, Any]], interval: int) -> list[dict[str, Any]]:
    """Compute bars row by row."""
    trades = [row for row in rows if row["kind"] in ("trade", "both")]
    trades.sort(key=lambda row: (row["ts_event_ns"], row["session"], row["line"], row["frame"], row["item"]))
    groups: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for row in trades:
        start = row["ts_event_ns"] // interval * interval
        groups.setdefault((start, row["venue"], row["symbol"]), []).append(row)
    return [_plain_bar(key, groups[key]) for key in sorted(groups)]


def _plain_bar(key: tuple[int, str, str], group: list[dict[str, Any]]) -> dict[str, Any]:
    prices = [row["price"] for row in group]
    sized = [row for row in group if row["size"] is not None]
    volume = sum(row["size"] for row in sized) if sized else None
    notional = sum(row["price"] * row["size"] for row in sized)
    return {
        "venue": key[1], "symbol": key[2], "ts_ns": key[0], "open": prices[0], "high": max(prices),
        "low": min(prices), "close": prices[-1], "volume": volume,
        "vwap": notional / volume if volume else None, "trades": len(group),
    }  # fmt: skip

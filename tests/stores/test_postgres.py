"""The store in PostgreSQL, on a real server: the contract, and what only this store can get wrong."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from core.errors import PermanentStoreError, RetryableStoreError, StoreVersionError, UsageError
from core.records import BOTH, NO_TIME, QUOTE
from stores.lake import LakeWriter
from stores.lake_reader import LakeReader
from stores.postgres import PostgresWriter
from stores.postgres_reader import PostgresReader
from stores.rows import dead_letter_rows, gap_rows
from stores.schema import SCHEMA_VERSION, TABLES
from stores.store import BatchId, Query
from stores.writing import write_part
from tests.stores.contract import Opening, StoreContract
from tests.stores.making import DAY_NS, NOON_NS, dead_letter, empty, gap, part, rows_of, ticks
from tests.support.postgres import CuttingProxy, Server
from tests.support.processes import eventually

pytestmark = pytest.mark.slow
TIMEOUT_SECONDS = 2.0
SECRET = "s3cr3t"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests of a process."""
    with Server() as started:
        yield started


@pytest.fixture
def schema(server: Server) -> str:
    """Name a part of the database that is the test's own."""
    return server.schema()


@pytest.fixture
def url(server: Server, schema: str) -> str:
    return server.url(schema)


@pytest.fixture
def writer(url: str) -> Iterator[PostgresWriter]:
    with opened(url) as store:
        yield store


@contextmanager
def opened(url: str, **terms: Any) -> Iterator[PostgresWriter]:
    with closing(PostgresWriter(url, **terms)) as store:
        store.open()
        yield store


def read(url: str, table: str = "ticks", **query: Any) -> list[dict[str, Any]]:
    with closing(PostgresReader(url)) as reader:
        return rows_of(reader.read(Query(table, **query)))


def frames(url: str) -> list[int]:
    return [row["frame"] for row in read(url)]


class TestContract(StoreContract):
    """Every test of the contract, in a schema of its own."""

    @pytest.fixture
    def terms(self, url: str) -> Opening:
        """Name an empty schema."""
        return Opening(partial(PostgresWriter, url), partial(PostgresReader, url))


# Who may write


def test_a_writer_that_was_replaced_can_write_nothing_more(url: str, writer: PostgresWriter) -> None:
    writer.write("ticks", ticks(frame=1), BatchId(1, 0))
    with opened(url) as replacement:
        for session, number in ((1, 1), (7, 0)):
            with pytest.raises(RetryableStoreError):
                writer.write("ticks", ticks(frame=2), BatchId(session, number))
            assert not replacement.holds("ticks", BatchId(session, number))
        with pytest.raises(RetryableStoreError, match="another writer has taken over"):
            writer.holds("ticks", BatchId(1, 0))
        replacement.write("ticks", ticks(frame=3), BatchId(1, 1))
    assert frames(url) == [1, 3]


def test_a_writer_that_stays_connected_finds_that_it_was_replaced(
    server: Server, schema: str, url: str, writer: PostgresWriter
) -> None:
    """Its backend cannot always be ended: the role may lack the right."""
    with server.connected(schema) as connection:
        connection.execute("UPDATE tapeline_store SET epoch = epoch + 1, writer_pid = NULL")
    with pytest.raises(RetryableStoreError, match="another writer has taken over"):
        writer.write("ticks", ticks(), BatchId(1, 0))
    assert read(url) == []


@pytest.fixture
def proxy(server: Server) -> Iterator[CuttingProxy]:
    with closing(CuttingProxy(server.port)) as between:
        yield between


@pytest.mark.parametrize(("moment", "held"), [("before", False), ("after", True)])
def test_after_a_commit_of_unknown_outcome_the_store_tells_whether_it_holds_the_batch(
    server: Server, schema: str, url: str, proxy: CuttingProxy, moment: str, held: bool
) -> None:
    with opened(server.url(schema, port=proxy.port), timeout_seconds=TIMEOUT_SECONDS) as store:
        store.write("ticks", ticks(frame=1), BatchId(1, 0))
        proxy.cut_at_commit = moment
        with pytest.raises(RetryableStoreError):
            store.write("ticks", ticks(frame=2), BatchId(1, 1))
        assert proxy.cut.is_set()
        assert store.holds("ticks", BatchId(1, 1)) is held
        if not held:
            store.write("ticks", ticks(frame=2), BatchId(1, 1))
        store.write("ticks", ticks(frame=3), BatchId(1, 2))
    assert frames(url) == [1, 2, 3]


def test_a_replacement_does_not_wait_for_a_transaction_that_its_predecessor_left_open(
    server: Server, schema: str, url: str, proxy: CuttingProxy
) -> None:
    with opened(server.url(schema, port=proxy.port)) as hanging:
        proxy.cut_at_commit = "before"
        with pytest.raises(RetryableStoreError):
            hanging.write("ticks", ticks(frame=1), BatchId(1, 0))
        with opened(url, timeout_seconds=TIMEOUT_SECONDS) as replacement:
            assert not replacement.holds("ticks", BatchId(1, 0))
            replacement.write("ticks", ticks(frame=2), BatchId(1, 0))
    assert frames(url) == [2]


def test_a_transaction_that_nobody_may_end_holds_up_a_replacement_until_it_is_idle_for_too_long(
    server: Server, schema: str, url: str, proxy: CuttingProxy
) -> None:
    with opened(server.url(schema, port=proxy.port), timeout_seconds=3 * TIMEOUT_SECONDS) as hanging:
        with server.connected(schema) as connection:
            connection.execute("UPDATE tapeline_store SET writer_pid = NULL")
        proxy.cut_at_commit = "before"
        with pytest.raises(RetryableStoreError):
            hanging.write("ticks", ticks(frame=1), BatchId(1, 0))
        replacement = PostgresWriter(url, timeout_seconds=0.5)
        with pytest.raises(RetryableStoreError, match=r"55P03|no answer in time"):
            replacement.open()
        eventually(partial(opens, replacement))
        replacement.write("ticks", ticks(frame=2), BatchId(1, 0))
        replacement.close()
    assert frames(url) == [2]


def opens(store: PostgresWriter) -> bool:
    """Tell whether a store can be opened by now."""
    try:
        store.open()
    except RetryableStoreError:
        return False
    return True


# Faults


def test_a_server_that_was_killed_and_started_again_is_written_to_by_the_same_writer(
    server: Server, url: str, writer: PostgresWriter
) -> None:
    writer.write("ticks", ticks(frame=1), BatchId(1, 0))
    server.kill()
    for _ in range(2):
        with pytest.raises(RetryableStoreError) as failed:
            writer.write("ticks", ticks(frame=2), BatchId(1, 1))
        assert "\n" not in str(failed.value)
    with pytest.raises(RetryableStoreError):
        read(url)
    server.start()
    assert writer.holds("ticks", BatchId(1, 0))
    assert not writer.holds("ticks", BatchId(1, 1))
    writer.write("ticks", ticks(frame=2), BatchId(1, 1))
    assert frames(url) == [1, 2]


def test_a_server_that_was_stopped_in_order_is_worth_another_try(
    server: Server, url: str, writer: PostgresWriter
) -> None:
    server.stop()
    with pytest.raises(RetryableStoreError):
        writer.write("ticks", ticks(), BatchId(1, 0))
    with pytest.raises(RetryableStoreError):
        PostgresWriter(url).open()
    server.start()
    writer.write("ticks", ticks(), BatchId(1, 0))
    assert frames(url) == [0]


def test_a_server_that_stalls_costs_no_more_than_the_timeout(server: Server, url: str) -> None:
    with opened(url, timeout_seconds=TIMEOUT_SECONDS) as store:
        store.write("ticks", ticks(frame=1), BatchId(1, 0))
        reader = PostgresReader(url, timeout_seconds=TIMEOUT_SECONDS)
        began = monotonic()
        with server.stalled():
            with pytest.raises(RetryableStoreError, match="no answer in time"):
                store.write("ticks", ticks(frame=2), BatchId(1, 1))
            with pytest.raises(RetryableStoreError, match="timeout"):
                store.holds("ticks", BatchId(1, 1))
            with pytest.raises(RetryableStoreError, match="timeout"):
                reader.read(Query("ticks"))
        # Three waits of two seconds each, and time to spare for a busy machine.
        assert monotonic() - began < 20
        assert not store.holds("ticks", BatchId(1, 1))
        store.write("ticks", ticks(frame=2), BatchId(1, 1))
    assert frames(url) == [1, 2]


def test_a_query_whose_server_stalls_gives_up(server: Server, url: str, writer: PostgresWriter) -> None:
    for number in range(6):
        rows = ticks(8_000, frame=np.arange(8_000) + 8_000 * number)
        writer.write("ticks", rows, BatchId(1, number))
    with closing(PostgresReader(url, statement_seconds=TIMEOUT_SECONDS)) as reader:
        batches = reader.read(Query("ticks"))
        with server.stalled(), pytest.raises(Exception, match="no answer in time"):
            batches.read_all()


def test_a_table_that_somebody_locks_is_worth_another_try(server: Server, schema: str, url: str) -> None:
    with opened(url, timeout_seconds=1.0) as store, server.connected(schema) as other:
        with other.transaction():
            other.execute("LOCK TABLE ticks")
            with pytest.raises(RetryableStoreError, match=r"55P03|no answer in time"):
                store.write("ticks", ticks(), BatchId(1, 0))
        store.write("ticks", ticks(), BatchId(1, 0))
    assert frames(url) == [0]


def fail_with(server: Server, schema: str, state: str) -> None:
    """Have every row of `gaps` end in an error of this SQLSTATE."""
    with server.connected(schema) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'it happens' USING ERRCODE = '{state}'; END $$; "
            "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON gaps FOR EACH ROW EXECUTE FUNCTION fail()"
        )


def test_only_what_rows_are_to_blame_for_is_permanent(
    server: Server, schema: str, writer: PostgresWriter
) -> None:
    kinds = {
        RetryableStoreError: ("53100", "53200", "53300", "40001", "40P01", "55P03", "57014", "XX000"),
        PermanentStoreError: ("22003", "22P05", "23502", "23514", "54000", "P0001"),
    }  # fmt: skip
    for kind, states in kinds.items():
        for state in states:
            fail_with(server, schema, state)
            with pytest.raises(kind, match=rf"^cannot write to gaps: it happens \({state}\)$"):
                writer.write("gaps", gap_rows([gap()]), BatchId(1, 0))
            assert not writer.holds("gaps", BatchId(1, 0))


def test_a_row_that_the_database_refuses_is_found_and_the_others_are_kept(
    server: Server, schema: str, url: str, writer: PostgresWriter
) -> None:
    with server.connected(schema) as connection:
        connection.execute("ALTER TABLE ticks ADD CONSTRAINT not_unlucky CHECK (price <> 13)")
    written = write_part(writer, part(5, price=[1.0, 2.0, 13.0, 4.0, 5.0]), unsure=False)
    (refusal,) = written.refused
    assert "not_unlucky" in refusal.error
    assert [row["price"] for row in read(url)] == [1.0, 2.0, 4.0, 5.0]


def test_a_row_is_never_there_twice_even_if_somebody_forgets_to_ask(url: str, writer: PostgresWriter) -> None:
    writer.write("ticks", ticks(2), BatchId(1, 0))
    with pytest.raises(PermanentStoreError, match="23505"):
        writer.write("ticks", ticks(2), BatchId(1, 1))
    assert not writer.holds("ticks", BatchId(1, 1))
    assert len(read(url)) == 2


def test_gaps_and_dead_letters_of_one_place_may_be_several(url: str, writer: PostgresWriter) -> None:
    writer.write("gaps", gap_rows([gap(), gap(cause="reconnect", symbol=None)]), BatchId(1, 0))
    writer.write("dead_letters", dead_letter_rows([dead_letter(), dead_letter()]), BatchId(1, 0))
    assert [len(read(url, table)) for table in ("gaps", "dead_letters")] == [2, 2]


def test_what_could_not_be_decoded_may_be_long_and_have_a_long_symbol(
    url: str, writer: PostgresWriter
) -> None:
    symbol = "".join(map(chr, np.random.default_rng(1).integers(0x4E00, 0x9FFF, 20_000)))
    raw = bytes(range(256)) * 256
    writer.write("dead_letters", dead_letter_rows([dead_letter(raw=raw, symbol=symbol)]), BatchId(1, 0))
    (row,) = read(url, "dead_letters")
    assert (row["raw"], row["symbol"]) == (raw, symbol)


def test_nul_in_a_text_becomes_the_replacement_character(url: str, writer: PostgresWriter) -> None:
    writer.write("ticks", ticks(2, symbol="a\0b"), BatchId(1, 0))
    assert [row["symbol"] for row in read(url, symbol="a\ufffdb")] == ["a\ufffdb"] * 2


# The same answers as the lake's


@pytest.mark.parametrize("seed", range(3))
def test_a_query_gives_the_same_as_the_lake(url: str, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 300
    times = NOON_NS + rng.integers(-2, 2, n) * DAY_NS + rng.integers(-3, 3, n)
    chosen = rng.choice(["a", "B", "ä", "比"], 2)
    rows = [
        ticks(
            n, symbol=str(symbol), line=f"{symbol}/0/A", kind=rng.integers(0, 3, n), frame=rng.permutation(n),
            ts_event_ns=np.where(rng.random(n) < 0.1, NO_TIME, times),
            price=rng.integers(1, 99, n) / 8,
            size=np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 5, n)),
            **{name: rng.choice([np.nan, 0.0, 1.5, math.inf, 1e308], n)
               for name in ("bid", "bid_size", "ask", "ask_size")},
        )
        for symbol in np.unique(chosen)
    ]  # fmt: skip
    with closing(LakeWriter(str(tmp_path))) as lake, opened(url) as store:
        lake.open()
        for number, each in enumerate(rows):
            lake.write("ticks", each, BatchId(1, number))
            store.write("ticks", each, BatchId(1, number))
    with closing(LakeReader(str(tmp_path))) as theirs, closing(PostgresReader(url)) as ours:
        for query in (
            Query("ticks"),
            Query("ticks", limit=17),
            Query("ticks", symbol=str(chosen[0]), start_ns=NOON_NS - 2, end_ns=NOON_NS + DAY_NS),
            Query("bars", interval_ns=DAY_NS),
            Query("bars", interval_ns=2, symbol=str(chosen[0]), limit=5),
            Query("bars", interval_ns=1, start_ns=NOON_NS),
        ):
            assert rows_of(ours.read(query)) == rows_of(theirs.read(query))


def test_numbers_at_the_ends_of_the_range_end_no_query(url: str, writer: PostgresWriter) -> None:
    extremes = [5e-324, 1e-200, 1e200, 1.7976931348623157e308, math.inf, -math.inf, -0.0]
    prices, sizes = (grid.ravel() for grid in np.meshgrid(extremes, extremes))
    rows = ticks(
        len(prices), kind=BOTH, price=prices, size=sizes,
        bid=prices, ask=sizes, bid_size=sizes, ask_size=prices,
    )  # fmt: skip
    writer.write("ticks", rows, BatchId(1, 0))
    assert len(read(url)) == len(prices)
    (bar,) = read(url, "bars", interval_ns=DAY_NS)
    assert (bar["trades"], bar["high"], bar["volume"], bar["vwap"]) == (len(prices), math.inf, None, None)
    assert len(read(url, "bars", interval_ns=1)) == len(prices)


def test_text_is_ordered_by_its_bytes_whatever_the_databases_language(server: Server) -> None:
    english = server.database("ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    url = server.url(database=english)
    with opened(url) as store:
        for number, line in enumerate(["b", "B", "a", "ä"]):
            store.write("ticks", ticks(line=line), BatchId(1, number))
    assert [row["line"] for row in read(url)] == ["B", "a", "b", "ä"]


def test_many_rows_come_in_several_batches_and_in_order(url: str, writer: PostgresWriter) -> None:
    n = 20_001
    writer.write("ticks", ticks(n, kind=QUOTE, bid=np.arange(n), ask=np.arange(n) + 2), BatchId(1, 0))
    with closing(PostgresReader(url)) as reader:
        batches = list(reader.read(Query("ticks")))
    assert len(batches) > 2
    assert [row for batch in batches for row in batch["frame"].to_pylist()] == list(range(n))
    assert [row for batch in batches for row in batch["mid"].to_pylist()] == list(range(1, n + 1))
    assert len(writer.origins("ticks", 1)["spot/0/A"]) == n


def test_a_reader_that_is_closed_lets_go_of_its_queries(server: Server) -> None:
    database = server.database()
    url = server.url(database=database)
    with opened(url) as store:
        store.write("ticks", ticks(20_000), BatchId(1, 0))
    reader = PostgresReader(url)
    abandoned = [reader.read(Query("ticks")) for _ in range(3)]
    reader.close()
    with server.connected() as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        eventually(lambda: connection.execute(count, [database]).fetchone() == (0,))
    for batches in abandoned:
        with pytest.raises(Exception, match="closed"):
            batches.read_all()


# Versions, and what is there already


def test_an_older_database_is_read_as_it_is_and_migrated_by_the_writer(
    server: Server, schema: str, url: str
) -> None:
    with opened(url) as store:
        store.write("ticks", ticks(1, volatility=0.1), BatchId(1, 0))
    with server.connected(schema) as connection:
        connection.execute("ALTER TABLE ticks DROP COLUMN volatility")
        connection.execute("UPDATE tapeline_store SET schema_version = 0")
    assert [row["volatility"] for row in read(url)] == [None]
    with opened(url) as store:
        store.write("ticks", ticks(1, volatility=0.5, frame=9, ts_event_ns=NOON_NS + 9), BatchId(1, 1))
    assert [row["volatility"] for row in read(url)] == [None, 0.5]
    with server.connected(schema) as connection:
        assert connection.execute("SELECT schema_version FROM tapeline_store").fetchone() == (SCHEMA_VERSION,)


def test_a_newer_database_is_refused_in_one_line(
    server: Server, schema: str, url: str, writer: PostgresWriter
) -> None:
    with server.connected(schema) as connection:
        connection.execute("UPDATE tapeline_store SET schema_version = 99")
    with pytest.raises(StoreVersionError, match=r"tables of version 99, known here: 1\): upgrade") as refused:
        PostgresWriter(url).open()
    assert "\n" not in str(refused.value)
    with pytest.raises(StoreVersionError):
        read(url)


def test_somebody_elses_table_is_left_alone(server: Server, schema: str, url: str) -> None:
    with server.connected(schema) as connection:
        connection.execute("CREATE TABLE ticks (arachnid text)")
    with pytest.raises(UsageError, match="a table 'ticks' that is not Tapeline's"):
        PostgresWriter(url).open()
    assert read(url) == []
    other = server.url(server.schema())
    with opened(other) as store:
        store.write("ticks", ticks(), BatchId(1, 0))
    assert len(read(other)) == 1


def test_a_database_of_another_encoding_is_refused(server: Server) -> None:
    url = server.url(database=server.database("ENCODING 'LATIN1' LOCALE 'C'"))
    with pytest.raises(UsageError, match="encoding LATIN1"):
        PostgresWriter(url).open()


def test_two_writers_that_start_at_once_make_one_set_of_tables(url: str) -> None:
    stores = [PostgresWriter(url) for _ in range(4)]
    with ThreadPoolExecutor(len(stores)) as pool:
        errors = [future.exception() for future in [pool.submit(store.open) for store in stores]]
    assert all(error is None or isinstance(error, RetryableStoreError) for error in errors)
    for store in stores:
        store.close()
    with opened(url) as last:
        last.write("ticks", ticks(), BatchId(1, 0))


def test_columns_carry_their_descriptions(server: Server, schema: str, writer: PostgresWriter) -> None:
    with server.connected(schema) as connection:
        row = connection.execute(
            "SELECT col_description('ticks'::regclass, attnum) FROM pg_attribute "
            "WHERE attrelid = 'ticks'::regclass AND attname = 'price'"
        ).fetchone()
    assert row == ("Price of the trade, in the quote currency.",)


# The rest


def test_rows_beyond_their_time_are_deleted(url: str) -> None:
    now = NOON_NS + 10 * DAY_NS
    with opened(url, retention_days=7, clock_ns=lambda: now) as store:
        times = [now - 7 * DAY_NS - 1, now - 7 * DAY_NS, now]
        store.write("ticks", ticks(3, ts_event_ns=times), BatchId(1, 0))
        many = ticks(25_000, ts_event_ns=NOON_NS, line="spot/1/A")
        store.write("ticks", many, BatchId(1, 1))
        store.write("gaps", gap_rows([gap()]), BatchId(1, 0))
        eventually(lambda: store.maintain() is None)
        assert store.holds("ticks", BatchId(1, 1))
    assert [row["ts_event_ns"] for row in read(url)] == times[1:]
    assert read(url, "gaps") == []


def test_upkeep_says_what_it_did(url: str) -> None:
    with opened(url, retention_days=1) as store:
        store.write("ticks", ticks(3), BatchId(1, 0))
        assert store.maintain() == "deleted 3 rows of ticks"
    with opened(url) as store:
        store.write("ticks", ticks(3), BatchId(1, 1))
        assert store.maintain() is None
    assert len(read(url)) == 3


def test_a_writer_that_is_not_open_says_so(url: str) -> None:
    store = PostgresWriter(url)
    with pytest.raises(RetryableStoreError, match="not open"):
        store.write("ticks", ticks(), BatchId(1, 0))
    with pytest.raises(PermanentStoreError, match="no table 'bars'"):
        store.write("bars", empty("gaps"), BatchId(1, 0))
    with pytest.raises(PermanentStoreError, match="no table 'bars'"):
        store.origins("bars", 1)
    store.open()
    store.close()
    with pytest.raises(RetryableStoreError, match="not open"):
        store.holds("ticks", BatchId(1, 0))


def causes(error: BaseException | None) -> str:
    """Give everything that a traceback would show of an error."""
    return "" if error is None else f"{error!r} {error} {causes(error.__cause__ or _context(error))}"


def _context(error: BaseException) -> BaseException | None:
    return None if error.__suppress_context__ else error.__context__


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/ticks",
        f"postgresql://me:{SECRET}@host.invalid/ticks",
        f"postgresql://me:{SECRET}@127.0.0.1:1/ticks?sslmode=verify-full&sslrootcert=/none",
        f"host=127.0.0.1 port=1 password={SECRET}",
        f"postgresql://me:a@{SECRET}@127.0.0.1/ticks",
        f"postgresql://me:{SECRET}/b@127.0.0.1/ticks",
        f"postgresql://me:1/{SECRET}@127.0.0.1/ticks",
        f"postgresql://me:{SECRET}%zz@127.0.0.1/ticks",
        f"postgresql://me:a?{SECRET}@127.0.0.1/ticks",
        f"postgresql://me:{SECRET}@127.0.0.1:1/ticks?nonsense=1",
        f"postgresql//me:{SECRET}@127.0.0.1/ticks",
        f"password={SECRET} nonsense",
        f"postgresql://me:{SECRET}@host..name/ticks",
        "",
    ],
)
def test_no_error_tells_the_password(url: str) -> None:
    with pytest.raises((UsageError, RetryableStoreError)) as failed:
        PostgresWriter(url or f"{SECRET}", timeout_seconds=TIMEOUT_SECONDS).open()
    assert SECRET not in causes(failed.value)
    assert "\n" not in str(failed.value)


LIKENESS = """
    CREATE SCHEMA timescaledb_information;
    CREATE SCHEMA extensions;
    CREATE TABLE timescaledb_information.hypertables (hypertable_schema name, hypertable_name name);
    CREATE TABLE extensions.dropped (hypertable text, older_than bigint);
    CREATE FUNCTION extensions.create_hypertable(
        relation regclass, time_column_name name, partitioning_column name = NULL,
        chunk_time_interval anyelement = NULL::bigint, create_default_indexes boolean = true
    ) RETURNS void LANGUAGE sql AS
        $$ INSERT INTO timescaledb_information.hypertables VALUES (current_schema(), relation::text) $$;
    CREATE FUNCTION extensions.set_integer_now_func(
        hypertable regclass, integer_now_func regproc, replace_if_exists boolean = false
    ) RETURNS void LANGUAGE sql AS '';
    CREATE FUNCTION extensions.drop_chunks(
        relation regclass, older_than bigint = NULL, newer_than bigint = NULL
    ) RETURNS SETOF text LANGUAGE sql AS
        $$ INSERT INTO extensions.dropped VALUES (relation::text, older_than) RETURNING 'chunk' $$;
"""
"""What a database with TimescaleDB looks like from outside, as far as PostgreSQL alone can pretend it."""


def test_what_timescaledb_refuses_is_left_out_with_a_warning(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    database = server.database()
    url = server.url(database=database)
    with server.connected(database=database) as connection:
        connection.execute(LIKENESS)
        connection.execute(f"ALTER DATABASE {database} SET timescaledb.license = 'timescale'")
    with opened(url, retention_days=1, clock_ns=lambda: NOON_NS) as store:
        store.write("ticks", ticks(3), BatchId(1, 0))
        done = store.maintain()
    assert done == "; ".join(f"deleted 1 chunks of {table}" for table in TABLES)
    assert len(read(url)) == 3
    with server.connected(database=database) as connection:
        dropped = connection.execute("SELECT hypertable, older_than FROM extensions.dropped").fetchall()
    assert sorted(dropped) == sorted((table, NOON_NS - DAY_NS) for table in TABLES)
    refused = [record.message for record in caplog.records]
    assert [text.partition(":")[0] for text in refused] == [
        f"TimescaleDB does not {what}"
        for what in (
            "compress rejects", "compress ticks", "keep bars_1m", "keep bars_5m", "keep bars_1h",
            "keep bars_1d", "set how long rows are kept",
        )
    ]  # fmt: skip


NO_TIMESCALE = "the PostgreSQL server here has no TimescaleDB: install its package for the same version"


def test_with_timescaledb_tables_are_hypertables_with_policies_and_views(server: Server) -> None:
    database = server.database()
    url = server.url(database=database)
    with server.connected(database=database) as connection:
        if not connection.execute("SELECT FROM pg_available_extensions WHERE name = 'timescaledb'").rowcount:
            pytest.skip(NO_TIMESCALE)
        connection.execute("CREATE EXTENSION timescaledb")
    with opened(url, retention_days=30_000) as store:
        store.write("ticks", ticks(3), BatchId(1, 0))
        with pytest.raises(PermanentStoreError):
            store.write("ticks", ticks(3), BatchId(1, 1))
        assert store.maintain() is None
    with server.connected(database=database) as connection:
        tables = connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
        assert {*TABLES} <= {name for (name,) in tables}
        connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('ticks') AS chunk")
        bars = connection.execute("SELECT ts_ns, trades FROM bars_1m").fetchall()
    minute = 60 * 10**9
    assert bars == [(NOON_NS // minute * minute, 3)]
    assert len(read(url)) == 3
    with opened(url) as store:
        store.write("ticks", ticks(frame=9), BatchId(1, 2))
        assert len(store.origins("ticks", 1)["spot/0/A"]) == 4
    assert len(read(url)) == 4

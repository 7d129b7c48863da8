"""Faults of a database under load: it has every tick in the end, once, and the lake feels nothing of it."""

import signal
from contextlib import closing
from typing import Any

import pytest
from deltalake import DeltaTable

from stores.postgres import PostgresWriter
from stores.schema import ORIGIN
from tests.e2e.lasting_exchange import Exchange
from tests.e2e.tapeline import Origin, Tapeline, check_end
from tests.support.postgres import CuttingProxy, Server
from tests.support.processes import Program, eventually

CUTS = 3
LETTERS = 2
LATER = 3_000
"""Rows: more than one commit of the lake, which commits once a second."""
LONG = 20_000
"""Rows: ten seconds of the exchange."""


class Run:
    """A run into a lake and a PostgreSQL, and what it says of them."""

    def __init__(
        self, tapeline: Tapeline, exchange: Exchange, server: Server, port: int | None = None
    ) -> None:
        """Start it; with the port of what stands in front of the server."""
        self._tapeline, self._server = tapeline, server
        config = tapeline.config(
            f'[[feeds]]\nname = "demo"\nvenue = "demo"\nurl = "ws://127.0.0.1:{exchange.port}"\n'
            'symbols = ["A", "B"]\n'
            "[writer]\nbatch_rows = 500\nflush_ms = 200\n"
            "[breaker]\nfailure_threshold = 2\ncooldown_seconds = 1\n"
            f'[[stores]]\nkind = "postgres"\nurl = "{server.url(port=port)}"\ntimeout_seconds = 1\n'
            '[[stores]]\nname = "lake"\n'
        )
        self._program: Program = tapeline.start("run", "--json", "--config", config)

    def count(self, store: str, place: str) -> int:
        """Tell how many records a store's account has in a place."""
        ledger = self._tapeline.status(self._program).get("ledger") or {}
        return int(ledger.get("stores", {}).get(store, {}).get(place, 0))

    def wait_for_stored(self, store: str, more: int = 1) -> None:
        """Wait until a store has so many more ticks than it has now."""
        enough = self.count(store, "stored") + more
        eventually(lambda: self.count(store, "stored") >= enough)

    def wait_for_postgres(self, breaker: str, *, spooled: bool) -> None:
        """Wait until its breaker is in a state, with rows in its spool or without."""

        def reached() -> bool:
            stores = self._tapeline.status(self._program).get("stores", [])
            return any(
                (each["store"], each["state"], each["spooled_rows"] > 0) == ("postgres", breaker, spooled)
                for each in stores
            )

        eventually(reached)

    def stop(self) -> dict[str, Any]:
        """End it; the spool has to be empty, nothing shed, and the ledger in order. Gives the ledger."""
        self._program.send(signal.SIGINT)
        ledger = check_end(self._tapeline.ended(self._program))
        for account in ledger["stores"].values():
            assert account["spooled"] == account["shed"] == account["carried_in"] == 0, ledger
        return ledger

    def origins(self, store: str, table: str) -> list[Origin]:
        """Give the origins of a table's rows, from the store itself."""
        if store == "postgres":
            with self._server.connected() as connection:
                return connection.execute(f"SELECT {', '.join(ORIGIN)} FROM {table}").fetchall()
        path = str(self._tapeline.data_dir / "lake" / table)
        if not DeltaTable.is_deltatable(path):
            return []
        rows = DeltaTable(path).to_pyarrow_table(columns=list(ORIGIN))
        return list(zip(*(rows[name].to_pylist() for name in ORIGIN), strict=True))

    def check_stores(self, ledger: dict[str, Any]) -> set[Origin]:
        """Check that both have the same records, each once; give the dead letters that PostgreSQL has."""
        ticks, rejects = (self.origins("lake", table) for table in ("ticks", "rejects"))
        kept, refused, letters = (
            self.origins("postgres", table) for table in ("ticks", "rejects", "dead_letters")
        )
        lake, postgres = ticks + rejects, kept + refused + letters
        assert len(lake) == len(set(lake)) > 0
        assert len(postgres) == len(set(postgres)), "an origin stands twice"
        assert set(postgres) == set(lake)
        assert set(refused) == set(rejects)
        accounts = ledger["stores"]
        assert accounts["lake"]["stored"] == len(ticks)
        assert accounts["postgres"]["stored"] == len(kept)
        assert accounts["postgres"]["dead_letter"] == len(letters)
        assert accounts["lake"]["rejected"] == accounts["postgres"]["rejected"] == len(rejects)
        assert self.origins("lake", "dead_letters") == []
        return set(letters)


@pytest.mark.slow
def test_a_database_that_is_killed_and_started_again_has_everything(
    tapeline: Tapeline, exchange: Exchange, server: Server
) -> None:
    """What came meanwhile waits in the spool, and the lake goes on."""
    run = Run(tapeline, exchange, server)
    run.wait_for_stored("postgres", 500)
    server.kill()
    run.wait_for_postgres("open", spooled=True)
    run.wait_for_stored("lake", LONG)
    assert run.count("postgres", "spooled") > 0
    server.start()
    run.wait_for_postgres("closed", spooled=False)
    run.wait_for_stored("postgres")
    assert run.check_stores(run.stop()) == set()


@pytest.mark.slow
def test_a_database_that_stalls_and_goes_on_has_everything_once(
    tapeline: Tapeline, exchange: Exchange, server: Server
) -> None:
    """What it was asked last it may or may not have done."""
    run = Run(tapeline, exchange, server)
    run.wait_for_stored("postgres", 500)
    with server.stalled():
        run.wait_for_postgres("open", spooled=True)
        run.wait_for_stored("lake", LATER)
        assert run.count("postgres", "spooled") > 0
    run.wait_for_postgres("closed", spooled=False)
    run.wait_for_stored("postgres")
    assert run.check_stores(run.stop()) == set()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_cut_around_a_commit_loses_and_doubles_nothing(
    tapeline: Tapeline, exchange: Exchange, server: Server, moment: str
) -> None:
    """Again and again: the writer asks whether the batch is there before it writes again."""
    with closing(CuttingProxy(server.port)) as proxy:
        run = Run(tapeline, exchange, server, proxy.port)
        for _ in range(CUTS):
            run.wait_for_stored("postgres")
            proxy.cut.clear()
            proxy.cut_at_commit = moment
            eventually(proxy.cut.is_set)
            run.wait_for_stored("lake")
        run.wait_for_stored("postgres", LATER)
        run.wait_for_postgres("closed", spooled=False)
        ledger = run.stop()
        assert run.check_stores(ledger) == set()


@pytest.mark.slow
def test_rows_that_the_database_refuses_are_dead_letters_and_all_others_are_kept(
    tapeline: Tapeline, exchange: Exchange, server: Server
) -> None:
    """One in ten thousand; what the lake has of them stays."""
    with closing(PostgresWriter(server.url())) as writer:
        writer.open()
    with server.connected() as connection:
        connection.execute("ALTER TABLE ticks ADD CHECK (frame % 10000 <> 7)")
    run = Run(tapeline, exchange, server)
    eventually(lambda: run.count("postgres", "dead_letter") >= LETTERS)
    run.wait_for_stored("postgres", LATER)
    ledger = run.stop()
    letters = run.check_stores(ledger)
    assert letters == {each for each in run.origins("lake", "ticks") if each[2] % 10_000 == 7}
    assert ledger["reasons"]["refused_by_store"] == len(letters) >= LETTERS

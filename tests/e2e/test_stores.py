"""One run into several stores at once: each has the same ticks, and one that dies delays nobody."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tapeline import Row, Tapeline
from tests.support.influx import ORG, TOKEN, Front, Influxd
from tests.support.postgres import Server
from tests.support.processes import Ended

COLUMNS = (
    "symbol",
    "kind",
    "ts_event_ns",
    "price",
    "size",
    "side",
    "bid",
    "ask",
    "venue_id",
    "frame",
    "item",
)
LAKE = '[[stores]]\nname = "lake"\n'


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Give an InfluxDB."""
    (tmp_path / "influxd").mkdir()
    with Influxd(tmp_path / "influxd") as server, Front(server) as front:
        yield front


def told(rows: list[Row]) -> list[tuple[str, ...]]:
    """Give what every store has to agree on, by origin."""
    picked = [tuple(row[name] for name in COLUMNS) for row in rows]
    return sorted(picked, key=lambda row: (int(row[-2]), int(row[-1])))


def influx(front: Front) -> str:
    """Give the configuration of an InfluxDB."""
    return (
        f'[[stores]]\nname = "influx"\nkind = "influx"\nurl = "{front.url}"\norg = "{ORG}"\n'
        f'bucket = "ticks"\ntoken = "{TOKEN}"\n'
    )


@pytest.mark.slow
def test_lake_and_influx_hold_the_same_ticks(tapeline: Tapeline, front: Front) -> None:
    """Every account balances, and a query of either gives the same."""
    config = tapeline.config(LAKE + influx(front))
    ended = check_alike(tapeline, config, "influx")
    assert TOKEN not in ended.stderr + tapeline.call("check", "--config", config).stdout


@pytest.mark.slow
def test_lake_and_postgres_hold_the_same_ticks(tapeline: Tapeline, server: Server) -> None:
    """Every account balances, and a query of either gives the same."""
    config = tapeline.config(f'{LAKE}[[stores]]\nkind = "postgres"\nurl = "{server.url()}"\n')
    check_alike(tapeline, config, "postgres")


def check_alike(tapeline: Tapeline, config: Path, store: str) -> Ended:
    """Run into the lake and another store, and check that both have the same; give how the run ended."""
    ended = tapeline.call("run", "--json", "--duration", "3s", "--config", config)
    assert ended.status == 0, ended
    ledger = json.loads(ended.stdout.splitlines()[-1])
    assert ledger["balanced"]
    assert ledger["stores"][store]["stored"] == ledger["stores"]["lake"]["stored"] > 500
    lake, other = (
        told(tapeline.query("ticks", "--store", name, "--config", str(config))) for name in ("lake", store)
    )
    assert other == lake
    return ended


@pytest.mark.slow
def test_a_dead_database_delays_nobody_and_gets_its_share_later(tapeline: Tapeline, front: Front) -> None:
    """Its batches go to its spool, and the next run drains it."""
    dead = influx(front).replace(front.url, "http://127.0.0.1:9")
    ended = tapeline.call("run", "--json", "--duration", "4s", "--config", tapeline.config(LAKE + dead))
    assert ended.status == 0, ended
    first = json.loads(ended.stdout.splitlines()[-1])
    assert first["balanced"]
    assert first["stores"]["lake"]["spooled"] == 0 < first["stores"]["lake"]["stored"]
    assert first["stores"]["influx"]["stored"] == 0 < first["stores"]["influx"]["spooled"]
    config = tapeline.config(LAKE + influx(front))
    ended = tapeline.call("run", "--json", "--duration", "3s", "--config", config)
    assert ended.status == 0, ended
    second = json.loads(ended.stdout.splitlines()[-1])
    assert second["stores"]["influx"]["carried_in"] == first["stores"]["influx"]["spooled"]
    assert second["stores"]["influx"]["spooled"] == 0
    lake, other = (
        told(tapeline.query("ticks", "--store", store, "--config", str(config)))
        for store in ("lake", "influx")
    )
    assert other == lake

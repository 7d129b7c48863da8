"""The plainest use of each database's client: what a program would do that has no store of its own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from stores.influx_http import InfluxConnection
from stores.schema import FLOAT, TEXT, TICKS
from tests.support.influx import ORG, TOKEN

Ways = tuple[Callable[[Any], Any], Callable[[Any], object]]
"""What makes of Arrow rows what the client is given, and what writes that."""


@contextmanager
def delta(path: Path) -> Iterator[Ways]:
    """Append to a Delta table, one commit a batch."""
    from deltalake import write_deltalake

    yield lambda rows: rows, lambda rows: write_deltalake(path, rows, mode="append")


@contextmanager
def postgres(url: str) -> Iterator[Ways]:
    """INSERT with `executemany`, one transaction a batch."""
    import psycopg

    kinds = {TEXT: "text", FLOAT: "float8"}
    columns = ", ".join(f'"{field.name}" {kinds.get(field.type, "bigint")}' for field in TICKS)
    places = ", ".join("%s" for _ in TICKS)
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE plain_ticks ({columns})".encode())
        connection.commit()

        def write(rows: list[tuple[Any, ...]]) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO plain_ticks VALUES ({places})".encode(), rows)
            connection.commit()

        yield lambda rows: list(zip(*(column.to_pylist() for column in rows.columns), strict=True)), write


@contextmanager
def influx(url: str, bucket: str) -> Iterator[Ways]:
    """Make Points and write them synchronously, one request a batch."""
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.write.point import Point
    from influxdb_client.client.write_api import SYNCHRONOUS

    tags = ("venue", "symbol", "line")
    fields = [name for name in TICKS.names if name not in (*tags, "ts_event_ns")]

    def point(row: dict[str, Any]) -> Any:
        made: Any = Point("ticks")  # type: ignore[no-untyped-call]
        made.time(row["ts_event_ns"] + row["frame"])
        for name in tags:
            made = made.tag(name, row[name])
        for name in fields:
            made = made.field(name, row[name])
        return made

    with closing(InfluxConnection(url, org=ORG, bucket=bucket, token=TOKEN, timeout_seconds=10.0)) as setup:
        setup.ensure_bucket(0)
    with InfluxDBClient(url, TOKEN, org=ORG) as client:
        api = client.write_api(write_options=SYNCHRONOUS)
        yield (
            lambda rows: rows.to_pylist(),
            lambda rows: api.write(bucket=bucket, record=[point(row) for row in rows]),
        )

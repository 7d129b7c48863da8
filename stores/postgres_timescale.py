"""What TimescaleDB adds, where the database has it (CREATE EXTENSION timescaledb): hypertables, columnstore
(compression) and retention by policies, and bars as views that the server keeps up to date.

Tables become hypertables as they are made; plain ones stay as they are. Times are integers, so policies
are told how to read the clock in nanoseconds. What an edition or version refuses is left out, with a
warning: the store needs none of it. (Under the Apache licence TimescaleDB has no policies and no views;
retention is then the writer's own business.)

The views (`bars_1m`, `bars_5m`, `bars_1h`, `bars_1d`) are for dashboards. Tapeline's own queries do not use
them: late ticks and recovered ones are in a view only after its next refresh. All statements are of the
forms that TimescaleDB has had since 2.7 and still has.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from stores.derive import TRADES, bar_columns
from stores.postgres_bars import FIRST, LAST, NOTIONAL, SIZE
from stores.postgres_link import Link, told
from stores.postgres_schema import UNIQUE
from stores.schema import TABLES

log = logging.getLogger("tapeline")

_MINUTE_NS: Final = 60 * 10**9
_HOUR_NS: Final = 60 * _MINUTE_NS
_DAY_NS: Final = 24 * _HOUR_NS
CHUNK_NS: Final = _DAY_NS
COMPRESS_AFTER_NS: Final = 2 * _DAY_NS
"""Few ticks are later than this; those that are cost a decompression."""
BARS: Final = {"bars_1m": _MINUTE_NS, "bars_5m": 5 * _MINUTE_NS, "bars_1h": _HOUR_NS, "bars_1d": _DAY_NS}
_REFRESHED_NS: Final = 7 * _DAY_NS
_SEGMENTS: Final = {"ticks": "venue, symbol", "rejects": "venue"}

_FOUND: Final = """
    SELECT nspname, current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'timescale'
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE proname = 'create_hypertable' AND to_regclass('timescaledb_information.hypertables') IS NOT NULL
    LIMIT 1
"""
_HYPERTABLES: Final = """
    SELECT hypertable_name FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema() AND hypertable_name = ANY(%s)
"""
_NOW: Final = """
    CREATE OR REPLACE FUNCTION tapeline_now_ns() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT (extract(epoch FROM now()) * 1000000000)::bigint'
"""
_MAKE: Final = """
    SELECT {}.create_hypertable(%s::regclass, 'time_ns'::name, chunk_time_interval => %s::bigint,
                                create_default_indexes => false)
"""
_SET_NOW: Final = "SELECT {}.set_integer_now_func(%s::regclass, 'tapeline_now_ns'::regproc)"
_COMPRESS: Final = "SELECT {}.add_compression_policy(%s::regclass, %s::bigint, if_not_exists => true)"
_KEEP_ALL: Final = "SELECT {}.remove_retention_policy(%s::regclass, if_exists => true)"
_KEEP: Final = "SELECT {}.add_retention_policy(%s::regclass, %s::bigint)"
_DROP: Final = "SELECT count(*) FROM {}.drop_chunks(%s::regclass, older_than => %s::bigint)"
_REFRESH: Final = """
    SELECT {}.add_continuous_aggregate_policy(%s::regclass, %s::bigint, %s::bigint, interval '1 minute')
"""

_Step = tuple[str | sql.Composed, list[Any]]
"""A statement and its values; {} in a text stands for TimescaleDB's schema."""


@dataclass(frozen=True, slots=True)
class Hypertables:
    """Which tables are hypertables."""

    names: frozenset[str] = frozenset()
    schema: str = ""
    """Where TimescaleDB's functions are."""
    drop_themselves: bool = False
    """The server has a policy that drops what is too old."""


def prepare(link: Link, made: tuple[str, ...], retention_days: int) -> Hypertables:
    """Make hypertables of tables that were just made, and set how long rows are kept (0: for ever)."""
    row = link.execute(_FOUND).fetchone()
    if row is None:
        return Hypertables()
    schema, has_policies = row
    for table in made:
        steps: list[_Step] = [(_NOW, []), (_MAKE, [table, CHUNK_NS]), (_SET_NOW, [table])]
        _tried(link, schema, f"make {table} a hypertable", steps)
    names = frozenset(name for (name,) in link.execute(_HYPERTABLES, [list(TABLES)]))
    if has_policies:
        for table in sorted(names & _SEGMENTS.keys() & set(made)):
            _tried(link, schema, f"compress {table}", _compressing(table))
        if "ticks" in names & set(made):
            for name, interval_ns in BARS.items():
                _tried(link, schema, f"keep {name}", _bars(schema, name, interval_ns))
        keep = [step for table in sorted(names) for step in _keeping(table, retention_days)]
        has_policies = _tried(link, schema, "set how long rows are kept", keep)
    return Hypertables(names, schema, has_policies)


def drop(link: Link, hypertables: Hypertables, table: str, before_ns: int) -> int:
    """Drop the chunks that are older as a whole, unless the server does; say how many."""
    if hypertables.drop_themselves:
        return 0
    row = link.execute(_text(_DROP, hypertables.schema), [table, before_ns]).fetchone()
    return 0 if row is None else int(row[0])


def _tried(link: Link, schema: str, what: str, steps: list[_Step]) -> bool:
    """Do all of the steps or, where one is refused, none; tell which."""
    try:
        with link.transaction():
            for statement, values in steps:
                link.execute(_text(statement, schema), values)
    except psycopg.Error as error:
        if link.broken or link.closed:
            raise
        log.warning("TimescaleDB does not %s: %s", what, told(error))
        return False
    return True


def _text(statement: str | sql.Composed, schema: str) -> sql.Composed:
    if isinstance(statement, str):
        return sql.SQL(statement).format(sql.Identifier(schema))
    return statement


def _compressing(table: str) -> list[_Step]:
    # With the key's columns as its order, a batch that cannot have a session or a key is not decompressed.
    settings = sql.SQL(
        "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {}, "
        "timescaledb.compress_orderby = {})"
    ).format(sql.Identifier(table), _SEGMENTS[table], ", ".join(UNIQUE))
    return [(settings, []), (_COMPRESS, [table, COMPRESS_AFTER_NS])]


def _keeping(table: str, retention_days: int) -> list[_Step]:
    keep: list[_Step] = [(_KEEP, [table, retention_days * _DAY_NS])] if retention_days else []
    return [(_KEEP_ALL, [table]), *keep]


def _bars(schema: str, name: str, interval_ns: int) -> list[_Step]:
    columns = bar_columns(FIRST, LAST, SIZE, NOTIONAL)
    kinds = ", ".join(f"'{kind}'" for kind in TRADES)
    bucket = sql.SQL("{}.time_bucket({}::bigint, time_ns)").format(sql.Identifier(schema), interval_ns)
    view = sql.SQL(
        "CREATE MATERIALIZED VIEW {} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS "
        f"SELECT venue, symbol, {{}} AS ts_ns, {columns} "
        f"FROM ticks WHERE kind IN ({kinds}) AND price IS NOT NULL "
        "GROUP BY venue, symbol, {} WITH NO DATA"
    ).format(sql.Identifier(name), bucket, bucket)
    return [(view, []), (_REFRESH, [name, _REFRESHED_NS, interval_ns])]

"""The tables in PostgreSQL: those of `stores.schema`, and two of the store's own.

Each has a column more, `time_ns`: the row's time, which is never NULL (a row without a time is of 1970).
Text is ordered by its bytes, as everywhere in Tapeline, whatever the database's language.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import psycopg
import pyarrow as pa
from psycopg import sql

from core.errors import StoreVersionError, UsageError
from stores.postgres_link import Link
from stores.schema import BYTES, FLOAT, INT32, INT64, ORIGIN, SCHEMA_VERSION, TABLES, TEXT

TIME: Final = pa.field("time_ns", INT64)
UNIQUE: Final = (TIME.name, *ORIGIN)
"""The safety net under the batch numbers; also the order in which rows are read."""
_UNIQUE_IN: Final = ("ticks", "rejects")
"""Gaps and dead letters of one place may be several."""
TYPES: Final = {
    TEXT: 'text COLLATE "C"',
    INT64: "bigint",
    INT32: "integer",
    FLOAT: "double precision",
    BYTES: "bytea",
}
# Of a batch's row only the number ever changes; where the page has room, the index need not know.
_OWN: Final = """
    CREATE TABLE tapeline_store (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        schema_version integer NOT NULL,
        epoch bigint NOT NULL DEFAULT 0,
        writer_pid integer,
        writer_started timestamptz
    );
    CREATE TABLE tapeline_batches (
        session bigint,
        table_name text COLLATE "C",
        number bigint NOT NULL,
        PRIMARY KEY (session, table_name)
    ) WITH (fillfactor = 50);
    COMMENT ON TABLE tapeline_store IS 'The version of the tables, and who may write to them.';
    COMMENT ON TABLE tapeline_batches IS 'The last batch of each session that a table holds.';
"""
# Two writers that start at once would make the tables at once.
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtext('tapeline'), hashtext(current_schema()))"
_PRESENT: Final = """
    SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND relname = ANY(%s) ORDER BY relname
"""
_COLUMNS: Final = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""


def prepare(link: Link) -> tuple[str, ...]:
    """Make or migrate the tables; give the names of those that were made.

    StoreVersionError where they are newer than ours, UsageError where they are somebody else's.
    """
    with link.transaction():
        link.execute(_ALONE)
        found = version(link)
        if found is None:
            _check_free(link)
            _make(link)
            return tuple(TABLES)
        if found < SCHEMA_VERSION:
            _migrate(link)
        return ()


def version(link: Link) -> int | None:
    """Give the version of the tables, None where there are none; StoreVersionError if newer than ours."""
    if not columns(link, "tapeline_store"):
        return None
    row = link.execute("SELECT schema_version FROM tapeline_store").fetchone()
    found = 0 if row is None else int(row[0])
    if found > SCHEMA_VERSION:
        raise StoreVersionError(
            f"the database was written by a newer version of Tapeline (tables of version {found}, "
            f"known here: {SCHEMA_VERSION}): upgrade Tapeline, or use another database for the store"
        )
    return found


def columns(link: Link, table: str) -> frozenset[str]:
    """Give the names of a table's columns; none where there is no such table."""
    return frozenset(name for (name,) in link.execute(_COLUMNS, [table]))


def _check_free(link: Link) -> None:
    taken = [name for (name,) in link.execute(_PRESENT, [list(TABLES)])]
    if taken:
        raise UsageError(
            f"the store's database has a table {taken[0]!r} that is not Tapeline's: use another database, "
            "or a schema of its own, by ?options=-csearch_path%3Dname in the url"
        )


def _make(link: Link) -> None:
    statements = [
        sql.SQL(_OWN),
        sql.SQL("INSERT INTO tapeline_store VALUES (DEFAULT, {})").format(SCHEMA_VERSION),
    ]
    for name, schema in TABLES.items():
        table = sql.Identifier(name)
        listed = [*map(_definition, schema), sql.SQL("time_ns bigint NOT NULL")]
        statements.append(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(listed)))
        statements += [_comment(name, field) for field in schema]
        statements += [sql.SQL(index).format(table) for index in _indexes(name)]
    link.execute(sql.SQL(";\n").join(statements))


def _definition(field: "pa.Field[pa.DataType]") -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(TYPES[field.type]))


def _comment(table: str, field: "pa.Field[pa.DataType]") -> sql.Composed:
    text = (field.metadata or {}).get(b"comment", b"").decode()
    return sql.SQL("COMMENT ON COLUMN {} IS {}").format(sql.Identifier(table, field.name), text)


def _indexes(table: str) -> Iterator[str]:
    if table in _UNIQUE_IN:
        yield f"CREATE UNIQUE INDEX ON {{}} ({', '.join(UNIQUE)})"
    else:
        yield "CREATE INDEX ON {} (time_ns)"
    if table == "ticks":
        # Not elsewhere: what could not be decoded may have a symbol that is too long for an index.
        yield "CREATE INDEX ON {} (symbol, time_ns)"
    if "session" in TABLES[table].names:
        # Sessions come one after another, so a few bytes per range of pages find theirs.
        yield "CREATE INDEX ON {} USING brin (session)"


def _migrate(link: Link) -> None:
    """Bring older tables up to date: columns that they lack are added, and read as NULL."""
    for name, schema in TABLES.items():
        present = columns(link, name)
        for field in schema:
            if field.name not in present:
                added = sql.SQL("ALTER TABLE {} ADD COLUMN {}")
                link.execute(added.format(sql.Identifier(name), _definition(field)))
    link.execute("UPDATE tapeline_store SET schema_version = %s", [SCHEMA_VERSION])


# Who may write


_END_FORMER: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    JOIN tapeline_store ON pid = writer_pid AND backend_start = writer_started
    WHERE pid <> pg_backend_pid() AND epoch = coalesce(%s, epoch)
"""
_CLAIM: Final = """
    UPDATE tapeline_store SET epoch = epoch + 1, writer_pid = pg_backend_pid(),
        writer_started = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
    WHERE epoch = coalesce(%s, epoch) RETURNING epoch
"""


def claim(link: Link, epoch: int | None) -> int | None:
    """Take the store over from whoever wrote last, or with an epoch from oneself: another connection.

    Gives the new epoch; None where it is no longer the one given, because another writer took over.
    Every transaction of a writer shares a lock on the row, so this waits until the last one has ended,
    committed or not; one that begins later finds that its epoch is over. The backend of a connection
    that was lost may still be at work: it is ended, where the role may do so.
    """
    with suppress(psycopg.errors.InsufficientPrivilege):
        link.execute(_END_FORMER, [epoch])
    row = link.execute(_CLAIM, [epoch]).fetchone()
    return None if row is None else int(row[0])

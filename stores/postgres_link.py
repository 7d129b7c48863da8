"""Connections to PostgreSQL that never wait beyond a deadline, and what their errors mean.

A server that has stalled cannot enforce its own timeouts, so every wait has a deadline on this side too.
Past it the connection is closed: what the server made of the last command is unknown.
"""

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from core.errors import PermanentStoreError, RetryableStoreError, UsageError

APPLICATION: Final = "tapeline"
_REFUSES_ROWS: Final = re.compile("22|23|54000|P0001")
"""SQLSTATEs that rows are to blame for: bad values, constraints, too long for an index, a trigger's veto."""
_URL_FAULT: Final = (
    "the store's url is none that PostgreSQL understands: write postgresql://user:password@host:port/database"
    ", with special characters of user and password percent-encoded (@ as %40)"
)
_SETTINGS: Final = """
    SELECT set_config('statement_timeout', %s, false),
           set_config('lock_timeout', %s, false),
           set_config('idle_in_transaction_session_timeout', %s, false),
           CASE current_setting('synchronous_commit')
               WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END,
           current_setting('server_encoding')
"""
_Result = TypeVar("_Result")


class Link(psycopg.Connection[TupleRow]):
    """A connection whose waits end at a deadline; then it is closed."""

    deadline: float = math.inf
    """On the monotonic clock, in seconds."""

    def wait(self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None) -> _Result:
        """Wait as psycopg does, all of whose commands come through here, but not beyond the deadline."""
        left = self.deadline - time.monotonic()
        # Nothing stands for "for ever" here, and no socket waits that long.
        bound = max(min(left, math.inf if timeout is None else timeout, 1e6), 0.0)
        try:
            return super().wait(gen, interval, bound)
        except psycopg.OperationalError as error:
            if time.monotonic() < self.deadline:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer in time") from error


@contextmanager
def errors(doing: str) -> Iterator[None]:
    """Sort what psycopg raises: only what the rows themselves are to blame for is permanent."""
    try:
        yield
    except psycopg.Error as error:
        refused = error.sqlstate is not None and _REFUSES_ROWS.match(error.sqlstate)
        kind = PermanentStoreError if refused else RetryableStoreError
        raise kind(f"{doing}: {told(error)}") from error


def told(error: psycopg.Error) -> str:
    """Say in one line what went wrong."""
    text = str(error)
    if error.diag.message_primary:
        text = f"{error.diag.message_primary} ({error.sqlstate})"
    return " ".join(text.split())


def checked(url: str) -> str:
    """Give the URL (or `key=value` text) back; UsageError where PostgreSQL would not understand it.

    What the library says of a faulty one may quote the password, or take a part of it for a host, a port
    or a database and quote that; so no such URL gets as far.
    """
    try:
        parts = {name: str(part) for name, part in conninfo_to_dict(url).items()}
        hosts = parts.get("host", "")
        for host in hosts.split(","):
            host.encode("idna")
    except (psycopg.Error, UnicodeError):
        raise UsageError(_URL_FAULT) from None
    ports = parts.get("port", "").replace(",", "")
    if "@" in hosts + parts.get("dbname", "") or (ports and not ports.isdecimal()):
        raise UsageError(_URL_FAULT)
    return url


def connect(url: str, deadline: float, timeout_seconds: float, statement_seconds: float) -> Link:
    """Connect, in autocommit mode, with the timeouts set on both sides.

    UsageError where the database's encoding is another than UTF8: it could not hold every symbol.
    """
    link = Link.connect(
        url,
        autocommit=True,
        # The library takes whole seconds, and no fewer than two.
        connect_timeout=max(2, math.ceil(deadline - time.monotonic())),
        application_name=APPLICATION,
        client_encoding="UTF8",
    )
    link.deadline = deadline
    seconds = (statement_seconds, 0.9 * timeout_seconds, timeout_seconds)
    try:
        row = link.execute(_SETTINGS, [str(max(1, int(1000 * each))) for each in seconds]).fetchone()
    except psycopg.Error:
        link.close()
        raise
    if row is not None and row[-1] != "UTF8":
        link.close()
        raise UsageError(f"the store's database has the encoding {row[-1]}: it has to be UTF8")
    return link

"""Questions in InfluxQL, and their answers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from core.errors import RetryableStoreError, StoreVersionError
from stores.influx_http import InfluxConnection
from stores.influx_lines import EARLIEST_NS, LATEST_NS, LAYOUTS, PLACES_NS, hidden
from stores.schema import SCHEMA_VERSION
from stores.store import Query

VERSIONS: Final = "tapeline_schema"
"""The measurement that keeps the tables' version."""

Row = TypeVar("Row")


class _Series(msgspec.Struct, Generic[Row]):
    name: str = ""
    tags: dict[str, str] = {}
    values: list[Row] = []


class _Result(msgspec.Struct, Generic[Row]):
    series: list[_Series[Row]] = []
    error: str = ""


class _Answer(msgspec.Struct, Generic[Row]):
    results: list[_Result[Row]] = []
    error: str = ""


def series(
    documents: Iterable[bytes], measurement: str, kinds: Sequence[Any]
) -> Iterator[tuple[dict[str, str], list[tuple[Any, ...]]]]:
    """Give the tags and rows of each piece of an answer, in the order in which they come.

    A row is its time and the columns that were asked for, of these types. Raises RetryableStoreError where
    the server tells of an error, or gives what was not asked for.
    """
    row = tuple.__class_getitem__((int, *kinds))
    answer_of: Any = _Answer
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(answer_of[row])
    for document in filter(bytes.strip, documents):
        try:
            answer = decoder.decode(document)
        except (msgspec.MsgspecError, UnicodeError) as fault:
            raise RetryableStoreError(f"the server's answer is not that of an InfluxDB: {fault}") from None
        for error in (answer.error, *(result.error for result in answer.results)):
            if error:
                raise RetryableStoreError(f"InfluxDB cannot answer: {error}")
        for piece in (piece for result in answer.results for piece in result.series):
            if piece.name == measurement and piece.values:
                yield piece.tags, piece.values


def literal(text: str) -> str:
    """Give a text as InfluxQL has it between quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def select(table: str, columns: Sequence[str], where: Sequence[str]) -> str:
    """Give the question for these columns of the points of which all conditions hold."""
    names = ", ".join(f'"{name}"' for name in columns)
    return f'SELECT {names} FROM "{table}"' + (f" WHERE {' AND '.join(where)}" if where else "")


def chosen(table: str, query: Query) -> Iterator[str]:
    """Give the conditions of a query but its range; times are the points'."""
    for name, wanted in (("venue", query.venue), ("symbol", query.symbol)):
        if wanted is not None:
            yield f'"{name}" = {literal(hidden(wanted, tag=name in LAYOUTS[table].tags))}'


def near(start_ns: int | None, end_ns: int | None) -> Iterator[str]:
    """Give the conditions that all points of rows in the range meet, and few others."""
    if start_ns is not None and start_ns > EARLIEST_NS:
        start_ns = min(start_ns, LATEST_NS)
        yield f"time >= {start_ns - start_ns % PLACES_NS}"
    if end_ns is not None and end_ns <= LATEST_NS:
        end_ns = max(end_ns, EARLIEST_NS + 1)
        yield f"time < {end_ns + -end_ns % PLACES_NS}"


def check_version(connection: InfluxConnection) -> None:
    """Raise StoreVersionError where a newer version of Tapeline has written to the bucket."""
    asked = f'SELECT max("version") FROM "{VERSIONS}"'
    for _, values in series(connection.query(asked), VERSIONS, (int,)):
        for _, found in values:
            if found > SCHEMA_VERSION:
                raise StoreVersionError(
                    f"{connection.place} was written by a newer version of Tapeline (tables of version "
                    f"{found}, known here: {SCHEMA_VERSION}): upgrade Tapeline, or name another bucket"
                )

"""Which kinds of store there are: a new one is a module of its own and a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.errors import UsageError
from core.settings import Settings
from core.settings import Store as StoreSettings
from stores.store import Store, StoreReader


@dataclass(frozen=True, slots=True)
class StoreTerms:
    """What opens a store."""

    kind: str
    path: str
    """Where it is: a directory or a URL."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What the place asks for: keys, region, endpoint."""
    compact_files: int = 100
    """Small files that pile up before they are merged."""
    url: str = ""
    """A database's, credentials included."""
    org: str = ""
    bucket: str = ""
    token: str = ""
    timeout_seconds: float = 4.0
    retention_days: int = 0


def store_terms(settings: Settings, store: StoreSettings) -> StoreTerms:
    """Say what opens a store of the configuration."""
    options = {name: value.reveal() for name, value in store.storage_options.items()}
    return StoreTerms(
        store.kind, settings.location(store), options, store.compact_files, store.url.reveal(), store.org,
        store.bucket, store.token.reveal(), store.timeout_seconds, store.retention_days,
    )  # fmt: skip


def _lake_writer(terms: StoreTerms) -> Store:
    from stores.lake import LakeWriter
    from stores.lake_upkeep import Upkeep

    upkeep = Upkeep(terms.compact_files, retention_days=terms.retention_days)
    return LakeWriter(terms.path, terms.options, upkeep=upkeep)


def _lake_reader(terms: StoreTerms) -> StoreReader:
    from stores.lake_reader import LakeReader

    return LakeReader(terms.path, terms.options)


def _influx_writer(terms: StoreTerms) -> Store:
    from stores.influx import InfluxWriter

    return InfluxWriter(
        terms.url,
        org=terms.org,
        bucket=terms.bucket,
        token=terms.token,
        timeout_seconds=terms.timeout_seconds,
        retention_days=terms.retention_days,
    )


def _influx_reader(terms: StoreTerms) -> StoreReader:
    from stores.influx_reader import InfluxReader

    return InfluxReader(terms.url, org=terms.org, bucket=terms.bucket, token=terms.token)


def _postgres_writer(terms: StoreTerms) -> Store:
    from stores.postgres import PostgresWriter

    return PostgresWriter(
        terms.url, retention_days=terms.retention_days, timeout_seconds=terms.timeout_seconds
    )


def _postgres_reader(terms: StoreTerms) -> StoreReader:
    from stores.postgres_reader import PostgresReader

    return PostgresReader(terms.url)


def _null_writer(terms: StoreTerms) -> Store:
    from stores.null import NullWriter

    return NullWriter()


def _null_reader(terms: StoreTerms) -> StoreReader:
    from stores.null import NullReader

    return NullReader()


# The modules are imported when needed: a database that is not used need not be installed.
_KINDS: Final[Mapping[str, tuple[Callable[[StoreTerms], Store], Callable[[StoreTerms], StoreReader]]]] = {
    "lake": (_lake_writer, _lake_reader),
    "postgres": (_postgres_writer, _postgres_reader),
    "influx": (_influx_writer, _influx_reader),
    "null": (_null_writer, _null_reader),
}
KINDS: Final = tuple(_KINDS)


def open_writer(terms: StoreTerms) -> Store:
    """Give the writer's side of a store; nothing is touched before its `open`."""
    return _of_kind(terms.kind)[0](terms)


def open_reader(terms: StoreTerms) -> StoreReader:
    """Give the query's side of a store."""
    return _of_kind(terms.kind)[1](terms)


def _of_kind(kind: str) -> tuple[Callable[[StoreTerms], Store], Callable[[StoreTerms], StoreReader]]:
    if kind not in _KINDS:
        raise UsageError(f"there is no kind of store {kind!r}; there are {', '.join(KINDS)}")
    return _KINDS[kind]

"""Every setting of Tapeline: its type, default, bounds and meaning.

The models are the single source: `docs/configuration.md` is generated from them, and a test holds
`config.toml` to them. Read a configuration with `core.settings_loading.load`.
"""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from core.settings_feed import CHANNELS, DEMO_SYMBOLS, VENUES, Feed, Venue
from core.settings_rules import check_data_dir, check_some, is_url
from core.settings_tables import (
    Actors,
    Alerts,
    Breaker,
    Demo,
    Detector,
    Journal,
    Monitor,
    Spool,
    Store,
    Supervision,
    Writer,
)
from core.settings_types import Table

__all__ = [
    "CHANNELS",
    "DEMO_SYMBOLS",
    "SECRET_KEYS",
    "TABLES",
    "VENUES",
    "Actors",
    "Alerts",
    "Breaker",
    "Demo",
    "Detector",
    "Feed",
    "Journal",
    "Monitor",
    "Settings",
    "Spool",
    "Store",
    "Supervision",
    "Table",
    "Venue",
    "Writer",
]

SECRET_KEYS: Final = frozenset({"url", "headers", "proxy", "storage_options", "token", "webhook"})
"""Keys whose values no message repeats."""


def _resolved(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str | Path):
        return value
    return (info.context or {}).get("base", Path()) / check_data_dir(str(value))


class Settings(Table):
    """Everything that can be set, checked and complete."""

    data_dir: Annotated[Path, BeforeValidator(_resolved), PlainSerializer(str)] = Field(
        default=Path("data"),
        description="Where everything is kept; relative to the configuration file, else to where you are.",
    )
    feeds: Annotated[tuple[Feed, ...], AfterValidator(check_some)] = Field(default_factory=lambda: (Feed(),))
    actors: Actors = Field(default_factory=Actors)
    detector: Detector = Field(default_factory=Detector)
    writer: Writer = Field(default_factory=Writer)
    breaker: Breaker = Field(default_factory=Breaker)
    supervision: Supervision = Field(default_factory=Supervision)
    journal: Journal = Field(default_factory=Journal)
    spool: Spool = Field(default_factory=Spool)
    stores: Annotated[tuple[Store, ...], AfterValidator(check_some)] = Field(
        default_factory=lambda: (Store(),)
    )
    monitor: Monitor = Field(default_factory=Monitor)
    alerts: Alerts = Field(default_factory=Alerts)
    demo: Demo = Field(default_factory=Demo)

    def location(self, store: Store) -> str:
        """Give the URL or the path of a store, a relative path being under `data_dir`."""
        return store.path if is_url(store.path) else str(self.data_dir / PurePath(store.path))


TABLES: Final[Mapping[str, type[Table]]] = {
    "feeds": Feed,
    "actors": Actors,
    "detector": Detector,
    "writer": Writer,
    "breaker": Breaker,
    "supervision": Supervision,
    "journal": Journal,
    "spool": Spool,
    "stores": Store,
    "monitor": Monitor,
    "alerts": Alerts,
    "demo": Demo,
}
"""The tables of a configuration file by name; feeds and stores are arrays of tables."""

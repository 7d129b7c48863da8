"""What is kept and how it is read back: `from stores import open_store` (docs/data.md)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stores.reading import OpenStore, open_store

__all__ = ["OpenStore", "open_store"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: every module of this package comes through here."""
    if name in __all__:
        return getattr(import_module("stores.reading"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The version of a lake table's schema, which the table keeps among its properties."""

from typing import Final

from deltalake import DeltaTable

from core.errors import StoreVersionError
from stores.schema import SCHEMA_VERSION

VERSION_KEY: Final = "tapeline.schemaVersion"


def check_version(handle: DeltaTable, uri: str) -> int:
    """Give the version of a table's schema; StoreVersionError where it is newer than ours."""
    found = int(handle.metadata().configuration.get(VERSION_KEY, "0"))
    if found > SCHEMA_VERSION:
        raise StoreVersionError(
            f"{uri} was written by a newer version of Tapeline (tables of version {found}, "
            f"known here: {SCHEMA_VERSION}): upgrade Tapeline, or set another path for the store"
        )
    return found

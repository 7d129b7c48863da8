"""How DuckDB is opened for a query: bounded, and without a network."""

import os
from collections.abc import Sequence
from typing import Any, Final

Config = dict[str, str | bool | int | float | list[str]]
MOST_THREADS: Final = 4


def sandbox(scratch: str, threads: int, memory_mb: int) -> Config:
    """Give the settings of a connection that loads no extension and spills into the directory `scratch`."""
    return {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": threads,
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": scratch,
    }


def confined(connection: Any, directories: Sequence[str] = ()) -> None:
    """Take a connection's access to all files but those below these directories, for good."""
    if directories:
        listed = ", ".join(f"'{_quoted(directory)}/'" for directory in directories)
        connection.execute(f"SET allowed_directories = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def usable_threads() -> int:
    """Give how many threads a query may use: a small machine's processors, and some of a large one's."""
    return min(MOST_THREADS, os.cpu_count() or 1)


def _quoted(text: str) -> str:
    return text.replace("'", "''")

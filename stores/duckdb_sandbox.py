"""How DuckDB is opened for a query: bounded, and without a network."""

Config = dict[str, str | bool | int | float | list[str]]


def sandbox(scratch: str, threads: int, memory_mb: int) -> Config:
    """Give the settings of a connection that loads no extension and spills into the directory `scratch`."""
    return {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": threads,
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": scratch,
    }

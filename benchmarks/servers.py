"""Databases to write into: real servers on loopback, ended with the context; None and a note without one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks.measuring import Result
from tests.support import postgres as postgres_support
from tests.support.influx import ORG, TOKEN, Front, Influxd

DURABLE = {"fsync": "on", "shared_buffers": "128MB"}
"""Tests do without; here a commit has to be one."""


@contextmanager
def postgres(result: Result) -> Iterator[postgres_support.Server | None]:
    """Run a PostgreSQL server that syncs its commits."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(postgres_support.SETTINGS, DURABLE))
        try:
            server = stack.enter_context(postgres_support.Server())
        except pytest.skip.Exception as absent:
            result.note(f"PostgreSQL left out: {absent}")
            yield None
        else:
            yield server


@contextmanager
def influx(result: Result, directory: Path) -> Iterator[Front | None]:
    """Run InfluxDB 1 behind the part of version 2's API that a store asks for."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Influxd(directory / "influxd"))
        except pytest.skip.Exception as absent:
            result.note(f"InfluxDB left out: {absent}")
            yield None
        else:
            yield stack.enter_context(Front(server))


def influx_store(front: Front, bucket: str) -> dict[str, Any]:
    """Give the keys of a store in a bucket."""
    return {"kind": "influx", "url": front.url, "org": ORG, "bucket": bucket, "token": TOKEN}

"""What the end-to-end tests share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.lasting_exchange import Exchange
from tests.e2e.tapeline import Tapeline
from tests.support.postgres import Server, binaries


@pytest.fixture
def tapeline(tmp_path: Path) -> Iterator[Tapeline]:
    """Give what runs commands on a data directory of its own; all of them are ended."""
    with ExitStack() as stack:
        yield Tapeline(tmp_path, stack)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """Give an exchange that outlives the runs; it ends with the test."""
    started = Exchange(tmp_path)
    yield started
    started.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a PostgreSQL."""
    if binaries() is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql-15")
    with Server() as started:
        yield started

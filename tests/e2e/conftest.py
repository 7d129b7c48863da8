"""What the end-to-end tests share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.tapeline import Tapeline


@pytest.fixture
def tapeline(tmp_path: Path) -> Iterator[Tapeline]:
    """Give what runs commands on a data directory of its own; all of them are ended."""
    with ExitStack() as stack:
        yield Tapeline(tmp_path, stack)

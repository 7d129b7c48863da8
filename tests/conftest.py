"""What all tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.harness import World

SLOW_SECONDS = 0.25


@pytest.fixture
def project_root() -> Path:
    """The directory that holds supervisor.py."""
    return Path(__file__).parent.parent


@pytest.fixture
def make_world() -> Iterator[Callable[[int], World]]:
    """Give what makes Worlds; they are closed in the end."""
    worlds: list[World] = []

    def make(seed: int) -> World:
        worlds.append(World(seed))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()

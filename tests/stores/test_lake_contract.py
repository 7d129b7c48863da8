"""The lake keeps the contract of stores."""

from pathlib import Path

import pytest

from stores.registry import StoreTerms
from tests.stores.contract import StoreContract


class TestLake(StoreContract):
    """Every test of the contract, on a directory of its own."""

    @pytest.fixture
    def terms(self, tmp_path: Path) -> StoreTerms:
        """Name a lake that does not exist yet."""
        return StoreTerms("lake", str(tmp_path / "lake"))

"""Stores are found by kind."""

from pathlib import Path

import pytest

from core.errors import UsageError
from stores.lake import LakeWriter
from stores.registry import KINDS, StoreTerms, open_reader, open_writer


def test_every_kind_opens_both_sides_and_touches_nothing(tmp_path: Path) -> None:
    for kind in KINDS:
        terms = StoreTerms(kind, str(tmp_path / kind))
        open_writer(terms).close()
        open_reader(terms).close()
    assert list(tmp_path.iterdir()) == []
    assert isinstance(open_writer(StoreTerms("lake", "x")), LakeWriter)


@pytest.mark.parametrize("opening", [open_writer, open_reader])
def test_an_unknown_kind_names_those_there_are(opening: object) -> None:
    assert callable(opening)
    with pytest.raises(UsageError, match="no kind of store 'lago'; there are lake"):
        opening(StoreTerms("lago", "x"))

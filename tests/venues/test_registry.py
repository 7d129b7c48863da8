"""The registry of venues."""

import pytest

from core.errors import UsageError
from venues.dialect import FeedTerms
from venues.registry import VENUES, dialect_class


def test_every_venue_is_found_by_its_name() -> None:
    assert VENUES == ("binance", "binance_futures", "coinbase", "demo", "generic")
    assert [dialect_class(name).venue for name in VENUES] == list(VENUES)


@pytest.mark.parametrize("name", VENUES)
def test_a_feeds_url_goes_before_the_venues_own(name: str) -> None:
    dialect = dialect_class(name)
    assert dialect(FeedTerms((), ())).url() == dialect.default_url
    assert dialect(FeedTerms((), (), url="ws://127.0.0.1:9")).url() == "ws://127.0.0.1:9"


def test_an_unknown_venue_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'coinbase'"):
        dialect_class("coinbse")
    with pytest.raises(UsageError, match="there are binance"):
        dialect_class("zzz")

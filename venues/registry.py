"""Which venues there are."""

from difflib import get_close_matches
from typing import Final

from core.errors import UsageError
from venues.binance import Binance
from venues.binance_futures import BinanceFutures
from venues.coinbase import Coinbase
from venues.demo import Demo
from venues.dialect import Dialect
from venues.generic import Generic

_DIALECTS: Final[tuple[type[Dialect], ...]] = (
    Binance,
    BinanceFutures,
    Coinbase,
    Demo,
    Generic,
)
_BY_NAME: Final = {dialect.venue: dialect for dialect in _DIALECTS}

VENUES: Final = tuple(_BY_NAME)
"""Their names, in the order of the alphabet."""


def dialect_class(name: str) -> type[Dialect]:
    """Give a venue's dialect; UsageError where there is no such venue."""
    if name not in _BY_NAME:
        near = get_close_matches(name, VENUES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(VENUES)}"
        raise UsageError(f"unknown venue {name!r}: {hint}")
    return _BY_NAME[name]

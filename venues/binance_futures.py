"""Binance USD-M futures: streams `aggTrade` and `bookTicker`, combined on one connection.

Documentation: "Websocket Market Streams" of USDⓈ-Margined Futures.

As spot (`venues.binance`), but for:

- `bookTicker` has a name and two times: `T`, when it happened, and `E`, when it was sent. `T` is taken;
- `trade` exists, though no page lists it;
- a connection takes 1,024 streams or 200, depending on the edition of the page: 200 are used;
- a connection that sends more than 10 messages a second is closed, and that counts pongs.
"""

from dataclasses import replace
from typing import Final

from core.shapes import Shape
from venues.binance import AGG_TRADES, BOOK_TICKERS, AggTrade, Binance, BookTicker, Trade
from venues.parsing import epoch_ns
from venues.schema import EpochTime


class TimedBookTicker(BookTicker):
    """A top of book.

    ``{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":9001,"E":1715000000124,
    "T":1715000000123,"s":"BTCUSDT","b":"64000.09","B":"0.5","a":"64000.10","A":"1.5"}}``
    """

    time: EpochTime


_TIMED_BOOK_TICKERS: Final = replace(BOOK_TICKERS, literals={"e": "bookTicker"}, absent=(), time="T")


class BinanceFutures(Binance):
    """Binance USD-M futures."""

    venue = "binance_futures"
    default_url = "wss://fstream.binance.com/stream"
    max_symbols_per_connection = 100
    requests_per_second = 9.0
    events = {"bookTicker": TimedBookTicker, "aggTrade": AggTrade, "trade": Trade}  # noqa: RUF012

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Give the two combined streams that are subscribed to."""
        return (AGG_TRADES, _TIMED_BOOK_TICKERS)

    def _time(self, event: BookTicker) -> int:
        assert isinstance(event, TimedBookTicker)
        return epoch_ns(event.time)

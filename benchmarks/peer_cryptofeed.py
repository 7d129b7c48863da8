"""cryptofeed: `python -m benchmarks.peer_cryptofeed URL FRAMES SYMBOLS [POSTGRES]`.

Trades go to an empty callback, or to its own PostgreSQL backend where a URL is given, which waits for the
database and drops nothing. The address and the list of symbols are replaced, so that nothing is asked of
Binance; all else is as it comes. It takes `wss://` only, and trusts the certificate that SSL_CERT_FILE names.
"""

import os
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptofeed import FeedHandler  # type: ignore[import-not-found]
from cryptofeed.connection import WebsocketEndpoint  # type: ignore[import-not-found]
from cryptofeed.defines import TRADES  # type: ignore[import-not-found]
from cryptofeed.exchanges import Binance  # type: ignore[import-not-found]
from cryptofeed.symbols import Symbols  # type: ignore[import-not-found]

from benchmarks.peer_common import Count

count = Count()
_base, _, _query = count.url.partition("/stream?")


class Loopback(Binance):  # type: ignore[misc]
    """Binance, elsewhere."""

    websocket_endpoints = (WebsocketEndpoint(f"{_base}/{_query.replace('&', '/')}"),)


def counted(trades: int) -> None:
    """Count, and end with the last one."""
    count.left -= trades
    if not count.left:
        count.tell()
        os._exit(0)


async def on_trade(trade: Any, received: float) -> None:
    """Count."""
    counted(1)


def into_postgres(url: str) -> Any:
    """Give the backend; it counts what is committed."""
    from cryptofeed.backends.postgres import TradePostgres  # type: ignore[import-not-found]

    class Counting(TradePostgres):  # type: ignore[misc]
        async def write_batch(self, batch: list[Any]) -> Any:
            accepted = await super().write_batch(batch)
            counted(accepted)
            return accepted

    place = urlsplit(url)
    schema = parse_qs(place.query)["options"][0].rpartition("=")[2]
    return Counting(
        host=place.hostname, port=place.port, user=place.username, db=place.path[1:],
        table=f"{schema}.trades", overflow="block",
    )  # fmt: skip


def main() -> None:
    """Measure once; what counts ends it."""
    names = {f"{symbol.removesuffix('USDT')}-USDT": symbol for symbol in count.symbols}
    kinds = dict.fromkeys(names, "spot")
    Symbols.set(Binance.id, names, {"tick_size": dict.fromkeys(names, "0.01"), "instrument_type": kinds})
    callback = into_postgres(sys.argv[4]) if len(sys.argv) > 4 else on_trade
    handler = FeedHandler(config={"uvloop": True, "log": {"filename": os.devnull, "level": "ERROR"}})
    handler.add_feed(Loopback(symbols=list(names), channels=[TRADES], callbacks={TRADES: callback}))
    handler.run()


if __name__ == "__main__":
    main()

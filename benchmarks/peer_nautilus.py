"""NautilusTrader's live client to `on_trade_tick`: `python -m benchmarks.peer_nautilus URL FRAMES SYMBOLS`.

It asks an HTTP server for its instruments; one in this process tells it those of the load, once.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nautilus_trader.adapters.binance import (  # type: ignore[import-not-found]
    BINANCE,
    BinanceDataClientConfig,
    BinanceLiveDataClientFactory,
)
from nautilus_trader.config import (  # type: ignore[import-not-found]
    InstrumentProviderConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode  # type: ignore[import-not-found]
from nautilus_trader.model.identifiers import InstrumentId  # type: ignore[import-not-found]
from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found]

from benchmarks.peer_common import Count

count = Count()


def instrument(symbol: str) -> dict[str, Any]:
    """Describe a symbol as Binance does."""
    return {
        "symbol": symbol, "baseAsset": symbol.removesuffix("USDT"), "quoteAsset": "USDT", "status": "TRADING",
        "baseAssetPrecision": 8, "quotePrecision": 8, "quoteAssetPrecision": 8, "icebergAllowed": True,
        "orderTypes": ["LIMIT", "MARKET"], "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": True, "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000.000", "stepSize": "0.001"},
        ],
        "permissions": ["SPOT"],
    }  # fmt: skip


class Exchange(BaseHTTPRequestHandler):
    """Tells the instruments, whatever is asked."""

    def do_GET(self) -> None:
        """Answer."""
        told = {"timezone": "UTC", "serverTime": time.time_ns() // 1_000_000, "rateLimits": []}
        body = json.dumps({**told, "exchangeFilters": [], "symbols": list(map(instrument, count.symbols))})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class Counting(Strategy):  # type: ignore[misc]
    """Counts trades."""

    def on_start(self) -> None:
        """Subscribe."""
        for symbol in count.symbols:
            self.subscribe_trade_ticks(InstrumentId.from_str(f"{symbol}.{BINANCE}"))

    def on_trade_tick(self, tick: Any) -> None:
        """Count."""
        count.left -= 1
        if not count.left:
            count.tell()
            os._exit(0)


def main() -> None:
    """Measure once; the callback ends it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, _, query = count.url.partition("/stream?")
    wanted = frozenset(InstrumentId.from_str(f"{symbol}.{BINANCE}") for symbol in count.symbols)
    client = BinanceDataClientConfig(
        base_url_http=f"http://127.0.0.1:{server.server_address[1]}",
        base_url_ws=f"{base}/{query.replace('&', '/')}",
        instrument_provider=InstrumentProviderConfig(load_ids=wanted),
        use_agg_trade_ticks=True,
    )
    node = TradingNode(
        TradingNodeConfig(
            trader_id="BENCH-001",
            logging=LoggingConfig(log_level=os.environ.get("NAUTILUS_LOG", "ERROR")),
            data_clients={BINANCE: client},
        )
    )
    node.trader.add_strategy(Counting())
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.build()
    node.run()


if __name__ == "__main__":
    main()

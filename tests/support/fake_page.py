"""Serves the operator's page on a loopback port, with a pipeline that is only said to be there.

    python -m tests.support.fake_page --port 8000 --symbols 5000 --fault unbalanced

Faults come and go while it runs: `GET /fake?fault=restarting&on=1`. Its first line is
`serves on port 8000`.
"""

import argparse
import math
import random
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import time_ns
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from web.guard import CONTENT_SECURITY_POLICY
from web.model import Moment, Recent, View
from web.page import mount

FAULTS: Final = ("restarting", "line_down", "unbalanced", "disconnected", "store_down", "empty", "hostile")
HOSTILE: Final = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>${window.harmed=1}`'
NS: Final = 1_000_000_000
KEPT_TICKS: Final = 1_000
TICK_NS: Final = 40_000_000
NAMES: Final = ("BTC-USD", "ETH-USD", "SOL-USD")
BASES: Final = (60_000.0, 3_000.0, 150.0)
PLACES: Final = ("stored", "rejected", "duplicate", "shed", "dead_letter", "spooled", "in_flight")
Tick = tuple[int, float, float, float, float, float, float, str, str | None]


class Market:
    """One symbol's ticks: a walk with a few outliers, 25 a second."""

    def __init__(self, symbol: str, base: float, now_ns: int) -> None:
        self._random = random.Random(symbol)
        self._base, self._price, self._next_ns = base, base, now_ns - 600 * TICK_NS
        self.ticks: deque[Tick] = deque(maxlen=KEPT_TICKS)

    def advance(self, now_ns: int) -> None:
        """Let it have ticked until now."""
        while self._next_ns <= now_ns:
            self.ticks.append(self._tick(self._next_ns))
            self._next_ns += TICK_NS

    def _tick(self, ts_ns: int) -> Tick:
        chance = self._random.random
        self._price += self._base * (2e-5 * self._random.gauss(0, 1) + 1e-3 * (1 - self._price / self._base))
        price, spread = self._price, self._base * 1e-5 * (1 + chance())
        bid, ask, vwap = price - spread / 2, price + spread / 2, self._base + 0.5 * (price - self._base)
        z, verdict, reason = abs(self._random.gauss(0, 0.9)), "ok", None
        if chance() < 0.008:
            price, z, verdict = price * (1 + 3e-4 * self._random.choice((-1, 1))), 2.6 + chance(), "warn"
        elif chance() < 0.006:
            price, z, verdict, reason = (
                price * self._random.choice((0.9, 1.02)),
                4 + 9 * chance(),
                "reject",
                "critical_z",
            )
        return ts_ns, round(price, 2), round(bid, 2), round(ask, 2), vwap, spread, z, verdict, reason


class FakeModel:
    """A model that tells of a pipeline in any state."""

    def __init__(self, symbols: int, faults: set[str]) -> None:
        self.faults = faults
        self._names = [*NAMES, *(f"SYM{i:04}-USD" for i in range(3, symbols))][:symbols]
        self._started_ns = time_ns() - 754 * NS
        self._random = random.Random(1)
        self._markets: dict[str, Market] = {}
        self._second = 0
        self._view = View()
        begin_ns = time_ns() // NS * NS
        self._moments = deque((self._moment(begin_ns - ago * NS) for ago in range(180, 0, -1)), maxlen=300)

    @property
    def connected(self) -> bool:
        """Whether the pipeline has been heard of."""
        return "disconnected" not in self.faults

    @property
    def view(self) -> View:
        """The newest, made anew once a second."""
        second = time_ns() // NS
        if "empty" in self.faults:
            return View()
        if second > self._second and self.connected:
            self._second = second
            self._moments.append(self._moment(second * NS))
            self._view = View(time_ns(), self._status(), tuple(self._moments))
        return self._view

    async def recent(self, feed: str, symbol: str, n: int) -> Recent | None:
        """Give the newest ticks of a symbol."""
        if symbol not in self._symbols() or feed != "demo":
            return None
        market = self._market(symbol)
        market.advance(time_ns())
        columns = zip(*list(market.ticks)[-n:], strict=True)
        return Recent(feed, symbol, *(list(column) for column in columns))

    def _symbols(self) -> list[str]:
        return [*self._names, *([HOSTILE] if "hostile" in self.faults else [])]

    def _market(self, symbol: str) -> Market:
        if symbol not in self._markets:
            self._markets[symbol] = Market(symbol, self._base(symbol), time_ns())
        return self._markets[symbol]

    def _base(self, symbol: str) -> float:
        return BASES[NAMES.index(symbol)] if symbol in NAMES else 10.0 + len(symbol)

    def _moment(self, at_ns: int) -> Moment:
        wave = math.sin(at_ns / 4e10)
        chance = self._random.random
        return Moment(at_ns, 400 + 60 * wave + 25 * chance(), 0.6 + 0.1 * chance(), 2.0 + chance(),
                      1_060 + 40 * wave, 1_090 + 60 * chance())  # fmt: skip

    def _status(self) -> dict[str, Any]:
        passed = (time_ns() - self._started_ns) / NS
        return {
            "ledger": self._ledger(int(400 * passed)),
            "recovery": None,
            "lines": self._lines(),
            "stores": self._stores(),
            "actors": self._actors(),
            "symbols": [self._symbol(symbol) for symbol in self._symbols()],
            "alerts": self._alerts(),
            "session": 1,
            "started_ns": self._started_ns,
            "settings": {"detector": {"warn_z": 2.5, "critical_z": 4.0}},
        }

    def _ledger(self, received: int) -> dict[str, Any]:
        lost = 12 if "unbalanced" in self.faults else 0
        spooled = 4_321 if "store_down" in self.faults else 0
        counts = {"rejected": received // 200, "duplicate": 3, "shed": 0, "dead_letter": 0,
                  "spooled": spooled, "in_flight": 86}  # fmt: skip
        stored = received - lost - sum(counts.values())
        total = {"received": received, "recovered": 0, "carried_in": 0, "stored": stored, **counts}
        frames = {"frames": received + 6, "decoded": received, "control": 6, "ignored": 0, "shed_frames": 0,
                  "in_flight_frames": 0}  # fmt: skip
        reasons = {
            "critical_z": counts["rejected"] - 9,
            "crossed_market": 4,
            "malformed_json": 5,
            "repeated": 3,
        }
        return {
            "balanced": not lost, "total": total, "frames": frames, "reasons": reasons,
            "feeds": {"demo": {**total, "frames": frames}}, "stores": {"lake": total},
            "events": {"gap": 9, "reconnect": 1, "stale_time": 4, "warn": 19},
        }  # fmt: skip

    def _lines(self) -> list[dict[str, Any]]:
        up = {"line": "demo/0/A", "state": "up", "text": "", "wait_seconds": 0.0}
        down = {"line": "demo/1/A", "state": "up", "text": "", "wait_seconds": 0.0}
        if "line_down" in self.faults:
            down |= {"state": "waiting", "text": "the peer closed the connection", "wait_seconds": 3.2}
        return [up, down]

    def _stores(self) -> list[dict[str, Any]]:
        if "store_down" in self.faults:
            return [{"store": "lake", "state": "open", "spooled_rows": 4_321}]
        return [{"store": "lake", "state": "closed", "spooled_rows": 0}]

    def _actors(self) -> list[dict[str, Any]]:
        names = [f"detector/demo/{symbol}" for symbol in self._symbols()]
        names += ["writer/lake", "monitor", "journal", "normalizer/demo/0", "connection/demo/0/A",
                  "connection/demo/1/A"]  # fmt: skip
        actors: list[dict[str, Any]] = [
            {"child": name, "state": "running", "restarts": 0, "text": "", "waiting": 0} for name in names
        ]
        if "restarting" in self.faults:
            actors[1] |= {"state": "restarting", "restarts": 2, "text": "ZeroDivisionError: division by zero",
                          "waiting": 214}  # fmt: skip
        return actors

    def _symbol(self, symbol: str) -> dict[str, Any]:
        base, chance = self._base(symbol), self._random.random
        last = round(base * (1 + 2e-4 * (chance() - 0.5)), 2)
        return {
            "feed": "demo", "symbol": symbol, "last": last, "bid": round(last - 0.02, 2),
            "ask": round(last + 0.02, 2), "spread_mean": 0.04, "vwap": base * (1 + 1e-4 * (chance() - 0.5)),
            "momentum": 2e-5 * (chance() - 0.5), "z": 3 * chance() ** 3, "ticks": 1_000,
            "rejects": int(4 * chance() ** 4),
            "ticks_per_second": 400 / len(self._names) * (0.8 + 0.4 * chance()),
        }  # fmt: skip

    def _alerts(self) -> list[dict[str, Any]]:
        told: list[tuple[int, str, str | None, str]] = [
            (480, "line", None, "demo/0/A is down: the peer closed the connection; next attempt in 0.3 s"),
            (476, "gap", "BTC-USD", "ids 752 to 796 never came on demo/0/A"),
            (95, "warn", "SOL-USD", "price 149.9: far from its recent prices, z = 2.5"),
            (31, "reject", "ETH-USD", "bid 2980.89, ask 2980.91: critical_z, z = 12.5"),
        ]
        if "restarting" in self.faults:
            told.append((2, "restart", "ETH-USD", "detector/demo/ETH-USD crashed: division by zero"))
        if "hostile" in self.faults:
            told.append((1, "reject", HOSTILE, HOSTILE))
        loaded_ns = self._started_ns + 754 * NS
        return [
            {"ts_ns": (loaded_ns if ago > 2 else self._second * NS) - ago * NS, "kind": kind,
             "feed": "demo", "symbol": symbol, "actor": "monitor", "text": text, "held_back": 0}
            for ago, kind, symbol, text in told
        ]  # fmt: skip


def application(model: FakeModel) -> FastAPI:
    """Make the application, with the headers that the real one sends."""
    app = FastAPI(openapi_url=None)

    @app.get("/fake")
    async def fake(fault: str, on: bool) -> Response:
        (model.faults.add if on else model.faults.discard)(fault)
        return Response()

    @app.middleware("http")
    async def secured(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["content-security-policy"] = CONTENT_SECURITY_POLICY
        return response

    mount(app, model)
    return app


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Listen on this machine only."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield listener


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--symbols", type=int, default=3)
    parser.add_argument("--fault", action="append", choices=FAULTS, default=[])
    arguments = parser.parse_args()
    app = application(FakeModel(arguments.symbols, set(arguments.fault)))
    with listening(arguments.port) as listener:
        print(f"serves on port {listener.getsockname()[1]}", flush=True)  # noqa: T201
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()

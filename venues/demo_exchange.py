"""The demo exchange: plays a seeded market over WebSocket on 127.0.0.1, faults included.

    python -m venues.demo_exchange --seed 7 --rate 400 --symbols BTC-USD,ETH-USD

It prints one line on stdout when it listens, `{"port": 12345}`, and ends at end of file on stdin
(its parent has died, however) or on SIGTERM. Ctrl-C in a terminal reaches every process there: it
is ignored, the parent decides.

A client sends `{"action": "subscribe", "symbols": [...]}` (or `unsubscribe`) and is answered
`{"type": "subscribed", "symbols": [...]}` with all that it is now subscribed to; a request that
cannot be read is answered `{"type": "error", "message": ...}`. Symbols that the market does not
have yet begin to trade. The market runs on whether anybody listens or not.
"""

import argparse
import asyncio
import contextlib
import csv
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from venues.demo_faults import DROP, GAP
from venues.demo_market import Event, Market

HEARTBEAT_SECONDS: Final = 5.0
HEARTBEAT: Final = '{"type":"heartbeat"}'
MAX_SYMBOLS: Final = 1_000
MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""A client that lets more than this pile up is cut off."""
_FLUSH_SECONDS: Final = 0.05
_TURN_EVENTS: Final = 256
_CLOSE_SECONDS: Final = 1.0


def command(
    python: str,
    *,
    seed: int,
    symbols: Sequence[str],
    rate: float = 400.0,
    faults: bool = True,
    port: int = 0,
    truth: Path | None = None,
) -> list[str]:
    """Give the arguments that start this server, from the directory that `venues` lies in."""
    row = io.StringIO()
    csv.writer(row).writerow(symbols)
    listed = row.getvalue().removesuffix("\r\n")
    arguments = [f"--seed={seed}", f"--rate={rate}", f"--symbols={listed}", f"--port={port}"]
    arguments += [] if faults else ["--no-faults"]
    arguments += [] if truth is None else [f"--truth={truth}"]
    return [python, "-m", "venues.demo_exchange", *arguments]


class Truth:
    """Appends one JSON line per event that was sent, and per one that was due but skipped (a gap)."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None if path is None else path.open("a", encoding="utf-8")

    def tell(self, event: Event, sent_to: int) -> None:
        """Record an event; `sent_to` counts the clients it went to, and is 0 for a gap."""
        if self._file is None:
            return
        record = {
            "offset_ns": event.offset_ns,
            "symbol": event.symbol,
            "kind": event.kind,
            "id": event.id,
            "seq": event.seq,
            "fault": event.fault,
            "text": event.text,
            "sent_to": sent_to,
        }
        self._file.write(json.dumps(record) + "\n")

    def flush(self) -> None:
        """Hand what was recorded to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        if self._file is not None:
            self._file.close()


class Exchange:
    """Serves one market to any number of clients; all methods belong to the event loop's thread."""

    def __init__(self, market: Market, truth: Truth, max_unsent_bytes: int = MAX_UNSENT_BYTES) -> None:
        self._market = market
        self._truth = truth
        self._max_unsent_bytes = max_unsent_bytes
        self._started_ns = time.monotonic_ns()
        self._clients: dict[ServerConnection, dict[str, None]] = {}
        self._listeners: dict[str, set[ServerConnection]] = {}

    async def attend(self, client: ServerConnection) -> None:
        """Answer one client's requests until it has gone."""
        self._clients[client] = {}
        try:
            async for request in client:
                self._send(_open([client]), json.dumps(self._answer(client, request), separators=(",", ":")))
        except ConnectionClosed:
            pass  # Clients go as they please, and so do dropped connections.
        finally:
            for symbol in self._clients.pop(client):
                self._listeners[symbol].discard(client)

    async def play(self) -> None:
        """Deliver the market's events, each at its time, without end."""
        for turn, event in enumerate(self._market):
            ahead_ns = event.offset_ns - self._elapsed_ns()
            if ahead_ns > 0 or turn % _TURN_EVENTS == 0:
                await asyncio.sleep(max(ahead_ns, 0) / 1e9)
            self._deliver(event)

    async def beat(self, seconds: float) -> None:
        """Send every client a heartbeat every so many seconds, without end."""
        while True:
            await asyncio.sleep(seconds)
            self._send(_open(self._clients), HEARTBEAT)

    async def keep_truth(self) -> None:
        """Flush the truth file, without end."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._truth.flush()

    def _elapsed_ns(self) -> int:
        return time.monotonic_ns() - self._started_ns

    def _answer(self, client: ServerConnection, request: str | bytes) -> dict[str, Any]:
        try:
            asked = json.loads(request)
        except (ValueError, RecursionError):
            return _error("a request must be JSON")
        match asked:
            case {"action": "subscribe" | "unsubscribe" as action, "symbols": [*symbols]} if all(
                isinstance(symbol, str) for symbol in symbols
            ):
                pass
            case _:
                return _error('expected {"action": "subscribe" or "unsubscribe", "symbols": [text, ...]}')
        if action == "unsubscribe":
            self._unsubscribe(client, symbols)
        elif len({*self._market.symbols, *symbols}) > MAX_SYMBOLS:
            return _error(f"the market has room for {MAX_SYMBOLS} symbols")
        else:
            self._subscribe(client, symbols)
        return {"type": "subscribed", "symbols": list(self._clients[client])}

    def _subscribe(self, client: ServerConnection, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            self._market.list_symbol(symbol, self._elapsed_ns())
            self._clients[client][symbol] = None
            self._listeners.setdefault(symbol, set()).add(client)

    def _unsubscribe(self, client: ServerConnection, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            if self._clients[client].pop(symbol, self) is None:
                self._listeners[symbol].discard(client)

    def _deliver(self, event: Event) -> None:
        if event.symbol is None:
            listeners = _open(self._clients)
        else:
            listeners = _open(self._listeners.get(event.symbol, ()))
        if not listeners:
            return
        self._truth.tell(event, len(listeners) if event.fault != GAP else 0)
        if event.fault == DROP:
            for client in listeners:
                client.transport.abort()
        elif event.text is not None:
            self._send(listeners, event.text)

    def _send(self, clients: Iterable[ServerConnection], text: str) -> None:
        """Send without waiting, and cut off who is too slow."""
        broadcast(clients, text)
        for client in clients:
            if client.transport.get_write_buffer_size() > self._max_unsent_bytes:
                client.transport.abort()


def _open(clients: Iterable[ServerConnection]) -> list[ServerConnection]:
    # A transport that was aborted is closing at once, its protocol only when the loop comes round.
    return [
        client
        for client in clients
        if client.protocol.state is State.OPEN and not client.transport.is_closing()
    ]


def _error(text: str) -> dict[str, Any]:
    return {"type": "error", "message": text}


async def run(options: argparse.Namespace) -> None:
    """Serve until stdin ends or SIGTERM comes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    truth = Truth(options.truth)
    start_ns = time.time_ns() if options.start_ns is None else options.start_ns
    market = Market(options.seed, options.symbols, options.rate, options.faults, start_ns)
    exchange = Exchange(market, truth, options.max_unsent_bytes)
    async with serve(
        exchange.attend, "127.0.0.1", options.port,
        compression=None, ping_interval=None, close_timeout=_CLOSE_SECONDS,
    ) as server:  # fmt: skip
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()
        endless = (exchange.play(), exchange.beat(options.heartbeat_seconds), exchange.keep_truth())
        work = [asyncio.ensure_future(task) for task in endless]
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopped, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            if task.done():
                task.result()  # None of them ends but by a bug, which shall be seen.
            task.cancel()
    truth.close()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not sys.stdin: its lock, held here in a read, would make the interpreter's own end fail.
    with contextlib.suppress(OSError):  # Started without a stdin: nobody is there to serve.
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # The loop has closed: SIGTERM came first.
        loop.call_soon_threadsafe(stop.set)


def _positive(text: str) -> float:
    if not 0 < (rate := float(text)) < 1e6:
        raise ValueError
    return rate


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(symbol for symbol in next(csv.reader([text]), []) if symbol)
    if not symbols:
        raise ValueError
    return symbols


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="venues.demo_exchange", description="Serve a seeded demo market.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=_positive, default=400.0, help="ticks per second over all symbols")
    parser.add_argument("--symbols", type=_symbols, default=("BTC-USD", "ETH-USD", "SOL-USD"))
    parser.add_argument("--no-faults", dest="faults", action="store_false")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--truth", type=Path, help="append what was sent, and what was wrong with it, to a file"
    )
    parser.add_argument("--start-ns", type=int, help="epoch time of the market's start; default: now")
    parser.add_argument("--heartbeat-seconds", type=_positive, default=HEARTBEAT_SECONDS)
    parser.add_argument(
        "--max-unsent-bytes", type=int, default=MAX_UNSENT_BYTES, help="cut off who lags more"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Run the server as a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(run(options()))
    except OSError as error:
        sys.exit(f"venues.demo_exchange: {error}")


if __name__ == "__main__":
    main()

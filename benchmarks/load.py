"""The load generator, a process of its own: `python -m benchmarks.load --symbols 5`.

It listens on a free port of 127.0.0.1 and prints `{"port": ...}`. Clients connect and subscribe as at
Binance, with requests or by the URL's `streams`. Once all symbols are subscribed to, by one connection or
by several, everybody is sent prebuilt trades. The URL's query says what: `frames` over all connections,
`rate` a second (left out or 0: as fast as the socket takes them), `close=1` to close at the end. With a
rate, arrivals keep a schedule of their own: a frame that a slow reader delays still carries the time (in
microseconds) at which it was due. For each connection it prints when sending began and ended, in ns of the
monotonic clock, which all processes share, and of the epoch. It ends when its parent does.
"""

import argparse
import json
import os
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import numpy as np

from benchmarks import instruments, market
from benchmarks.server_side import Peer, accept_key

_LOOK_SECONDS: Final = 1.0
_BUILD_NS: Final = 5_000
"""More than building a frame takes; a schedule begins when all of its frames are there."""
_LEAD_NS: Final = 500_000_000
_printing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a URL asks for."""

    frames: int = 100_000
    rate: float = 0.0
    close: bool = False
    streams: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str) -> "Wish":
        """Read a request's path; `/frames=5/stream?...` is for clients that make the query themselves."""
        place = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(place.query).items()}
        query |= dict(part.split("=", 1) for part in place.path.split("/") if "=" in part)
        streams = tuple(filter(None, query.get("streams", "").split("/")))
        return cls(
            int(query.get("frames", 100_000)), float(query.get("rate", 0)), query.get("close") == "1", streams
        )


@dataclass
class Round:
    """The connections that are sent one load together."""

    missing: set[str]
    changed: threading.Condition = field(default_factory=threading.Condition)
    connections: int = 0
    built: int = 0

    def subscribe(self, names: tuple[str, ...]) -> None:
        """Note symbols as subscribed to."""
        with self.changed:
            self.missing -= set(names)
            self.changed.notify_all()

    def wait_subscribed(self) -> None:
        """Wait until all symbols are."""
        with self.changed:
            self.changed.wait_for(lambda: not self.missing)

    def wait_built(self) -> None:
        """Wait until everybody's frames are there."""
        with self.changed:
            self.built += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.built >= self.connections)


class Load:
    """The server."""

    def __init__(self, symbols: int, tls: ssl.SSLContext | None = None) -> None:
        self.names = instruments.symbols(symbols)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._round = Round(set(self.names))
        self._floods: dict[tuple[tuple[str, ...], int], list[bytes]] = {}

    def serve(self) -> None:
        """Serve until the parent is gone."""
        tell(port=self._listener.getsockname()[1])
        parent = os.getppid()
        self._listener.settimeout(_LOOK_SECONDS)
        while os.getppid() == parent:
            try:
                accepted, _ = self._listener.accept()
            except TimeoutError:
                continue
            accepted.settimeout(None)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._attend, args=(accepted,), daemon=True).start()

    def _attend(self, accepted: socket.socket) -> None:
        try:
            if self._tls is not None:
                accepted = self._tls.wrap_socket(accepted, server_side=True)
            self._converse(Peer(accepted))
        except OSError:
            pass
        finally:
            accepted.close()

    def _converse(self, peer: Peer) -> None:
        path = accept_key(peer)
        if not path:
            return
        wish = Wish.of(path)
        if not self._round.missing:
            self._round = Round(set(self.names))
        joined = self._round
        joined.connections += 1
        mine: list[str] = []
        sender = threading.Thread(target=self._send, args=(peer, joined, wish, mine), daemon=True)
        sender.start()
        self._subscribe(wish.streams, mine, joined)
        while (message := peer.read_text()) is not None:
            request = json.loads(message)
            if request.get("method") == "SUBSCRIBE":
                peer.send(market.text_frame(json.dumps({"result": None, "id": request["id"]}).encode()))
                self._subscribe(tuple(request["params"]), mine, joined)

    def _subscribe(self, streams: tuple[str, ...], mine: list[str], joined: Round) -> None:
        names = tuple(stream.partition("@")[0].upper() for stream in streams)
        mine.extend(name for name in names if name not in mine)
        if names:
            joined.subscribe(names)

    def _send(self, peer: Peer, joined: Round, wish: Wish, mine: list[str]) -> None:
        joined.wait_subscribed()
        names = tuple(mine)
        count = wish.frames * len(names) // len(self.names)
        try:
            if wish.rate:
                _pace(peer, names, count, wish.rate)
            else:
                self._flood(peer, joined, names, count)
            if wish.close:
                peer.send(b"\x88\x02\x03\xe8")
                peer.end()
        except OSError as error:
            tell(error=str(error))

    def _flood(self, peer: Peer, joined: Round, names: tuple[str, ...], count: int) -> None:
        pieces = self._floods.get((names, count))
        if pieces is None:
            times = market.flood_times(count, time.time_ns() // 1_000_000)
            pieces = self._floods[names, count] = market.chunks(market.trades(names, times))
        joined.wait_built()
        began, began_epoch = time.monotonic_ns(), time.time_ns()
        for piece in pieces:
            peer.send(piece)
        _tell_sent(names, count, sum(map(len, pieces)), began, began_epoch)


def _pace(peer: Peer, names: tuple[str, ...], count: int, rate: float) -> None:
    """Send each frame when it is due, whatever became of those before."""
    due = market.poisson_offsets_ns(count, rate)
    start_epoch = time.time_ns() + count * _BUILD_NS + _LEAD_NS
    start = time.monotonic_ns() + (start_epoch - time.time_ns())
    frames = list(market.trades(names, ((due + start_epoch) // 1_000).tolist()))
    ends = due.tolist()
    late = np.empty(count, np.int64)
    done = 0
    while done < count:
        wait = start + ends[done] - time.monotonic_ns()
        if wait > 0:
            time.sleep(wait / 1e9)
            continue
        now = time.monotonic_ns()
        upto = int(np.searchsorted(due, now - start, "right"))
        peer.send(b"".join(frames[done:upto]))
        late[done:upto] = time.monotonic_ns() - start - due[done:upto]
        done = upto
    p50, p99, most = np.percentile(late, (50, 99, 100))
    late_us = {"p50": p50 / 1e3, "p99": p99 / 1e3, "max": most / 1e3}
    _tell_sent(names, count, sum(map(len, frames)), start, start_epoch, late_us=late_us)


def _tell_sent(
    names: tuple[str, ...], frames: int, nbytes: int, began: int, began_epoch: int, **more: Any
) -> None:
    tell(
        event="sent", symbols=len(names), frames=frames, bytes=nbytes, began_ns=began,
        began_epoch_ns=began_epoch, ended_ns=time.monotonic_ns(), **more,
    )  # fmt: skip


def tell(**values: Any) -> None:
    """Print a line of JSON."""
    with _printing:
        print(json.dumps(values), flush=True)


def main() -> None:
    """Serve, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--symbols", type=int, default=5)
    parser.add_argument("--certificate", help="a PEM file with certificate and key: TLS")
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    sys.setswitchinterval(0.0005)
    Load(options.symbols, tls).serve()


if __name__ == "__main__":
    main()

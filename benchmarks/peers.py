"""Other programs' clients with an empty callback, beside the limit and the pipeline, in one run.

Where asyncpg is installed, cryptofeed 3 also writes to PostgreSQL (with `overflow="block"`, so that nothing
is dropped), beside the pipeline with commits of as many rows.

They are looked for in the Pythons that `--pythons` or the variable PEER_PYTHONS names, separated by `:`; what
none of them has installed is left out. cryptofeed takes `wss://` only and is given TLS.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import processes, servers, throughput
from benchmarks.measuring import Result, Table
from benchmarks.processes import Load
from benchmarks.throughput import Measured, Subject
from stores.registry import KINDS
from tests.support.postgres import Server

VARIABLE: Final = "PEER_PYTHONS"
CLIENTS: Final = {
    "picows": ("peer_picows", 1),
    "aiohttp": ("peer_aiohttp", 2),
    "websockets": ("peer_websockets", 5),
    "websocket-client": ("peer_websocket_client", 10),
    "cryptofeed": ("peer_cryptofeed", 10),
    "nautilus_trader": ("peer_nautilus", 20),
}
"""By distribution: our module that uses it, and by how much fewer frames it gets."""
TLS: Final = ("cryptofeed",)
_ASK: Final = """
import importlib.metadata as m, json, sys
found = {d.metadata["Name"].lower().replace("-", "_"): d.version for d in m.distributions()}
print(json.dumps([sys.version.split()[0], found]))
"""


@dataclass(frozen=True)
class Peer:
    """An installed client."""

    name: str
    version: str
    python: str
    python_version: str
    stores: bool
    """It can write to PostgreSQL, dropping nothing."""

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.name} {self.version}, Python {self.python_version}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("--frames", type=int, default=500_000)
    parser.add_argument("--pythons", default=os.environ.get(VARIABLE, ""), help=f"default: ${VARIABLE}")
    parser.add_argument("--store", default="lake", help="the pipeline's")
    parser.add_argument("--no-postgres", dest="postgres", action="store_false", help="nobody writes there")


def measure(options: argparse.Namespace) -> Result:
    """Run the pipeline and every peer that is installed."""
    result = Result("peers", {"frames": options.frames, "runs": options.runs, "symbols": throughput.SYMBOLS})
    pythons = [path for path in options.pythons.split(os.pathsep) if path]
    with ExitStack() as stack:
        certificate = _certificate(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        load = stack.enter_context(processes.load(throughput.SYMBOLS))
        secure = stack.enter_context(processes.load(throughput.SYMBOLS, certificate))
        found: dict[str, Subject] = {}
        if options.store in KINDS:
            found[f"pipeline to {options.store}"] = throughput.piped(partial(dict, kind=options.store))
        else:
            result.note(f"the pipeline left out: there is no store {options.store}")
        server = stack.enter_context(servers.postgres(result)) if options.postgres else None
        if server is not None:
            found["pipeline to postgres"] = throughput.to_postgres(server)
        for peer in installed(pythons, result):
            load_of = secure if peer.name in TLS else None
            found[peer.title] = _subject(peer, load_of, certificate)
            if server is not None and peer.stores:
                found[f"{peer.title}, to postgres"] = _subject(peer, load_of, certificate, server)
        runs = throughput.interleaved(found, load, options.frames, options.runs, result)
    result.tables.append(
        Table("Peers, with an empty callback where no database is named", throughput.rows(runs))
    )
    return result


def installed(pythons: list[str], result: Result) -> list[Peer]:
    """Find the peers, and note which are nowhere."""
    peers = []
    for python in pythons:
        asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True)
        version, packages = json.loads(asked.stdout)
        peers += [
            Peer(name, packages[key], python, version, _stores(name, packages))
            for name in CLIENTS
            if (key := name.replace("-", "_")) in packages
        ]
    for name in CLIENTS:
        if not any(peer.name == name for peer in peers):
            result.note(f"{name} left out: no Python of {VARIABLE} has it installed")
    return peers


def _stores(name: str, packages: Mapping[str, str]) -> bool:
    return name == "cryptofeed" and packages[name] >= "3" and "asyncpg" in packages


def _subject(peer: Peer, secure: Load | None, certificate: Path, server: Server | None = None) -> Subject:
    module, share = CLIENTS[peer.name]

    def run(plain: Load, frames: int) -> Measured:
        load, frames = secure or plain, frames // share
        database = [_table(server)] if server else []
        program = processes.module(
            module, load.url(frames), str(frames), str(load.symbols), *database, python=peer.python,
            env={"SSL_CERT_FILE": str(certificate)},
        )  # fmt: skip
        told = processes.measured(program)
        seconds = (told["ended_ns"] - load.sent()["began_ns"]) / 1e9
        lost = frames - told["frames"]
        return Measured(
            told["frames"] / seconds, told["cpu_seconds"] / frames * 1e6,
            faults=(f"{lost:,} of {frames:,} never came",) if lost else (),
        )  # fmt: skip

    return run


def _table(server: Server) -> str:
    """Make the table that cryptofeed inserts into, and give the URL of its schema."""
    url = server.url(schema := server.schema())
    with server.connected(schema) as connection:
        connection.execute(
            "CREATE TABLE trades (timestamp timestamptz, receipt timestamptz, exchange text, symbol text, "
            "side text, amount numeric(64, 32), price numeric(64, 32), id text, type text)"
        )
    return url


def _certificate(directory: Path) -> Path:
    """Make a certificate for loopback, with its key in the same file."""
    path = directory / "loopback.pem"
    words = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout - -out -"
    )
    made = subprocess.run(words.split(), capture_output=True, check=True)
    path.write_bytes(made.stdout)
    path.chmod(0o600)
    return path

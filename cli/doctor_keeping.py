"""What the doctor looks at in what is kept: the data directory, the stores, the monitor's port."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from cli.doctor_machine import MIB, nearest
from cli.findings import Finding, ok
from cli.status import NoStatusError, fetch
from core.errors import StoreError, StoreVersionError, UsageError
from core.settings import Settings
from core.settings import Store as StoreSettings
from stores.data_dir import holder
from stores.journal import Journal
from stores.registry import open_reader, store_terms
from stores.store import Query

_LATER_THAN_ALL: Final = 2**63
_LISTED: Final = 5
_HELD: Final = "held by the pipeline that runs"


def keeping(settings: Settings) -> Iterator[Finding]:
    """Look at everything, without a change."""
    yield directory(settings.data_dir)
    held = lock(settings.data_dir)
    yield held
    is_running = _HELD in held.text
    yield journal(settings.data_dir, is_running=is_running)
    for store in settings.stores:
        yield spool(settings.data_dir / "spool" / store.name, store.name, is_running=is_running)
        yield readable(settings, store)
    yield port(settings)


def directory(path: Path) -> Finding:
    """Look at whether the data directory can be written to, or made."""
    there = nearest(path)
    advice = "set data_dir to a directory that can be written to, or change its owner"
    if not there.is_dir():
        return Finding("data directory", "FAIL", f"{there} is no directory", advice)
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("data directory", "FAIL", f"{there} cannot be written to", advice)
    return ok("data directory", f"{path} can be written to" if there == path else f"{path} will be made")


def lock(path: Path) -> Finding:
    """Look at who holds the data directory."""
    try:
        pid = holder(path)
    except OSError as error:
        advice = "change its owner, or set data_dir to another directory"
        return Finding("lock", "FAIL", f"{path / 'lock'}: {error.strerror}", advice)
    return ok("lock", "free" if pid is None else f"{_HELD}, process {pid}")


def journal(data_dir: Path, *, is_running: bool) -> Finding:
    """Look for sessions that the next start has to recover."""
    found = Journal(data_dir)
    try:
        sessions, unclean = found.sessions(), found.unclean(_LATER_THAN_ALL)
    except OSError as error:
        return Finding("journal", "FAIL", f"{found.path}: {error.strerror}", "change its owner")
    if is_running and unclean:
        # The newest is that of the pipeline that runs.
        unclean = unclean[:-1]
    if not unclean:
        return ok("journal", f"{len(sessions)} sessions, none to be recovered")
    listed = ", ".join(map(str, unclean[:_LISTED])) + (", ..." if len(unclean) > _LISTED else "")
    text = f"{len(unclean)} of {len(sessions)} sessions to be recovered: {listed}"
    advice = "the next run recovers them; `journal verify` tells whether they are whole"
    return Finding("journal", "warn", text, advice)


def spool(path: Path, name: str, *, is_running: bool) -> Finding:
    """Look at what waits for a store."""
    subject = f"spool {name}"
    try:
        sizes = [each.stat().st_size for each in path.glob("*.arrow")]
        aside = len(list(path.glob("*.corrupt")))
    except OSError as error:
        return Finding(subject, "FAIL", f"{path}: {error.strerror}", "change its owner")
    if aside:
        text = f"{aside} files were put aside since they could not be read"
        return Finding(subject, "warn", text, f"look at them in {path}, and remove them")
    if sizes:
        when = "the pipeline that runs" if is_running else "the next run"
        text = f"{len(sizes)} batches, {sum(sizes) / MIB:,.1f} MiB, wait for the store"
        return Finding(subject, "warn", text, f"{when} writes them once the store takes them")
    return ok(subject, "empty")


def readable(settings: Settings, store: StoreSettings) -> Finding:
    """Read a row, which also tells whether the tables are of a version that is known."""
    subject, place = f"store {store.name}", _place(settings, store)
    try:
        with closing(open_reader(store_terms(settings, store))) as reader:
            rows = reader.read(Query("ticks", limit=1)).read_all().num_rows
    except StoreVersionError as error:
        return Finding(subject, "FAIL", str(error), "")
    except (StoreError, UsageError, OSError) as error:
        text = " ".join(str(error).split())
        advice = "ticks would go to the spool: start the store, or mend its url, path or credentials"
        return Finding(subject, "FAIL", text, advice)
    return ok(subject, f"{place} can be read{'' if rows else '; it holds no ticks yet'}")


def _place(settings: Settings, store: StoreSettings) -> str:
    return settings.location(store) if store.kind == "lake" else store.kind


def port(settings: Settings) -> Finding:
    """Look at whether the monitor's port is free, or ours."""
    host, number = settings.monitor.host, settings.monitor.port
    subject = "monitor"
    if number == 0:
        return ok(subject, "takes any free port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, number))
    except OSError as error:
        return _taken(settings, f"{host}, port {number}", error)
    return ok(subject, f"{host}, port {number} is free")


def _taken(settings: Settings, place: str, error: OSError) -> Finding:
    try:
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.monitor.host, settings.monitor.host)
        fetch(reached, settings.monitor.port, settings.monitor.token.reveal())
    except NoStatusError:
        text = f"{place} cannot be used: {error.strerror}"
        return Finding("monitor", "FAIL", text, "set monitor.port to another one, or to 0 for any")
    return ok("monitor", f"{place} is that of a pipeline that runs")

"""What `run` and `replay` do before the first actor starts, and after the last has ended."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from cli.logs import log_to_stderr
from core import kernel_cache
from core.errors import RetryableStoreError
from core.ledger import Ledger
from core.settings import Settings
from core.settings_loading import load
from messages.supervision import SupervisorEnded
from stores.data_dir import DataDirectory
from stores.registry import open_writer, store_terms

__all__ = [
    "check_stores",
    "conclude",
    "data_directory",
    "leave",
    "load_settings",
    "log_to_stderr",
    "prepare_kernels",
]

log = logging.getLogger("tapeline")


def load_settings(arguments: Any) -> Settings:
    """Load what the arguments name."""
    return load(arguments.config, arguments.set, os.environ)


@contextmanager
def data_directory(settings: Settings) -> Iterator[DataDirectory]:
    """Hold the data directory's lock meanwhile."""
    directory = DataDirectory(settings.data_dir)
    directory.open()
    try:
        yield directory
    finally:
        directory.close()


def prepare_kernels(data_dir: Path) -> None:
    """Load the compiled kernels before any deadline starts; the first time they are compiled.

    And what libraries import at their first use, which would hold up every thread in the midst of things.
    """
    kernel_cache.prepare(data_dir / "kernels")
    kernel_cache.load()
    for name in ("numpy.ma", "pyarrow.compute", "pyarrow.parquet"):
        import_module(name)


def check_stores(settings: Settings) -> None:
    """Refuse to start on tables of a newer version; a store that is down is the writer's business."""
    # A library that waits for an answer does not let Python raise KeyboardInterrupt.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    for settings_of_store in settings.stores:
        store = open_writer(store_terms(settings, settings_of_store))
        try:
            store.open()
        except RetryableStoreError as error:
            log.warning("%s cannot be reached yet: %s", settings_of_store.name, error)
        finally:
            store.close()
    signal.signal(signal.SIGINT, before)


def conclude(
    ended: SupervisorEnded, as_json: bool, summarize: Callable[[dict[str, Any]], str], **more: Any
) -> int:
    """Print the ledger, and more beside it, as the last thing on stdout; give the exit status: 0 only if it
    balances.
    """
    if ended.text:
        print(f"tapeline: {ended.text}", file=sys.stderr)
    ledger: Ledger | None = ended.ledger
    if ledger is None:
        return ended.status or 70
    account = {**ledger.as_json(), **more}
    print(json.dumps(account) if as_json else summarize(account), flush=True)
    return ended.status or (0 if ledger.balanced else 1)


def leave(status: int, hanging: Sequence[str]) -> int:
    """Give the exit status; where threads hang, end at once: the interpreter itself might wait for them."""
    if not hanging:
        return status
    log.error("%s: still hanging; the process ends without waiting", ", ".join(hanging))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)

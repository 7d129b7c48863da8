"""What the doctor looks at in the machine: Python, processors, memory, disk, files, the clock."""

import ctypes
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from cli.findings import Finding, Level, graded, ok
from core.settings import Settings

MIB: Final = 1 << 20
_PYTHONS: Final = ((3, 11), (3, 13))
_FILES_ANYWAY: Final = 128
"""Libraries, stores, logs, the page."""
_FILES_PER_CONNECTION: Final = 8
_UNSYNCHRONISED: Final = 5
"""What `ntp_adjtime` answers where nobody keeps the clock right (TIME_ERROR)."""
_TIMEX_BYTES: Final = 256


def machine(settings: Settings) -> Iterator[Finding]:
    """Look at everything."""
    yield python(sys.version_info[:2])
    yield processors(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    yield memory(psutil.virtual_memory().available, settings)
    yield disk(settings)
    yield files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], settings)
    yield clock(clock_state())


def python(found: tuple[int, int]) -> Finding:
    """Look at Python's version."""
    lowest, highest = (".".join(map(str, version)) for version in _PYTHONS)
    version = ".".join(map(str, found))
    level: Level = "ok" if _PYTHONS[0] <= found <= _PYTHONS[1] else "FAIL"
    return Finding("python", level, version, f"use Python {lowest} to {highest}")


def processors(count: int) -> Finding:
    """Look at how many processors there are."""
    text = f"{count} to run on"
    return Finding("processors", "ok" if count > 1 else "warn", text, "the page and queries want another one")


def memory(available: int, settings: Settings) -> Finding:
    """Hold the memory that is free against what mailboxes and recent ticks may take."""
    actors = settings.actors
    bound = (actors.mailbox_total_mb + actors.recent_total_mb) * MIB + 300 * MIB
    level = graded(available, 256 * MIB, bound)
    advice = "lower actors.mailbox_total_mb or actors.recent_total_mb, or give the machine more"
    text = f"{available / MIB:,.0f} MiB available; a run may take {bound / MIB:,.0f} MiB"
    return Finding("memory", level, text, advice)


def disk(settings: Settings) -> Finding:
    """Hold the free disk against what journal and spool may take."""
    there = nearest(settings.data_dir)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding("disk", "FAIL", f"{there}: {error.strerror}", "set data_dir to another directory")
    journal = settings.journal.retention_mb if settings.journal.enabled else 0
    bound = (journal + settings.spool.max_mb) * MIB
    text = f"{free / MIB:,.0f} MiB free at {there}; journal and spool may take {bound / MIB:,.0f} MiB"
    advice = "free some, or lower journal.retention_mb or spool.max_mb"
    return Finding("disk", graded(free, 256 * MIB, bound), text, advice)


def nearest(path: Path) -> Path:
    """Give the directory itself, or the nearest above it that is there."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def files(limit: int, settings: Settings) -> Finding:
    """Hold the limit of open files against connections and symbols."""
    connections = sum(feed.connections for feed in settings.feeds)
    symbols = sum(len(feed.symbols) for feed in settings.feeds)
    wanted = _FILES_ANYWAY + _FILES_PER_CONNECTION * connections + symbols
    if limit == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    text = f"at most {limit:,}; {connections:,} connections and {symbols:,} symbols may want {wanted:,}"
    return Finding("open files", graded(limit, wanted / 2, wanted), text, f"ulimit -n {2 * wanted}")


def clock(state: int | None) -> Finding:
    """Look at whether somebody keeps the clock right."""
    if state is None:
        return Finding(
            "clock", "warn", "cannot be asked whether it is kept right", "look at the machine's NTP"
        )
    if state == _UNSYNCHRONISED:
        advice = "start chrony or systemd-timesyncd; receive times are only as good as the clock"
        return Finding("clock", "warn", "is not synchronised by NTP", advice)
    return ok("clock", "is synchronised by NTP")


def clock_state() -> int | None:
    """Ask the kernel for the state of its clock, changing nothing; None where it does not say."""
    try:
        ask = ctypes.CDLL(None).ntp_adjtime
    except (OSError, AttributeError):
        return None
    # A struct timex of zeros asks for no change; it is 208 bytes on Linux.
    state = int(ask(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state

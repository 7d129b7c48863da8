"""What a benchmark gives: tables of figures that JSON can hold, and the machine that they are of."""

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Final

PACKAGES: Final = (
    "deltalake", "influxdb-client", "msgspec", "numba", "numpy", "psycopg", "pyarrow", "pykka", "websockets",
)  # fmt: skip

Figure = float | str | dict[str, float] | None
"""A number, a word, a `spread`, or nothing where nothing could be measured."""
Row = dict[str, Figure]


@dataclass
class Table:
    """Rows under one title; their keys are the column headings, units included."""

    title: str
    rows: list[Row] = field(default_factory=list)


@dataclass
class Result:
    """What a benchmark came to."""

    benchmark: str
    options: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left out or does not count, and why."""

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def as_json(self) -> dict[str, Any]:
        """Give it with the machine."""
        return {**asdict(self), "machine": machine()}


def spread(values: Iterable[float]) -> dict[str, float] | None:
    """Give median, min and max of some runs; None where there were none."""
    found = sorted(values)
    if not found:
        return None
    return {"median": median(found), "min": found[0], "max": found[-1], "runs": len(found)}


def machine() -> dict[str, Any]:
    """Describe the machine, without naming it."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

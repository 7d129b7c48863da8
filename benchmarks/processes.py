"""Starts what is measured, and the load, each as a process of its own; asks the kernel what they used."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.processes import Program

ROOT: Final = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS: Final = 600.0


@dataclass
class Load:
    """A running load generator."""

    program: Program
    port: int
    symbols: int
    scheme: str = "ws"
    _told: int = 0

    def url(self, frames: int, rate: float = 0.0, *, close: bool = False) -> str:
        """Give the URL at which so many frames can be had."""
        query = f"frames={frames}&rate={rate:g}&close={int(close)}"
        return f"{self.scheme}://127.0.0.1:{self.port}/stream?{query}"

    def sent(self, connections: int = 1) -> dict[str, Any]:
        """Give what it says of the load that it sent last, over all connections."""
        lines = self._sent_lines(self._told + connections)[self._told :]
        self._told += connections
        reports = [json.loads(line) for line in lines]
        return {
            "frames": sum(report["frames"] for report in reports),
            "bytes": sum(report["bytes"] for report in reports),
            "began_ns": min(report["began_ns"] for report in reports),
            "began_epoch_ns": min(report["began_epoch_ns"] for report in reports),
            "ended_ns": max(report["ended_ns"] for report in reports),
            "late_us": reports[0].get("late_us"),
        }

    def _sent_lines(self, at_least: int) -> list[str]:
        found: list[str] = []

        def enough(line: str) -> bool:
            # Asked of all lines from the first one on, each time.
            if line.startswith('{"port"'):
                found.clear()
            elif '"error"' in line:
                raise RuntimeError(f"the load generator: {line}")
            elif '"sent"' in line:
                found.append(line)
            return len(found) >= at_least

        self.program.wait_for_line(enough, "stdout")
        return found


@contextmanager
def load(symbols: int, certificate: Path | None = None) -> Iterator[Load]:
    """Run a load generator of so many symbols."""
    words = ["--symbols", str(symbols), *(["--certificate", str(certificate)] if certificate else [])]
    with module("load", *words) as program:
        port = json.loads(program.wait_for_line('"port"', "stdout"))["port"]
        yield Load(program, port, symbols, "wss" if certificate else "ws")


def module(
    name: str, *words: str, python: str = sys.executable, env: Mapping[str, str] | None = None
) -> Program:
    """Start a module of the benchmarks."""
    return Program([python, "-m", f"benchmarks.{name}", *words], cwd=ROOT, env=env, timeout=TIMEOUT_SECONDS)


def measured(program: Program) -> dict[str, Any]:
    """Wait for a program's end, and give the object that it printed."""
    with program:
        ended = program.wait()
        if ended.status:
            raise RuntimeError(str(ended))
        return ended.ledger


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of a process's threads so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Give the most memory that a process has held, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

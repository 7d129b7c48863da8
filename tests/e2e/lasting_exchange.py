"""A demo exchange that several runs, one after another, connect to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.tapeline import PROJECT
from venues.demo_exchange import command

SEED = 20


class Exchange:
    """A demo exchange that outlives the runs, and writes down what it sent."""

    def __init__(self, directory: Path) -> None:
        self.truth = directory / "truth.jsonl"
        self._process = subprocess.Popen(
            command(sys.executable, seed=SEED, symbols=("A", "B"), rate=2_000, truth=self.truth),
            cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = json.loads(self._process.stdout.readline())["port"]

    def told_bytes(self) -> int:
        """How much it has written down."""
        return self.truth.stat().st_size

    def has_told(self, nbytes: int) -> bool:
        """Whether it has written down more than so much."""
        return self.told_bytes() > nbytes

    def close(self) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(30)

    def sent(self) -> list[dict[str, Any]]:
        """Give what it sent to somebody."""
        events = [json.loads(line) for line in self.truth.read_text().splitlines()]
        return [event for event in events if event["sent_to"] and event["id"] is not None]

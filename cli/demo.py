"""Starts the demo exchange as a child process, and ends it."""

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Final

from core.errors import UsageError
from core.settings import Demo, Feed
from venues.demo_exchange import command

START_SECONDS: Final = 20.0
ROOT: Final = Path(__file__).resolve().parent.parent


class DemoProcess:
    """A demo exchange of our own. It ends when we do, however that is: its stdin ends with us."""

    def __init__(self, feed: Feed, demo: Demo) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            command(
                sys.executable,
                seed=demo.seed,
                symbols=feed.symbols,
                rate=demo.ticks_per_second,
                faults=demo.faults,
            ),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C in a terminal is for us alone.
            process_group=0,
        )
        self.url = f"ws://127.0.0.1:{self._port()}"

    def _port(self) -> int:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.close()
            raise UsageError("the demo exchange did not start; its messages are above")
        return int(json.loads(line)["port"])

    def close(self) -> None:
        """End it, and wait until it has ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

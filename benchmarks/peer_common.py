"""What the clients of other programs share. Only the standard library: it runs in their Pythons."""

import json
import sys
import time

from benchmarks.client_side import subscription
from benchmarks.instruments import symbols


class Count:
    """Counts messages, and knows when the last one came."""

    def __init__(self) -> None:
        url, frames, count = sys.argv[1:4]
        self.url = url
        self.symbols = symbols(int(count))
        self.subscription = subscription(self.symbols)
        self.left = int(frames)
        self._frames = int(frames)
        self._used = time.process_time()

    def tell(self) -> None:
        """Print the figures."""
        told = {
            "ended_ns": time.monotonic_ns(),
            "frames": self._frames - self.left,
            "cpu_seconds": time.process_time() - self._used,
        }
        print(json.dumps(told), flush=True)

"""The real process of the page, fed by a test instead of a pipeline."""

import http.client
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.processes import eventually
from tests.support.snapshots import ready, snapshot
from web.child import Child
from web.listening import listen
from web.model import Recent
from web.wire import Answer, Hello, Snapshot, line, question

PATIENCE_SECONDS = 45.0
FEED_SECONDS = 0.2
RECENT = Recent("demo", "BTC/USD", (1, 2), (1.5, None), (1.0, None), (2.0, None), (None, None), (1.0, None),
                (0.5, None), ("ok", "reject"), (None, "critical_z"))  # fmt: skip


@dataclass
class PageProcess:
    """Where it listens, and what it is told."""

    port: int
    child: Child
    told: Snapshot = field(default_factory=lambda: snapshot(**ready()))
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def get(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask; header names have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer, answer.read()


@contextmanager
def page_process(**hello: Any) -> Iterator[PageProcess]:
    """Start it, and feed it until the end."""
    ended = threading.Event()
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        options: Mapping[str, Any] = {"host": "127.0.0.1", "hosts": (), **hello}
        greeting = Hello(listening.fileno(), port=port, pid=os.getpid(), **options)

        def hear(text: bytes) -> None:
            asked = question(text)
            process.asked.append(asked.recent)
            known = asked.recent[1] == RECENT.symbol
            process.child.answer(line(Answer(asked.id, RECENT if known else None)))

        def feed() -> None:
            while not ended.wait(FEED_SECONDS):
                process.child.show(line(process.told))

        process = PageProcess(port, Child(line(greeting), (listening.fileno(),), hear))
        feeder = threading.Thread(target=feed, daemon=True)
        process.child.start()
        feeder.start()
        try:
            eventually(lambda: process.get("/healthz")[0].status == 200)
            yield process
        finally:
            ended.set()
            feeder.join(PATIENCE_SECONDS)
            process.child.close()

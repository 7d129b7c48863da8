"""Measures what an open page costs the process that serves it: `python -m tests.support.page_cost 5000`.

The process is the real one, as is the browser; what it is fed with once a second is made up.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Final

import psutil
from playwright.sync_api import Page

from tests.support.browser import browsing
from tests.support.fake_page import FakeModel
from tests.support.processes import eventually
from web.child import Child
from web.listening import listen
from web.wire import Answer, Hello, Snapshot, line, question

SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 6.0
PATIENCE_MS: Final = 120_000
SHOWN: Final = "n => document.querySelector('.found')?.textContent === `${n.toLocaleString('en')} symbols`"
HIDE: Final = """() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def main(symbols: int) -> None:
    """Measure without a page, with one in sight, and with one that is hidden."""
    model, ended = FakeModel(symbols, set()), Event()
    with ExitStack() as stack:
        listening = stack.enter_context(listen("127.0.0.1", 0))
        port = listening.getsockname()[1]
        hello = Hello(listening.fileno(), "127.0.0.1", port, os.getpid())

        def hear(text: bytes) -> None:
            asked = question(text)
            child.answer(line(Answer(asked.id, asyncio.run(model.recent(*asked.recent)))))

        def feed() -> None:
            while not ended.wait(1.0):
                child.show(line(Snapshot(model.view.at_ns, model.view.status)))

        child = Child(line(hello), (listening.fileno(),), hear)
        child.start()
        stack.callback(child.close)
        Thread(target=feed, daemon=True).start()
        stack.callback(ended.set)
        eventually(lambda: child.pid is not None)
        server = psutil.Process(child.pid)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        page = stack.enter_context(browsing(scratch / "profile")).new_page()
        received = [0]
        page.on("websocket", lambda socket: socket.on("framereceived", lambda text: _add(received, text)))
        _measure(page, server, received, "no page open")
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_function(SHOWN, arg=symbols, timeout=PATIENCE_MS)
        _measure(page, server, received, "one page open")
        page.evaluate(HIDE)
        _measure(page, server, received, "one page open, its tab hidden")


def _add(received: list[int], text: str | bytes) -> None:
    received[0] += len(text)


def _measure(page: Page, server: psutil.Process, received: list[int], what: str) -> None:
    page.wait_for_timeout(SETTLE_SECONDS * 1_000)
    cpu, begun, got = sum(server.cpu_times()[:2]), monotonic(), received[0]
    page.wait_for_timeout(SECONDS * 1_000)
    passed = monotonic() - begun
    share = 100 * (sum(server.cpu_times()[:2]) - cpu) / passed
    rate, memory = (received[0] - got) / passed / 1e3, server.memory_info().rss / 2**20
    print(f"{what}: {share:.1f} % of a core, {memory:.0f} MiB, {rate:.1f} kB/s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))

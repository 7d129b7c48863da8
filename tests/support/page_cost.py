"""Measures what an open page costs the process that serves it: `python -m tests.support.page_cost 5000`.

A real run on the demo exchange, in which each symbol has a detector of its own, and a real browser.
"""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Final

import psutil
from playwright.sync_api import Page

from tests.support.browser import browsing
from tests.support.processes import Program

PROJECT: Final = Path(__file__).parents[2]
SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 8.0
START_SECONDS: Final = 240.0
HIDE: Final = """() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def main(symbols: int) -> None:
    """Measure without a page, with one in sight, and with one that is hidden."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = ", ".join(f'"SYM{i:04}-USD"' for i in range(symbols))
        feed = f'[[feeds]]\nname = "demo"\nvenue = "demo"\nsymbols = [{names}]\n'
        (scratch / "cost.toml").write_text(f'data_dir = "data"\n[monitor]\nport = 0\n{feed}')
        words = (sys.executable, PROJECT / "supervisor.py", "run", "--config", scratch / "cost.toml")
        program = stack.enter_context(Program(words, cwd=scratch, timeout=START_SECONDS))
        url = program.wait_for_line("the page is ").rsplit(" ", 1)[1]
        program.wait_for_line("every actor has started")
        server = next(child for child in program.children() if "web.server" in child.cmdline())
        page = stack.enter_context(browsing(scratch / "profile")).new_page()
        received = [0]
        page.on("websocket", lambda socket: socket.on("framereceived", lambda text: _add(received, text)))
        _measure(page, server, received, "no page open")
        page.goto(url)
        shown = "n => document.querySelector('.found')?.textContent === `${n.toLocaleString('en')} symbols`"
        page.wait_for_function(shown, arg=symbols, timeout=START_SECONDS * 1_000)
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

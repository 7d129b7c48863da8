"""The fake page in a process of its own, and what its tests look for on it."""

import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import PATIENCE_MS, Looker
from tests.support.processes import Program

PROJECT = Path(__file__).parents[2]
Look = Callable[..., Looker]
"""Opens a page of a server, at a width and in a colour scheme."""
expect.set_options(timeout=PATIENCE_MS)


class PageServer:
    """The fake, in a process of its own."""

    def __init__(self, stack: ExitStack, symbols: int, port: int = 0) -> None:
        words = (
            sys.executable,
            "-m",
            "tests.support.fake_page",
            "--port",
            str(port),
            "--symbols",
            str(symbols),
        )
        self._program = Program(words, cwd=PROJECT)
        stack.enter_context(self._program)
        self.port = int(self._program.wait_for_line("serves on port ", "stdout").rsplit(" ", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Have a fault for a while."""
        self._say(name, "true")
        try:
            yield
        finally:
            self._say(name, "false")

    def stop(self) -> None:
        """End it, and wait for that."""
        self._program.send(signal.SIGKILL)
        self._program.wait()

    def _say(self, fault: str, on: str) -> None:
        with urllib.request.urlopen(f"{self.url}fake?fault={fault}&on={on}", timeout=20) as answer:
            assert answer.status == 200


def figure(page: Page, label: str) -> Locator:
    """Find a figure of the header."""
    return page.locator("header .figure", has=page.get_by_text(label, exact=True)).locator("dd")


def wait_for_another(page: Page, label: str) -> None:
    """Wait until a figure of the header has changed."""
    expect(figure(page, label)).not_to_have_text(figure(page, label).inner_text())

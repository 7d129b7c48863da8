"""A real browser that looks at a page: Debian's Chromium, driven by Playwright."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
ARGUMENTS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS: Final = 40_000
"""The machine may be slow; whoever waits, waits for an event."""


class Looker:
    """A page that is looked at, and what it did on the quiet."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.addresses: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("websocket", lambda socket: self.addresses.append(socket.url))

    def open(self) -> Page:
        """Load the page, and wait until it is fed."""
        self.page.goto(self.url)
        self.page.wait_for_function("window.did_handshake === true")
        return self.page

    @property
    def elsewhere(self) -> list[str]:
        """Addresses that were asked and are not the page's own."""
        own = urlsplit(self.url).netloc
        return [
            url for url in self.addresses if urlsplit(url).netloc != own and urlsplit(url).scheme != "data"
        ]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)


@contextmanager
def browsing(profile: Path, **options: Any) -> Iterator[BrowserContext]:
    """Have a browser with a profile of its own, and end it."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True, **options
        )
        context.set_default_timeout(PATIENCE_MS)
        try:
            yield context
        finally:
            context.close()

"""Pages and a browser for the tests of the operator's page."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.browser import Looker, browsing
from tests.support.page_server import Look, PageServer


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser for all tests of a file."""
    with browsing(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture(scope="module")
def few() -> Iterator[PageServer]:
    """Serve three symbols."""
    with ExitStack() as stack:
        yield PageServer(stack, 3)


@pytest.fixture(scope="module")
def many() -> Iterator[PageServer]:
    """Serve five thousand symbols."""
    with ExitStack() as stack:
        yield PageServer(stack, 5_000)


@pytest.fixture
def look(browser: BrowserContext) -> Iterator[Look]:
    """Give what opens a page in a tab of its own, at a size and in a colour scheme."""
    pages: list[Page] = []

    def opened(server: PageServer, *, width: int = 1_440, scheme: Any = "dark") -> Looker:
        page = browser.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 1_000})
        page.emulate_media(color_scheme=scheme)
        looker = Looker(page, server.url)
        looker.open()
        return looker

    yield opened
    for page in pages:
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        page.close()

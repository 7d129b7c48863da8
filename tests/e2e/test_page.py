"""The page of a pipeline that runs: in a real browser, fed by the demo exchange."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.tapeline import Tapeline
from tests.support.browser import CHROMIUM, Looker, browsing
from tests.support.page_server import figure, wait_for_another

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no browser: install the package `chromium`"),
]


def test_the_page_of_a_run_shows_the_ledger_and_draws_what_was_refused(
    tapeline: Tapeline, tmp_path: Path
) -> None:
    program = tapeline.start(
        "run", "--set", f"data_dir={tapeline.data_dir}", "--set", "monitor.port=0", bare=True
    )
    url = program.wait_for_line("the page is ").rsplit(" ", 1)[1]
    with browsing(tmp_path / "profile") as context:
        looker = Looker(context.new_page(), url)
        page = looker.open()
        expect(figure(page, "Symbols")).to_have_text("3")
        expect(figure(page, "Lines up")).to_have_text("1 of 1")
        expect(page.locator(".verdict")).to_have_text("BALANCED")
        expect(page.locator(".supervision")).to_contain_text("detector/demo/BTC-USD")
        page.wait_for_function("+document.querySelector('.chart.tall').dataset.rejected > 0")
        wait_for_another(page, "As of (UTC)")
        assert looker.errors == []
        assert looker.elsewhere == []

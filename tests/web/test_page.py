"""The operator's page in a real browser, on a pipeline that is only said to be there."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import CHROMIUM
from tests.support.fake_page import HOSTILE
from tests.support.page_server import Look, PageServer, figure, wait_for_another

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no browser: install the package `chromium`"),
]


def test_it_loads_in_silence_and_asks_nobody_else(few: PageServer, look: Look) -> None:
    looker = look(few)
    expect(figure(looker.page, "Symbols")).to_have_text("3")
    wait_for_another(looker.page, "As of (UTC)")
    assert looker.errors == []
    assert looker.elsewhere == []
    assert any(address.startswith("ws://") for address in looker.addresses)


def test_numbers_move(few: PageServer, look: Look) -> None:
    page = look(few).page
    wait_for_another(page, "Running")
    price = page.get_by_role("row", name="ETH-USD").locator("td").first
    expect(price).not_to_have_text(price.inner_text())


def test_the_first_look_says_that_all_is_well(few: PageServer, look: Look) -> None:
    page = look(few).page
    expect(page.locator(".state")).to_have_text("Running well")
    expect(page.get_by_text("BALANCED", exact=True)).to_be_visible()
    expect(page.get_by_text("Nothing needs attention")).to_be_visible()
    assert "✓" in page.locator(".verdict").evaluate("el => getComputedStyle(el, '::before').content")


def test_the_chart_draws_and_marks_what_was_refused(few: PageServer, look: Look) -> None:
    page = look(few).page
    chart = page.locator(".chart.tall")
    page.wait_for_function("+document.querySelector('.chart.tall').dataset.rejected > 0")
    painted = chart.locator("canvas").first.evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.reduce((n, v) => n + (v > 0), 0)"
    )
    assert painted > 10_000
    assert "rejected" in (chart.get_attribute("aria-label") or "")
    expect(page.locator(".quote td", has_text="critical_z").first).to_be_visible()
    chart.scroll_into_view_if_needed()
    place = chart.evaluate(
        """el => { const { chart } = getElement(el.id.slice(1));
            const at = chart.getOption().series.findIndex(({ name }) => name === "Rejected");
            const { value } = chart.getOption().series[at].data.at(-1);
            return chart.convertToPixel({ seriesIndex: at }, value); }"""
    )
    chart.hover(position={"x": place[0], "y": place[1]})
    expect(page.locator(".tip", has_text="Rejectedcritical_z").first).to_be_visible()


def test_thresholds_are_drawn(few: PageServer, look: Look) -> None:
    page = look(few).page
    page.wait_for_function(
        """() => { const el = document.querySelector(".chart.tall");
            const { chart } = getElement(el.id.slice(1));
            const lines = chart.getOption().series.at(-1).markLine?.data ?? [];
            return lines.map(({ yAxis }) => yAxis).join() === "2.5,4"; }"""
    )


def test_only_new_ticks_are_sent(few: PageServer, look: Look) -> None:
    page = look(few).page
    chart = page.locator(".chart.tall")
    page.wait_for_function("+document.querySelector('.chart.tall').dataset.ticks > 0")
    # The pipeline keeps a thousand; the page, being told what is new, gets beyond that.
    before = int(chart.get_attribute("data-ticks") or 0)
    page.wait_for_function(f"+document.querySelector('.chart.tall').dataset.ticks > {before}")


def test_a_restarting_actor_shows_and_goes(few: PageServer, look: Look) -> None:
    page = look(few).page
    trouble = page.get_by_text("Actor detector/demo/ETH-USD restarting")
    with few.fault("restarting"):
        expect(trouble).to_be_visible()
        row = page.locator(".supervision tr", has_text="detector/demo/ETH-USD")
        expect(row).to_contain_text("ZeroDivisionError")
        expect(row).to_contain_text("214")
        expect(page.locator(".alerts")).to_contain_text("crashed: division by zero")
    expect(trouble).to_have_count(0)


def test_a_line_that_is_down_comes_first(few: PageServer, look: Look) -> None:
    page = look(few).page
    with few.fault("line_down"):
        expect(page.locator(".lines tbody tr").first).to_contain_text("demo/1/A")
        expect(page.locator(".lines tbody tr").first).to_contain_text("3.2 s")
        expect(figure(page, "Lines up")).to_have_text("1 of 2")


def test_a_store_that_is_down_shows_what_waits(few: PageServer, look: Look) -> None:
    page = look(few).page
    with few.fault("store_down"):
        expect(page.get_by_text("Store lake: breaker open, 4,321 rows spooled")).to_be_visible()
        expect(page.locator(".stores tbody tr")).to_contain_text("open")


def test_a_ledger_that_does_not_balance_says_by_how_much(few: PageServer, look: Look) -> None:
    page = look(few).page
    with few.fault("unbalanced"):
        expect(page.locator(".verdict")).to_have_text("NOT BALANCED")
        expect(page.locator(".equation")).to_contain_text("12 missing")
        expect(page.locator(".state")).to_have_text("In trouble")
    expect(page.locator(".verdict")).to_have_text("BALANCED")


def test_a_pipeline_that_falls_silent_shows_and_heals(few: PageServer, look: Look) -> None:
    page = look(few).page
    banner = page.locator("[data-part=pipeline-banner]")
    with few.fault("disconnected"):
        expect(banner).to_contain_text("No word from the pipeline since")
    expect(banner).to_have_text("")
    wait_for_another(page, "As of (UTC)")


def test_before_the_first_word_it_says_so(few: PageServer, look: Look) -> None:
    with few.fault("empty"):
        looker = look(few)
        expect(looker.page.get_by_text("Waiting for the pipeline's first word.")).to_be_visible()
        assert looker.errors == []
    expect(figure(looker.page, "Symbols")).to_have_text("3")


def test_a_server_that_is_gone_shows_and_heals(look: Look) -> None:
    with ExitStack() as stack:
        server = PageServer(stack, 3)
        page = look(server).page
        page.get_by_role("button", name="SOL-USD").click()
        banner = page.locator("[data-part=server-banner]")
        server.stop()
        expect(banner).to_contain_text("The server has not answered since")
        PageServer(stack, 3, server.port)
        expect(banner).to_have_text("")
        wait_for_another(page, "As of (UTC)")
        expect(page.locator(".name")).to_contain_text("SOL-USD")


def test_of_five_thousand_symbols_few_rows_are_held(many: PageServer, look: Look) -> None:
    looker = look(many)
    page = looker.page
    expect(page.locator(".found")).to_have_text("5,000 symbols")
    expect(page.get_by_role("button", name="SYM0004-USD")).to_be_visible()
    assert page.locator(".symbols tbody tr").count() < 80
    page.locator(".scroller").evaluate("el => { el.scrollTop = el.scrollHeight; }")
    expect(page.get_by_role("button", name="SYM4999-USD")).to_be_visible()
    assert page.locator(".symbols tbody tr").count() < 80
    assert looker.errors == []


def test_a_search_among_five_thousand_finds_one(many: PageServer, look: Look) -> None:
    page = look(many).page
    expect(page.locator(".found")).to_have_text("5,000 symbols")
    page.get_by_label("Search symbols").fill("sym2718")
    expect(page.locator(".found")).to_have_text("1 of 5,000")
    page.get_by_role("button", name="SYM2718-USD").click()
    expect(page.locator(".name")).to_contain_text("SYM2718-USD")
    page.wait_for_function(
        "document.querySelector('.chart.tall').getAttribute('aria-label').includes('SYM2718')"
    )
    page.get_by_label("Search symbols").fill("nothing like it")
    expect(page.get_by_text("No symbol matches")).to_be_visible()


def test_a_heading_sorts(many: PageServer, look: Look) -> None:
    page = look(many).page
    heading = page.get_by_role("columnheader", name="Last")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".symbols tbody th").first).to_contain_text("BTC-USD")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(page.locator(".symbols tbody th").first).to_contain_text("SYM")


def test_thousands_of_detectors_are_folded(many: PageServer, look: Look) -> None:
    page = look(many).page
    with many.fault("restarting"):
        expect(page.locator(".supervision tr.leaf", has_text="detector/demo/ETH-USD")).to_be_visible()
        expect(page.locator(".supervision")).to_contain_text("4,999 more detectors")
        assert page.locator(".supervision tr").count() < 40


def test_hostile_names_and_texts_are_text(few: PageServer, look: Look) -> None:
    with few.fault("hostile"):
        looker = look(few)
        page = looker.page
        page.get_by_label("Search symbols").fill("onerror")
        page.locator(".symbols tbody button", has_text="<img").click()
        expect(page.locator(".name")).to_contain_text(HOSTILE)
        expect(page.locator(".alerts")).to_contain_text(HOSTILE)
        expect(page.locator(".supervision")).to_contain_text(HOSTILE[:40])
        page.wait_for_function(
            "document.querySelector('.chart.tall').getAttribute('aria-label').includes('<img')"
        )
        page.reload()
        expect(page.locator(".alerts")).to_contain_text(HOSTILE)
        assert page.evaluate("window.harmed") is None
        assert page.locator("img[src=x]").count() == 0
        assert looker.errors == []


def test_a_hidden_tab_is_told_nothing(few: PageServer, look: Look) -> None:
    page = look(few).page
    page.evaluate("window.last = Date.now(); window.socket.onAny(() => { window.last = Date.now(); })")
    set_hidden(page, True)
    # In sight it hears something every second.
    page.wait_for_function("Date.now() - window.last > 3500")
    expect(page.locator("[data-part=server-banner]")).to_have_text("")
    set_hidden(page, False)
    wait_for_another(page, "As of (UTC)")


def set_hidden(page: Page, hidden: bool) -> None:
    page.evaluate(
        """hidden => { Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange")); }""",
        hidden,
    )

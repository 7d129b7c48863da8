"""Who can use the operator's page: by keyboard, by ear, on a phone, in the dark."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import CHROMIUM
from tests.support.page_server import Look, PageServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no browser: install the package `chromium`"),
]


def test_the_theme_follows_the_system_and_the_switch(few: PageServer, look: Look) -> None:
    page = look(few, scheme="dark").page
    page.wait_for_function("document.body.classList.contains('body--dark')")
    page.emulate_media(color_scheme="light")
    page.wait_for_function("document.body.classList.contains('body--light')")
    page.get_by_label("Dark").check(force=True)
    page.wait_for_function("document.body.classList.contains('body--dark')")
    page.reload()
    page.wait_for_function("document.body.classList.contains('body--dark')")
    expect(page.get_by_label("Dark")).to_be_checked()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_tone_can_be_read(few: PageServer, look: Look, scheme: str) -> None:
    page = look(few, scheme=scheme).page
    page.wait_for_function(f"document.body.classList.contains('body--{scheme}')")
    pairs = [(ink, paper) for ink in ("text", "muted", "accent") for paper in ("surface", "ground")]
    pairs += [(tone, paper) for tone in ("good", "warn", "bad") for paper in ("surface", f"{tone}-wash")]
    assert {pair: ratio for pair in pairs if (ratio := contrast(page, *pair)) < 4.5} == {}


def contrast(page: Page, *names: str) -> float:
    """Give the contrast of two of the page's colours; WCAG 2.2, contrast ratio and relative luminance."""
    lights = []
    for name in names:
        written = page.evaluate(f"getComputedStyle(document.body).getPropertyValue('--{name}').trim()")
        parts = [int(written[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_a_phone_has_nothing_to_scroll_sideways(many: PageServer, look: Look) -> None:
    with ExitStack() as stack:
        for fault in ("restarting", "line_down", "store_down", "unbalanced", "hostile"):
            stack.enter_context(many.fault(fault))
        page = look(many, width=360).page
        expect(page.get_by_text("Store lake: breaker open")).to_be_visible()
        page.wait_for_function("+document.querySelector('.chart.tall').dataset.ticks > 0")
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_keyboard_gets_everywhere(few: PageServer, look: Look) -> None:
    page = look(few).page
    expect(page.get_by_role("button", name="BTC-USD")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the state of the pipeline")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("System")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Light")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search symbols")).to_be_focused()
    assert page.get_by_label("Search symbols").evaluate("el => getComputedStyle(el).outlineStyle") == "solid"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.place !== undefined"):
            break
    expect(page.get_by_role("button", name="BTC-USD")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="SOL-USD")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".name")).to_contain_text("SOL-USD")


def test_arrow_keys_walk_through_rows_that_are_not_there_yet(many: PageServer, look: Look) -> None:
    page = look(many).page
    page.get_by_role("button", name="BTC-USD").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="SYM4999-USD")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name="SYM4998-USD")).to_be_focused()


FAULTS = """() => {
    const found = [];
    const count = (what, n) => { const m = document.querySelectorAll(what).length;
        if (m !== n) found.push(`${m} of ${what}`); };
    const named = (el) => (el.getAttribute("aria-label") || el.textContent).trim() !== ""
        || document.getElementById(el.getAttribute("aria-labelledby"));
    count("h1", 1); count("main", 1); count("header", 1); count("html[lang]", 1); count("html title", 1);
    for (const el of document.querySelectorAll("input, select, textarea"))
        if (!el.labels?.length || !el.labels[0].textContent.trim()) found.push(`no label: ${el.outerHTML}`);
    for (const el of document.querySelectorAll("button, a, [role=img], section, dl, [role=status]:has(li)"))
        if (!named(el)) found.push(`no name: ${el.outerHTML.slice(0, 80)}`);
    for (const el of document.querySelectorAll("table"))
        if (!el.caption || !el.querySelector("thead th[scope=col]")) found.push("a table without headings");
    for (const el of document.querySelectorAll("section"))
        if (!document.getElementById(el.getAttribute("aria-labelledby"))) found.push("a nameless section");
    const levels = [...document.querySelectorAll("h1,h2,h3,h4")].map((el) => +el.tagName[1]);
    levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) found.push(`heading ${i} leaps`); });
    const ids = [...document.querySelectorAll("[id]")].map((el) => el.id);
    const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
    if (twice.length) found.push(`ids that are there twice: ${twice}`);
    for (const el of document.querySelectorAll("[aria-labelledby], [aria-controls]"))
        for (const name of ["aria-labelledby", "aria-controls"])
            if (el.hasAttribute(name) && !document.getElementById(el.getAttribute(name)))
                found.push(`${name} leads nowhere`);
    if (!document.querySelector("[aria-live=polite]")) found.push("nothing is told");
    if (document.querySelector("[tabindex]:not([tabindex='0'], [tabindex='-1'])")) found.push("an order");
    return found;
}"""


def test_it_can_be_used_by_those_who_hear_it(few: PageServer, look: Look) -> None:
    page = look(few).page
    page.wait_for_function("+document.querySelector('.chart.tall').dataset.ticks > 0")
    assert page.evaluate(FAULTS) == []
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("region", name="Ledger")).to_be_visible()


def test_the_check_for_faults_finds_some(few: PageServer, look: Look) -> None:
    page = look(few).page
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<input><h1>x</h1><button>')"
    )
    assert len(page.evaluate(FAULTS)) == 3

"""The documentation as a site: it builds without a warning, and everything in it comes from itself."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from docs.site_hooks import PAGES

PROJECT = Path(__file__).parents[2]
LOADS = {
    "audio": ("src",), "embed": ("src",), "iframe": ("src",), "img": ("src", "srcset"), "input": ("src",),
    "link": ("href",), "object": ("data",), "script": ("src",), "source": ("src", "srcset"),
    "video": ("src", "poster"),
}  # fmt: skip
"""What a browser fetches by itself when it shows a page."""
FAR = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
CSS_LOADS = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page loads, where it links to, and where one can link to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors = {""}
        self.styles = re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element refers to."""
        told = {name: value or "" for name, value in attrs}
        self.loads += [told[name] for name in LOADS.get(tag, ()) if name in told]
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        self.anchors |= {told[name] for name in ("id", "name") if name in told}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `make site` does."""
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", place],
        cwd=PROJECT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
        check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Give every page by its name."""
    found = sorted(site.rglob("*.html"))
    return {str(path.relative_to(site)): Page(path.read_text(encoding="utf-8")) for path in found}


def test_every_page_of_the_repository_is_there(site: Path) -> None:
    written = [path.stem for path in (PROJECT / "docs").rglob("*.md")]
    for name in (*written, *(Path(page).stem for page in PAGES)):
        assert (site / f"{name}.html").is_file(), name
    assert not list(site.rglob("*.py"))


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    """No fonts, scripts, styles or pictures: it can be read where there is no network."""
    assert pages
    far = [(name, link) for name, page in pages.items() for link in page.loads if FAR.match(link)]
    assert [(name, link) for name, link in far if not link.startswith("data:")] == []
    styles = [text for page in pages.values() for text in page.styles]
    styles += [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    loaded = [one or other for text in styles for one, other in CSS_LOADS.findall(text)]
    assert [link for link in loaded if FAR.match(link)] == []


def test_links_lead_to_pages_and_places_that_there_are(site: Path, pages: dict[str, Page]) -> None:
    # The links of 404.html are meant for wherever it is shown.
    links = [(name, link) for name, page in pages.items() for link in page.links if name != "404.html"]
    assert [(name, link) for name, link in links if not _is_there(site, pages, name, link)] == []


def _is_there(site: Path, pages: dict[str, Page], name: str, link: str) -> bool:
    target, anchor = urldefrag(link)
    if FAR.match(link):
        return True
    path = (site / name).parent / unquote(target) if target else site / name
    if path.is_dir():
        path /= "index.html"
    page = pages.get(os.path.relpath(path, site))
    return path.is_file() and (page is None or unquote(anchor) in page.anchors)


def test_architecture_and_its_links_are_part_of_it(pages: dict[str, Page]) -> None:
    """It lies outside of docs/, and links into it."""
    assert "durability.html" in pages["ARCHITECTURE.html"].links
    assert "ARCHITECTURE.html" in pages["supervision.html"].links
    assert "files/ops/tapeline.service" in pages["systemd.html"].links


def test_pictures_are_where_the_pages_look_for_them(site: Path, pages: dict[str, Page]) -> None:
    pictures = [link for page in pages.values() for link in page.loads if link.endswith((".svg", ".png"))]
    assert "live-table.svg" in pictures
    assert [link for link in pictures if not (site / link).is_file() and not link.startswith("/")] == []

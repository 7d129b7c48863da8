"""The generated pages are what their sources say, and the written ones lead somewhere."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.generate import PAGES
from docs.generate_messages import MESSAGES, Entry, entries

ROOT = Path(__file__).resolve().parents[2]
PAGES_BY_NAME = {path.name: (path, page) for path, page in PAGES.items()}
ENTRIES = [entry for path in sorted(MESSAGES.glob("[!_]*.py")) for entry in entries(path)]
WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", PAGES_BY_NAME)
def test_no_page_is_stale(name: str) -> None:
    path: Path
    page: Callable[[], str]
    path, page = PAGES_BY_NAME[name]
    assert path.read_text(encoding="utf-8") == page(), "stale: run python -m docs.generate"


def test_every_generator_is_run() -> None:
    """A new generate_<page>.py is to be added to generate.py; but no two pictures of a run are alike."""
    generators = {path.stem.removeprefix("generate_") for path in (ROOT / "docs").glob("generate_*.py")}
    assert generators - {"pictures"} == {path.stem for path in PAGES}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.name))
def test_a_message_says_who_sends_and_who_receives_it(entry: Entry) -> None:
    assert entry.sender
    assert entry.receiver


def test_no_message_is_left_out() -> None:
    """One row each: a dataclass in messages/ is a message."""
    text = "".join(path.read_text(encoding="utf-8") for path in MESSAGES.glob("*.py"))
    assert len(ENTRIES) == text.count("@dataclass(")


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.name))
def test_links_lead_somewhere(path: Path) -> None:
    links = _LINK.findall(path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_picture_is_complete_in_itself() -> None:
    """It loads nothing from anywhere, fonts included."""
    picture = (ROOT / "docs" / "live-table.svg").read_text(encoding="utf-8")
    assert "http" not in picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "BALANCED" in picture

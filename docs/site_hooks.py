"""What MkDocs does not do by itself: pages from outside of docs/, and links as the repository has them.

In the repository a page links to what lies beside or above it: `tuning.md`, `../ARCHITECTURE.md`,
`../config.toml`. The first is a page of the site as well. The second becomes one here (PAGES), and the others
are laid beside the pages, so that no link has to be written for one place or the other.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES: Final = ("ARCHITECTURE.md", "CHANGELOG.md")
"""Pages at the top of the tree, which the site has under the same names."""
BESIDE: Final = "files"
"""The directory of the site where other files of the tree are laid."""
_FENCE: Final = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top of the tree."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(_root(config) / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to where their targets are on the site."""

    def moved(link: re.Match[str]) -> str:
        return _moved(link[1], page, config, files)

    kept = _FENCE.split(markdown)[::2]
    fences = [match[0] for match in _FENCE.finditer(markdown)]
    texts = [_LINK.sub(moved, text) for text in kept]
    return "".join(text + fence for text, fence in zip(texts, [*fences, ""], strict=True))


def _moved(link: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give a link as the site has it; one that leads nowhere stays, for MkDocs to complain of."""
    folder = "" if page.file.src_uri in PAGES else "docs"
    target = posixpath.normpath(posixpath.join(folder, link))
    if target in PAGES:
        return target
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    path = _root(config) / target
    if target == "README.md":
        return "index.md"
    if not path.is_file() or target.startswith(".."):
        return link
    name = f"{BESIDE}/{target}"
    if files.get_file_from_path(name) is None:
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return name


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent

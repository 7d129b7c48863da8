"""Makes the pictures of the page: `python -m docs.screenshots` (with the package `chromium`).

They are of a real run on the demo exchange, which comes to an end with it.
"""

import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import BrowserContext

from tests.support.browser import PATIENCE_MS, browsing
from tests.support.processes import Program

HERE: Final = Path(__file__).parent
SECONDS: Final = 45
"""So long the pipeline has run when the pictures are taken: the line was cut by then, and ticks refused."""
SHOTS: Final[tuple[tuple[str, Literal["dark", "light"], int, int], ...]] = (
    ("page-dark.png", "dark", 1_440, 1_170),
    ("page-light.png", "light", 1_440, 1_170),
    ("page-phone.png", "dark", 360, 780),
)
PAGE_LINE: Final = re.compile(r"the page is (http://\S+)")
RUNS_LONG_ENOUGH: Final = """seconds => {
    const written = [...document.querySelectorAll("header .figure")]
        .find((el) => el.querySelector("dt").textContent === "Running").querySelector("dd").textContent;
    return written.split(":").reduce((sum, part) => 60 * sum + Number(part), 0) >= seconds
        && document.querySelector(".chart.tall").dataset.rejected > 0;
}"""


def main() -> None:
    """Run the pipeline, look at it, and write the pictures beside this file."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        words: list[str | Path] = [sys.executable, HERE.parent / "supervisor.py", "run"]
        words += ["--set", "monitor.port=0", "--set", f"data_dir={scratch / 'data'}"]
        program = stack.enter_context(Program(words, cwd=scratch))
        found = PAGE_LINE.search(program.wait_for_line("the page is "))
        assert found is not None
        browser = stack.enter_context(browsing(scratch / "profile", device_scale_factor=1))
        for name, scheme, width, height in SHOTS:
            _shoot(browser, found[1], HERE / name, scheme, width, height)
            print(HERE / name)


def _shoot(
    browser: BrowserContext, url: str, path: Path, scheme: Literal["dark", "light"], width: int, height: int
) -> None:
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.goto(url)
    page.wait_for_function(RUNS_LONG_ENOUGH, arg=SECONDS, timeout=SECONDS * 1_000 + PATIENCE_MS)
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main()

"""Makes the pictures of the page: `python -m docs.screenshots` (with the package `chromium`).

They are of a real run on the demo exchange, which comes to an end with it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import BrowserContext, sync_playwright

HERE: Final = Path(__file__).parent
SECONDS: Final = 45
"""So long the pipeline has run when the pictures are taken: the line was cut by then, and ticks refused."""
PATIENCE_SECONDS: Final = 120
SHOTS: Final[tuple[tuple[str, Literal["dark", "light"], int, int], ...]] = (
    ("page-dark.png", "dark", 1_440, 1_310),
    ("page-light.png", "light", 1_440, 1_310),
    ("page-phone.png", "dark", 360, 780),
)
CHROMIUM: Final = "/usr/bin/chromium"
ARGUMENTS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
TOLD: Final = "the page is "
RUNS_LONG_ENOUGH: Final = """seconds => {
    const running = [...document.querySelectorAll("header .figure")]
        .find((el) => el.querySelector("dt").textContent === "Running");
    const passed = running?.querySelector("dd").textContent.split(":").reduce((sum, n) => 60 * sum + +n, 0);
    return passed >= seconds && document.querySelector(".chart.tall").dataset.rejected > 0;
}"""


def main() -> None:
    """Run the pipeline, look at it, and write the pictures beside this file."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(_pipeline(scratch))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch_persistent_context(
            scratch / "profile", executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        stack.callback(browser.close)
        for name, scheme, width, height in SHOTS:
            _shoot(browser, url, HERE / name, scheme, width, height)
            print(HERE / name)


@contextmanager
def _pipeline(scratch: Path) -> Iterator[str]:
    """Run the demo, and give the page's address."""
    words = [sys.executable, str(HERE.parent / "supervisor.py"), "run"]
    words += ["--set", "monitor.port=0", "--set", f"data_dir={scratch / 'data'}"]
    log = (scratch / "run.log").open("w+", encoding="utf-8")
    with log, subprocess.Popen(words, stderr=subprocess.PIPE, stdout=log, text=True, cwd=scratch) as program:
        assert program.stderr is not None
        try:
            yield next(line for line in program.stderr if TOLD in line).rsplit(" ", 1)[1].strip()
        finally:
            program.terminate()
            program.stderr.read()


def _shoot(
    browser: BrowserContext, url: str, path: Path, scheme: Literal["dark", "light"], width: int, height: int
) -> None:
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.goto(url)
    page.wait_for_function(RUNS_LONG_ENOUGH, arg=SECONDS, timeout=PATIENCE_SECONDS * 1_000)
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main()

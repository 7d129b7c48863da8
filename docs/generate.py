"""Write every generated page anew: `python -m docs.generate`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs import (
    generate_cli,
    generate_configuration,
    generate_messages,
    generate_metrics,
    generate_tables,
    generate_tuning,
)

PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    module.PAGE: module.page
    for module in (
        generate_cli,
        generate_configuration,
        generate_messages,
        generate_metrics,
        generate_tables,
        generate_tuning,
    )
}
"""Where each page lies, and what gives it as it should be."""


def main() -> None:
    """Write the pages, and say which ones changed."""
    for path, page in PAGES.items():
        text = page()
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {'written' if changed else 'as it was'}")


if __name__ == "__main__":
    main()

"""The version is told once more in the project's own description."""

import tomllib
from pathlib import Path

from core.version import VERSION


def test_it_is_that_of_the_project(project_root: Path) -> None:
    text = (project_root / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["version"] == VERSION

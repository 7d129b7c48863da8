"""Load configurations that are made up in a test."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Settings
from core.settings_loading import load

Write = Callable[[str | bytes], Path]
"""Writes a configuration file."""

GENERIC = 'feeds=[{venue="generic", url="ws://127.0.0.1:9", symbols=["A", "B"]}]'
"""An override that makes a valid generic feed."""


def refusal(*overrides: str, path: Path | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    """Give the errors that loading must end in."""
    with pytest.raises(SettingsError) as caught:
        load(path, overrides, environ or {})
    return list(caught.value.errors)


def settings_with(*overrides: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Give the defaults, some of them overridden."""
    return load(None, overrides, environ or {})

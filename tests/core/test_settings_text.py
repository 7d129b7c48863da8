"""Settings written as TOML."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings_loading import load
from core.settings_text import effective, toml
from tests.support.configuration import GENERIC, Write, settings_with

ENVIRON = {"URL": "wss://user:hush@host/path", "TOKEN": "hush", "HOOK": "https://host/hush"}
NAMED = ("feeds.0.url=env:URL", "feeds.0.headers.Authorization=env:TOKEN", "alerts.webhook=env:HOOK")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes a configuration file."""

    def to_file(content: str | bytes) -> Path:
        path = tmp_path / "tapeline.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


def values() -> st.SearchStrategy[Any]:
    plain: st.SearchStrategy[Any] = (
        st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
    )
    plain |= st.floats(allow_nan=False, allow_infinity=False)
    keys = st.text(st.characters(exclude_categories=["Cs"]))
    return st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)


class TestText:
    @pytest.mark.slow
    @given(values())
    def test_what_is_written_reads_back(self, value: Any) -> None:
        assert tomllib.loads(f"value = {toml(value)}")["value"] == value

    def test_settings_without_secrets_load_again(self, write: Write) -> None:
        settings = settings_with(
            GENERIC, 'feeds.0.fields={price="p", side="S"}', "feeds.0.name=x", "monitor.port=0",
            "actors.detectors=3", "detector.epsilon=1e-9", 'data_dir="a\\"b\\\\ü"',
        )  # fmt: skip
        assert load(write(effective(settings)), (), {}) == settings

    def test_settings_from_the_environment_load_again(self, write: Write) -> None:
        settings = settings_with(*NAMED, environ=ENVIRON)
        assert load(write(effective(settings)), (), ENVIRON) == settings

    def test_a_file_name_that_is_not_utf8_can_be_shown(self) -> None:
        assert toml(os.fsdecode(b"a\xff")) == '"a\ufffd"'

"""What is set where nothing is, and what is written of it."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from core.settings import TABLES, VENUES, Settings
from core.settings_loading import load
from tests.support.configuration import GENERIC, Write, settings_with

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config.toml"
GENERATOR = ROOT / "docs" / "generate_configuration.py"
PAGE = ROOT / "docs" / "configuration.md"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes a configuration file."""

    def to_file(content: str | bytes) -> Path:
        path = tmp_path / "tapeline.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page of documentation as the models would have it."""
    return str(runpy.run_path(str(GENERATOR))["page"]())


class TestDefaults:
    def test_no_file_gives_the_demo_feed_and_the_lake(self) -> None:
        settings = load(None, (), {})
        assert [(feed.name, feed.venue) for feed in settings.feeds] == [("demo", "demo")]
        assert settings.feeds[0].symbols == ("BTC-USD", "ETH-USD", "SOL-USD")
        assert [(store.name, store.kind, store.path) for store in settings.stores] == [
            ("lake", "lake", "lake")
        ]
        assert (settings.stores[0].batch_rows, settings.stores[0].flush_ms) == (10_000, 1_000)
        assert (settings.detector.window, settings.detector.critical_z) == (200, 4.0)

    def test_the_sample_file_says_what_the_defaults_are(self) -> None:
        sampled, default = load(SAMPLE, (), {}), load(None, (), {})
        assert sampled.data_dir == ROOT / "data"
        assert sampled.model_copy(update={"data_dir": default.data_dir}) == default

    def test_the_sample_file_has_every_key(self) -> None:
        document = tomllib.loads(SAMPLE.read_text())
        assert set(document) == set(Settings.model_fields)
        for name, table in TABLES.items():
            entry = document[name][0] if isinstance(document[name], list) else document[name]
            assert set(entry) == set(table.model_fields), name

    def test_an_empty_file_is_all_defaults(self, write: Write) -> None:
        assert load(write(""), (), {}).feeds == load(None, (), {}).feeds

    def test_an_entry_left_empty_has_the_defaults_of_its_kind(self, write: Write) -> None:
        settings = load(write("[[feeds]]\n[[stores]]\n"), (), {})
        assert (settings.feeds, settings.stores) == (Settings().feeds, Settings().stores)

    def test_a_feed_without_a_name_is_called_like_its_venue(self) -> None:
        settings = settings_with('feeds=[{venue="coinbase", symbols=["BTC-USD"]}]')
        assert settings.feeds[0].name == "coinbase"

    def test_settings_cannot_be_changed(self) -> None:
        feed = settings_with(GENERIC, 'feeds.0.fields={price="p"}').feeds[0]
        with pytest.raises(ValueError, match="frozen"):
            feed.connections = 3
        with pytest.raises(TypeError):
            feed.fields["size"] = "s"  # type: ignore[index]


class TestDocumentation:
    def test_the_page_is_what_the_models_say(self, page: str) -> None:
        assert PAGE.read_text(encoding="utf-8") == page, "run docs/generate_configuration.py"

    def test_every_key_has_a_meaning_and_every_number_its_bounds(self, page: str) -> None:
        rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
        assert len(rows) == 1 + sum(len(table.model_fields) for table in TABLES.values())
        for _, kind, _, bounds, meaning in rows:
            assert len(meaning.rstrip("| ")) > 10
            assert bounds or kind not in ("integer", "number")

    def test_the_tables_are_those_of_the_settings(self) -> None:
        for name, field in Settings.model_fields.items():
            annotation: Any = field.annotation
            if name != "data_dir":
                entry = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
                assert TABLES[name] is entry

    def test_the_venues_are_those_of_this_release(self) -> None:
        assert VENUES == ("demo", "generic", "coinbase", "binance", "binance_futures")

    @pytest.mark.slow
    def test_nothing_heavy_is_imported(self) -> None:
        """Checking a configuration is quick because neither numpy nor the stores are loaded for it."""
        code = "import sys, core.settings_loading, core.settings_text; print(*sys.modules)"
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert {"numpy", "pyarrow", "numba", "asyncio", "ssl"}.isdisjoint(ran.stdout.split())

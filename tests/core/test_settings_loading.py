"""Files, places and overrides."""

from pathlib import Path

import pytest

from core.settings_loading import load
from core.settings_text import toml
from tests.support.configuration import Write, refusal, settings_with


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes a configuration file."""

    def to_file(content: str | bytes) -> Path:
        path = tmp_path / "tapeline.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


class TestPlaces:
    def test_data_dir_is_relative_to_the_file(self, write: Write) -> None:
        path = write('data_dir = "kept"')
        assert load(path, (), {}).data_dir == path.parent / "kept"

    def test_without_a_file_data_dir_is_relative_to_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert load(None, ("data_dir=kept",), {}).data_dir == tmp_path / "kept"

    def test_an_absolute_data_dir_stays_where_it_is(self, write: Write) -> None:
        assert load(write('data_dir = "/srv/ticks"'), (), {}).data_dir == Path("/srv/ticks")

    @pytest.mark.parametrize(
        ("path", "location"),
        [
            ("lake", "/srv/lake"),
            ("a/b", "/srv/a/b"),
            ("/mnt/lake", "/mnt/lake"),
            ("s3://ticks/a", "s3://ticks/a"),
        ],
    )
    def test_a_store_is_under_data_dir_unless_it_says_otherwise(self, path: str, location: str) -> None:
        settings = settings_with("data_dir=/srv", f"stores.0.path={path}")
        assert settings.location(settings.stores[0]) == location

    @pytest.mark.parametrize(
        "path",
        [
            "",
            ".",
            "..",
            "a/../../b",
            "~/lake",
            "env:LAKE",
            "http://h/x",
            "s3://",
            "s3://k:v@b",
            "s3://b?k=v",
            "a\tb",
        ],
    )
    def test_a_store_path_that_leads_elsewhere_is_refused(self, path: str) -> None:
        (error,) = refusal(f"stores.0.path={toml(path)}")
        assert error.startswith("stores[0].path: ")

    @pytest.mark.parametrize("path", ["", "~/ticks", "env:HOME", "a\x00b"])
    def test_a_data_dir_that_would_surprise_is_refused(self, path: str) -> None:
        (error,) = refusal(f"data_dir={toml(path)}")
        assert error.startswith("data_dir: ")


class TestUnreadableFiles:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        (error,) = refusal(path=tmp_path / "absent.toml")
        assert "absent.toml" in error
        assert "No such file" in error

    def test_a_directory_is_no_file(self, tmp_path: Path) -> None:
        (error,) = refusal(path=tmp_path)
        assert "Is a directory" in error

    def test_a_link_that_leads_nowhere_is_refused(self, tmp_path: Path) -> None:
        """Stands for every file that exists but cannot be opened; permissions do not stop root."""
        path = tmp_path / "loop.toml"
        path.symlink_to(path)
        (error,) = refusal(path=path)
        assert "loop.toml" in error
        assert "cannot be read" in error

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"\n\nname = \xff", "is not UTF-8 (at line 3)"),
            (b"a = 1\nb = = 2\n", "(at line 2, column 5)"),
            (b"a = 1\nb = [", "(at line 2, column 6, the end)"),
            (b"a = 1\na = 2", "(at line 2, column 6, the end)"),
            (b"a = " + b"1" * 5000, "an integer has too many digits"),
            (b"a = " + b"[" * 50_000, "is nested too deeply"),
            (b"#" * (2 << 20), "is larger than 1 MiB, which no configuration is"),
        ],
    )
    def test_a_file_that_is_no_toml_is_refused_with_its_place(
        self, write: Write, content: bytes, said: str
    ) -> None:
        (error,) = refusal(path=write(content))
        assert error.endswith(said)

    def test_a_name_that_no_file_can_have_is_refused(self) -> None:
        (error,) = refusal(path=Path("a\x00b"))
        assert error == r'"a\u0000b": is not a file name'

    def test_a_byte_order_mark_is_read_over(self, write: Write) -> None:
        assert load(write(b"\xef\xbb\xbf[detector]\nwindow = 50\n"), (), {}).detector.window == 50


class TestOverrides:
    def test_they_count_for_more_than_the_file(self, write: Write) -> None:
        path = write("[detector]\nwindow = 50\nmin_history = 10")
        detector = load(path, ("detector.window=60", "detector.window=70"), {}).detector
        assert (detector.window, detector.min_history) == (70, 10)

    def test_without_feeds_they_apply_to_the_demo_feed(self) -> None:
        (feed,) = settings_with("feeds.0.url=ws://127.0.0.1:9000", "feeds.0.symbols.1=DOGE-USD").feeds
        assert (feed.venue, feed.url.reveal()) == ("demo", "ws://127.0.0.1:9000")
        assert feed.symbols == ("BTC-USD", "DOGE-USD", "SOL-USD")

    @pytest.mark.parametrize(
        ("override", "value"),
        [
            ('feeds.0.symbols=["A", "B"]', ("A", "B")),
            ('feeds.0={symbols=["A"]}', ("A",)),
            ('feeds = [{symbols = ["A"]}]', ("A",)),
            ('"feeds".0."symbols" = ["A"]', ("A",)),
        ],
    )
    def test_whole_lists_and_tables_can_be_set(self, override: str, value: tuple[str, ...]) -> None:
        assert settings_with(override).feeds[0].symbols == value

    def test_a_value_that_is_not_toml_is_a_string(self) -> None:
        assert settings_with("feeds.0.name=a-b", "feeds.0.overload=block").feeds[0].name == "a-b"

    def test_a_line_feed_cannot_bring_in_a_second_key(self) -> None:
        (error,) = refusal('data_dir="a"\nwriter = 5')
        assert error.startswith("data_dir: ")

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("detector.window", '--set "detector.window": write it as table.key=value'),
            ("=5", '--set "": is not a key; write it as table.key=value'),
            ("a..b=5", '--set "a..b": is not a key; write it as table.key=value'),
            ("[a]\nb=5", r'--set "[a]\u000ab": is not a key; write it as table.key=value'),
            ("[a]=5", '--set "[a]": is not a key; write it as table.key=value'),
            ("feeds.1.url=x", '--set "feeds.1": "feeds" has 1 entries; the last position is 0'),
            (
                "feeds.99999999999.url=x",
                '--set "feeds.99999999999": "feeds" has 1 entries; the last position is 0',
            ),
            ("feeds.url=x", '--set "feeds.url": "feeds" is a list; write a position, from 0 on'),
            ("feeds.-1.url=x", '--set "feeds.-1": "feeds" is a list; write a position, from 0 on'),
            (
                "feeds.0.channels.2=x",
                '--set "feeds.0.channels.2": "feeds.0.channels" has 2 entries; the last position is 1',
            ),
        ],
    )
    def test_one_that_leads_nowhere_is_told(self, override: str, said: str) -> None:
        assert refusal(override) == [said]

    def test_a_position_of_too_many_digits_is_past_the_end(self) -> None:
        """Python would not convert it."""
        (error,) = refusal(f"feeds.{'9' * 5000}.url=x")
        assert error.endswith('"feeds" has 1 entries; the last position is 0')

    def test_one_that_leads_through_a_value_is_told(self, write: Write) -> None:
        errors = refusal("data_dir.x=5", path=write('data_dir = "a"'))
        assert errors == ['--set "data_dir.x": "data_dir" is neither a table nor a list']

    def test_one_that_leads_through_a_value_left_out_is_told(self) -> None:
        assert refusal("detector.window.x=5") == ["detector.window: must be an integer, not a table"]

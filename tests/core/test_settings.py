"""Reading, checking and showing a configuration."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.secret import Secret
from core.settings import SECRET_KEYS, TABLES, VENUES, Settings
from core.settings_loading import load
from core.settings_text import effective, toml

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config.toml"
GENERATOR = ROOT / "docs" / "generate_configuration.py"
PAGE = ROOT / "docs" / "configuration.md"
Write = Callable[[str | bytes], Path]

GENERIC = 'feeds=[{venue="generic", url="ws://127.0.0.1:9", symbols=["A", "B"]}]'


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


def refusal(*overrides: str, path: Path | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path, overrides, environ or {})
    return list(caught.value.errors)


def settings_with(*overrides: str, environ: Mapping[str, str] | None = None) -> Settings:
    return load(None, overrides, environ or {})


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


class TestErrors:
    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("feeds.0.stale_second=5", 'feeds[0].stale_second: unknown key; did you mean "stale_seconds"?'),
            ("detektor.window=5", 'detektor: unknown key; did you mean "detector"?'),
            ("window=5", 'window: unknown key; did you mean "detector.window"?'),
            (
                "writer.mailbox_ticks=5",
                'writer.mailbox_ticks: unknown key; did you mean "actors.mailbox_ticks"?',
            ),
            ("spool.wings=5", "spool.wings: unknown key; known are max_mb"),
            ('spool."a b\\n"=5', r'spool."a b\u000a": unknown key; known are max_mb'),
            ('"[key]".a=5', f'"[key]": unknown key; known are {", ".join(Settings.model_fields)}'),
            ('spool."[key]"=spool', 'spool."[key]": unknown key; known are max_mb'),
            (
                'stores.0.storage_options."[key]"=5',
                'stores[0].storage_options."[key]": must be a string, not a number',
            ),
            ("feeds.0.venue=Coinbas", 'feeds[0].venue: "Coinbas" is not known; did you mean "coinbase"?'),
            ("feeds.0.overload=shed", 'feeds[0].overload: "shed" is not known; did you mean "shed_oldest"?'),
            (
                'feeds.0.channels=["trade"]',
                'feeds[0].channels[0]: "trade" is not known; did you mean "trades"?',
            ),
            ("detector.window=1", "detector.window: 1 is too low; at least 2"),
            (
                "detector.window=0x" + "f" * 9000,
                "detector.window: an integer of more than 64 bits is too high; at most 100000",
            ),
            ('detector.window="200"', 'detector.window: must be an integer, not "200"'),
            ("detector.window=200.0", "detector.window: must be an integer, not 200.0"),
            ("detector.window=true", "detector.window: must be an integer, not true"),
            ("detector.warn_z=true", "detector.warn_z: must be a number, not true"),
            ("detector.warn_z=nan", "detector.warn_z: must be a finite number, not nan"),
            ("detector.warn_z=1e999", "detector.warn_z: must be a finite number, not inf"),
            ("demo.faults=1", "demo.faults: must be true or false, not 1"),
            ("data_dir=1", "data_dir: must be a string, not 1"),
            ("feeds.0.name=2026-01-01", "feeds[0].name: must be a string, not a date"),
            ("feeds.0.symbols=A", 'feeds[0].symbols: must be a list, not "A"'),
            ("feeds.0.headers=5", "feeds[0].headers: must be a table, not a number"),
            ("feeds.0=5", "feeds[0]: must be a table, not 5"),
            ('feeds={name="a"}', "feeds: must be a list of tables, written [[feeds]], not a table"),
            ("stores=[]", "stores: must not be empty"),
            ("writer=[]", "writer: must be a table, not a list"),
            ("actors.detectors=0", "actors.detectors: 0 is too low; at least 1"),
            ("actors.detectors=1001", "actors.detectors: 1001 is too high; at most 1000"),
            ("actors.detectors=1.5", 'actors.detectors: must be "per-symbol" or an integer'),
            ("actors.detectors=true", 'actors.detectors: must be "per-symbol" or an integer'),
            ("detector.min_history=201", "detector.min_history: 201 is above window = 200"),
            ("detector.warn_z=5", "detector.critical_z: 4.0 is below warn_z = 5.0"),
            ("writer.batch_rows=200_000", "writer.max_batch_rows: 100000 is below batch_rows = 200000"),
            ("feeds.0.connections=4", "feeds[0].connections: 4 is above the number of symbols, 3"),
            ('feeds.0.symbols=["A", "B", "A"]', 'feeds[0].symbols: "A" is there 2 times'),
            ("feeds.0.channels=[]", "feeds[0].channels: must not be empty"),
            ("feeds.0.name=a/b", 'feeds[0].name: "a/b" must be 1 to 64 of letters, digits, _ and -'),
            ("feeds.0.name=", 'feeds[0].name: "" must be 1 to 64 of letters, digits, _ and -'),
            ("feeds.0.venue=coinbase", "feeds[0].symbols: a coinbase feed needs at least one symbol"),
            (
                "feeds.0.fields.price=p",
                "feeds[0].fields: only a generic feed names its fields, and this one is demo",
            ),
        ],
    )  # fmt: skip
    def test_each_tells_path_value_and_bound(self, override: str, said: str) -> None:
        assert refusal(override) == [said]

    def test_a_threshold_that_no_tick_could_reach_is_refused(self) -> None:
        assert refusal("detector.critical_z=15.0") == [
            "detector.critical_z: 15.0 is above sqrt(window - 1) = 14.1, which no tick could reach; "
            "at most 14.1"
        ]

    @given(window=st.integers(2, 100_000))
    def test_the_highest_useful_threshold_that_is_told_is_taken(self, window: int) -> None:
        narrow = (f"detector.window={window}", "detector.min_history=2", "detector.warn_z=0.1")
        (error,) = refusal(*narrow, "detector.critical_z=999")
        useful = error.rpartition(" ")[2]
        assert settings_with(*narrow, f"detector.critical_z={useful}").detector.critical_z == float(useful)
        assert float(useful) + 0.1 > (window - 1) ** 0.5

    def test_a_generic_feed_needs_a_url_and_symbols(self) -> None:
        assert refusal("feeds.0.venue=generic") == [
            "feeds[0].url: a generic feed needs one",
            "feeds[0].symbols: a generic feed needs at least one symbol",
        ]

    def test_a_field_that_we_do_not_have_is_refused(self) -> None:
        assert refusal(GENERIC, 'feeds.0.fields={prise="p", size=""}') == [
            'feeds[0].fields.prise: "prise" is not known; did you mean "price"?',
            'feeds[0].fields.size: "" is empty or has unprintable characters',
        ]

    @pytest.mark.parametrize("symbol", ["", " ", " A", "A\n", "\x00", "A" * 200])
    def test_a_symbol_that_cannot_be_one_is_refused(self, symbol: str) -> None:
        (error,) = refusal(f"feeds.0.symbols=[{toml(symbol)}]")
        assert error.startswith("feeds[0].symbols[0]: ")

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org", "", "::1%eth0"])
    def test_only_this_machine_can_reach_the_page(self, host: str) -> None:
        (error,) = refusal(f"monitor.host={toml(host)}")
        assert error.startswith("monitor.host: ")
        assert "not a loopback address" in error

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    def test_loopback_addresses_are_taken(self, host: str) -> None:
        assert settings_with(f"monitor.host={host}").monitor.host == host

    def test_what_entries_share_is_told_whatever_else_is_wrong(self, write: Write) -> None:
        path = write(
            "[[feeds]]\n[[feeds]]\nname = 'Demo'\nstale_seconds = 0\n[[stores]]\n[[stores]]\nname = 'b'\n"
        )
        assert refusal(path=path) == [
            "feeds[1].stale_seconds: 0 is too low; at least 0.001",
            'feeds[1].name: "Demo" is already the name of feeds[0]',
            'stores[1].path: "lake" is already the path of stores[0]',
        ]

    def test_all_are_told_at_once(self, write: Write) -> None:
        path = write("[detector]\nwindow = 'x'\nwarn_z = 9.0\n[writer]\nflush = 1\n[[feeds]]\nvenue = 'x'\n")
        errors = refusal("feeds.7.url=x", "monitor.host=0.0.0.0", path=path)
        assert [error.partition(":")[0] for error in errors] == [
            '--set "feeds.7"', "feeds[0].venue", "detector.window", "detector.critical_z", "writer.flush",
            "monitor.host",
        ]  # fmt: skip

    def test_a_table_of_a_later_release_is_unknown(self) -> None:
        (error,) = refusal("journal.enabled=true")
        assert error.startswith("journal: unknown key")

    @pytest.mark.parametrize("key", ["text", "whole", "real", "flag"])
    def test_no_value_of_another_type_is_taken(self, key: str) -> None:
        """Every key of every table, by the type of its default."""
        wrong = {"text": '"x"', "whole": "5", "real": "5.5", "flag": "true"}[key]
        fits = {str: "text", int: "whole", float: "real", bool: "flag"}
        for table, model in TABLES.items():
            place = f"{table}.0" if isinstance(getattr(Settings(), table), tuple) else table
            entry = TABLES[table]()
            for name in model.model_fields:
                default = getattr(entry, name)
                kind = "text" if isinstance(default, Secret) else fits.get(type(default))
                if kind is None or kind == key or (kind, key) == ("real", "whole") or name == "detectors":
                    continue
                assert refusal(f"{place}.{name}={wrong}"), f"{place}.{name}={wrong}"


class TestSecrets:
    ENVIRON: ClassVar = {
        "URL": "wss://user:hush@host:9/path?token=hush",
        "TOKEN": "hush",
        "PROXY": "http://user:hush@proxy:3128",
        "HOOK": "https://hooks.example/hush?x=hush",
    }
    PLAIN = (
        f"feeds.0.url={ENVIRON['URL']}", "feeds.0.headers.Authorization=hush",
        f"feeds.0.proxy={ENVIRON['PROXY']}",
        "stores.0.storage_options.key=hush", f"alerts.webhook={ENVIRON['HOOK']}",
    )  # fmt: skip
    NAMED = (
        "feeds.0.url=env:URL", "feeds.0.headers.Authorization=env:TOKEN", "feeds.0.proxy=env:PROXY",
        "stores.0.storage_options.key=env:TOKEN", "alerts.webhook=env:HOOK",
    )  # fmt: skip

    @pytest.mark.parametrize("overrides", [PLAIN, NAMED])
    def test_they_are_read_and_never_shown(self, overrides: tuple[str, ...]) -> None:
        settings = settings_with(*overrides, environ=self.ENVIRON)
        feed, store = settings.feeds[0], settings.stores[0]
        revealed = {feed.url, feed.headers["Authorization"], feed.proxy, store.storage_options["key"]}
        assert {secret.reveal() for secret in revealed} == {*self.ENVIRON.values()} - {self.ENVIRON["HOOK"]}
        assert settings.alerts.webhook.reveal() == self.ENVIRON["HOOK"]
        shown = (
            repr(settings),
            str(settings),
            f"{feed.url}",
            effective(settings),
            settings.model_dump_json(),
        )
        assert not any("hush" in text for text in (*shown, str(settings.model_dump()), repr(revealed)))

    def test_what_is_left_of_a_url_can_still_be_recognised(self) -> None:
        settings = settings_with(*self.PLAIN)
        assert str(settings.feeds[0].url) == "wss://***@host:9/path?***"
        assert str(settings.feeds[0].proxy) == "http://***@proxy:3128"
        assert str(settings.alerts.webhook) == "https://hooks.example/***?***"

    def test_what_came_from_the_environment_is_written_as_it_was(self) -> None:
        settings = settings_with(*self.NAMED, environ=self.ENVIRON)
        assert effective(settings).count('"env:') == 5

    @pytest.mark.parametrize(
        ("environ", "said"),
        [
            ({}, "feeds[0].url: the environment variable URL is not set"),
            ({"URL": ""}, "feeds[0].url: the environment variable URL is empty"),
            ({"URL": "http://hush"}, "feeds[0].url: must begin with ws:// or wss://"),
        ],
    )
    def test_a_variable_that_is_not_there_is_named(self, environ: dict[str, str], said: str) -> None:
        assert refusal("feeds.0.url=env:URL", environ=environ) == [said]

    @pytest.mark.parametrize("name", ["", " ", "A B", "1A", "A=B", "\x00"])
    def test_a_name_that_no_variable_has_is_refused(self, name: str) -> None:
        (error,) = refusal(f"feeds.0.url={toml('env:' + name)}")
        assert "must be followed by the name" in error

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (
                "feeds.0.url",
                "http://u:hush@h"), ("feeds.0.url", "ws://hush@"), ("feeds.0.url", "ws://h:hush/",
            ),
            ("feeds.0.url", "ws://[hush"), ("feeds.0.url", "ws://h/#hush"), ("feeds.0.url", "ws://h/hush x"),
            (
                "feeds.0.url",
                "ws://h/hush\n"), ("feeds.0.url", "ws://h/hushé"), ("feeds.0.url", "ws://h:0/hush",
            ),
            ("feeds.0.url", "ws://h:99999/hush"), ("feeds.0.proxy", "http://u:hush@h"),
            ("feeds.0.proxy", "socks5://u:hush@h:1"), ("feeds.0.proxy", "http://u:hush@h:1/x"),
            ("alerts.webhook", "ftp://hush"), ("alerts.webhook", "hush"),
            ("feeds.0.headers.A", "hush\r\nB: c"), ("stores.0.storage_options.A", "hush\x00"),
            (
                "stores.0.path",
                "s3://a:hush@b"), ("stores.0.path", "s3://b\x00hush"), ("stores.0.path", "s3://[hush",
            ),
        ],
    )  # fmt: skip
    def test_a_value_that_is_refused_is_not_repeated(self, key: str, value: str) -> None:
        (error,) = refusal(f"{key}={toml(value)}")
        assert error.startswith(re.sub(r"\.(\d)\.", r"[\1].", key) + ": ")
        assert "hush" not in error

    def test_a_value_of_the_wrong_type_is_not_repeated(self) -> None:
        errors = refusal(
            "feeds.0.url=77123",
            "feeds.0.headers=hush",
            "alerts.webhook=77123",
            "stores.0.storage_options.k=77123",
        )
        assert len(errors) == 4
        assert not any("hush" in error or "77123" in error for error in errors)

    def test_the_error_carries_no_other_that_holds_the_value(self) -> None:
        with pytest.raises(SettingsError) as caught:
            load(None, ("feeds.0.url=http://hush",), {})
        assert caught.value.__context__ is None

    def test_a_header_must_have_the_name_of_one(self) -> None:
        (error,) = refusal('feeds.0.headers={"a: b" = "c"}')
        assert error == 'feeds[0].headers."a: b": "a: b" cannot be the name of a header'

    def test_the_keys_that_messages_keep_quiet_about_are_all_that_hold_secrets(self) -> None:
        holding = {
            key
            for table in TABLES.values()
            for key, field in table.model_fields.items()
            if "Secret" in str(field.annotation)
        }
        assert holding == SECRET_KEYS


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
        settings = settings_with(*TestSecrets.NAMED, environ=TestSecrets.ENVIRON)
        assert load(write(effective(settings)), (), TestSecrets.ENVIRON) == settings

    def test_a_file_name_that_is_not_utf8_can_be_shown(self) -> None:
        assert toml(os.fsdecode(b"a\xff")) == '"a\ufffd"'


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

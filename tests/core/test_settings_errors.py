"""What a user is told who set something wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.secret import Secret
from core.settings import TABLES, Settings
from core.settings_text import toml
from tests.support.configuration import GENERIC, Write, refusal, settings_with


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes a configuration file."""

    def to_file(content: str | bytes) -> Path:
        path = tmp_path / "tapeline.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


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
            (
                "feeds.0.headers.Host=x",
                'feeds[0].headers.Host: "Host" belongs to the handshake and cannot be set',
            ),
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

    @pytest.mark.slow
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

    @pytest.mark.parametrize("host", ["example.org", "", "::1%eth0", "127.0.0.1:80"])
    def test_what_cannot_be_listened_on_is_refused(self, host: str) -> None:
        (error,) = refusal(f"monitor.host={toml(host)}")
        assert error.startswith("monitor.host: ")

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::"])
    def test_others_can_reach_the_page_only_with_a_token(self, host: str) -> None:
        (error,) = refusal(f"monitor.host={toml(host)}")
        assert error.startswith("monitor.token: is needed")
        token = "monitor.token=a-token-of-many-characters"
        assert settings_with(f"monitor.host={host}", token).monitor.host == host
        (error,) = refusal(f"monitor.host={toml(host)}", token, "monitor.page=false")
        assert error.startswith("monitor.page: without it monitor.host must be a loopback address")

    def test_a_token_that_could_be_guessed_is_refused_and_not_repeated(self) -> None:
        assert refusal("monitor.token=guessed") == ["monitor.token: needs at least 16 characters"]

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "http://a", "a:b", "-a"])
    def test_a_name_that_no_host_header_holds_is_refused(self, name: str) -> None:
        (error,) = refusal(f"monitor.hosts=[{toml(name)}]")
        assert error.startswith("monitor.hosts[0]: ")

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
        errors = refusal("feeds.7.url=x", "monitor.host=nowhere", path=path)
        assert [error.partition(":")[0] for error in errors] == [
            '--set "feeds.7"', "feeds[0].venue", "detector.window", "detector.critical_z", "writer.flush",
            "monitor.host",
        ]  # fmt: skip

    def test_a_table_of_a_later_release_is_unknown(self) -> None:
        (error,) = refusal("metrics.enabled=true")
        assert error.startswith("metrics: unknown key")

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

"""What differs between two configurations, and which part of it a running pipeline takes on."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.retuning import IDENTITY, LIVE, NEXT_START, WHY_NOT, changes, liveness, merged
from core.settings import SECRET_KEYS, TABLES, Settings
from core.settings_loading import load
from core.settings_text import toml
from tests.support.configuration import settings_with

TWO_FEEDS = 'feeds=[{name="a", symbols=["A", "B"]}, {name="b", venue="coinbase", symbols=["C"]}]'
SYMBOLS = ("A", "B", "C", "D")
URLS = ("postgresql://u:hush@h/d", "postgresql://u:hush@h/e")

tables: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "actors": {
        "detectors": ("per-symbol", 1, 4), "normalizers": (1, 2), "mailbox_ticks": (1, 10_000),
        "mailbox_total_mb": (1, 256), "frames_mb": (1, 32), "recent_ticks": (1, 10_000), "cpus": (0, 1),
    },
    "detector": {
        "window": (20, 200), "min_history": (2, 20), "warn_z": (1.0, 2.5), "critical_z": (2.6, 4),
        "epsilon": (1e-8, 1e-9), "min_std_bps": (0.0, 1.5),
    },
    "writer": {"batch_rows": (1, 200), "flush_ms": (1, 250), "max_batch_rows": (200, 1_000)},
    "breaker": {"failure_threshold": (1, 5), "cooldown_seconds": (0.5, 30)},
    "supervision": {"max_restarts": (0, 5), "drain_seconds": (1, 10), "restart_delay_ms": (1, 100)},
    "journal": {"enabled": (True, False), "sync_ms": (1, 100), "retention_mb": (1, 1_024)},
    "spool": {"max_mb": (1, 4_096)},
    "monitor": {"host": ("127.0.0.1", "::1"), "port": (0, 8_321)},
    "alerts": {"webhook": ("", "https://h/hush", "https://h/hush2"), "every_seconds": (1, 60)},
    "demo": {"seed": (1, 2), "faults": (True, False)},
}  # fmt: skip
feed_keys: Mapping[str, Sequence[Any]] = {
    "venue": ("demo", "coinbase"), "url": ("", "ws://u:hush@h/"), "connections": (1, 2),
    "channels": (["trades"], ["trades", "quotes"]), "overload": ("block", "shed_oldest"),
    "stale_seconds": (1, 60),
    "headers": ({}, {"Authorization": "hush"}, {"Authorization": "hush hush"}), "max_message_mb": (1, 16),
    "proxy": ("", "http://u:hush@h:1"), "connect_timeout_seconds": (1, 10), "acknowledge_seconds": (1, 10),
}  # fmt: skip
store_keys: Mapping[str, Sequence[Any]] = {
    "storage_options": ({}, {"key": "hush"}), "timeout_seconds": (1, 4), "retention_days": (0, 7),
    "batch_rows": (1, 200), "flush_ms": (1, 250), "compact_files": (2, 100),
}  # fmt: skip
kinds = st.one_of(
    st.fixed_dictionaries({"kind": st.just("lake"), "path": st.sampled_from(["lake", "Lake", "other"])}),
    st.fixed_dictionaries({"kind": st.just("postgres"), "url": st.sampled_from(URLS)}),
    st.just({"kind": "null"}),
    st.fixed_dictionaries({
        "kind": st.just("influx"), "url": st.just("http://h:1"), "bucket": st.sampled_from(["a", "b"]),
        "token": st.sampled_from(["hush", "hush hush"]),
    }),
)  # fmt: skip


def some_of(keys: Mapping[str, Sequence[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {}, optional={key: st.sampled_from(list(values)) for key, values in keys.items()}
    )


def with_name(
    entry: st.SearchStrategy[dict[str, Any]], names: Sequence[str]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda name, keys: {"name": name, **keys}, st.sampled_from(list(names)), entry)


def entries(one: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda entry: entry["name"].casefold())


symbols = st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True)
feeds = st.builds(lambda keys, dealt: {**keys, "symbols": dealt}, some_of(feed_keys), symbols)
stores = st.builds(lambda kind, keys: {**keys, **kind}, kinds, some_of(store_keys))
documents = st.fixed_dictionaries(
    {"feeds": entries(with_name(feeds, "abc")), "stores": entries(with_name(stores, ("x", "X", "y", "z")))},
    optional={
        "data_dir": st.sampled_from(["/d", "/e"]),
        **{name: some_of(keys) for name, keys in tables.items()},
    },
)


def loaded(document: Mapping[str, Any]) -> Settings | None:
    try:
        return load(None, [f"{name}={toml(value)}" for name, value in document.items()], {})
    except SettingsError:
        return None


def side_by_side(first: dict[str, Any], second: dict[str, Any], differing: str | None) -> tuple[Any, Any]:
    """Load two documents; the second is like the first but for one table, or all of it is its own."""
    if differing is not None:
        second = {**first, **{name: value for name, value in second.items() if name == differing}}
    return loaded(first), loaded(second)


differing = st.none() | st.sampled_from(sorted(Settings.model_fields))
pairs: st.SearchStrategy[tuple[Settings, Settings]] = st.builds(
    side_by_side, documents, documents, differing
).filter(lambda pair: None not in pair)


def mixture(before: Settings, after: Settings) -> Settings:
    """Give what is in effect afterwards; a pair whose halves do not go together is none to look at."""
    try:
        return merged(before, after)
    except SettingsError:
        assume(False)
        raise


@pytest.mark.slow
class TestProperties:
    @given(pairs)
    def test_what_is_the_same_has_no_changes(self, pair: tuple[Settings, Settings]) -> None:
        for one in pair:
            assert changes(one, one) == ()
            assert merged(one, one) == one

    @given(pairs)
    def test_the_mixture_has_exactly_the_live_changes(self, pair: tuple[Settings, Settings]) -> None:
        before, after = pair
        now, told = mixture(before, after), changes(before, after)
        assert changes(before, now) == tuple(change for change in told if change.live)
        assert changes(now, after) == tuple(change for change in told if not change.live)
        assert merged(now, after) == now

    @given(pairs)
    def test_no_text_holds_a_secret(self, pair: tuple[Settings, Settings]) -> None:
        texts = [repr(change) + str(change) for change in changes(*pair)]
        try:
            merged(*pair)
        except SettingsError as error:
            texts += error.errors
        assert "hush" not in "".join(texts)
        assert all(text.isprintable() for text in texts)

    @given(pairs)
    def test_whatever_differs_is_told(self, pair: tuple[Settings, Settings]) -> None:
        before, after = pair
        told = {change.path.partition(".")[0] for change in changes(before, after)}
        for name in set(Settings.model_fields) - IDENTITY.keys():
            assert (getattr(before, name) != getattr(after, name)) == (name in told)


class TestChanges:
    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("detector.warn_z=3", "detector.warn_z: 2.5 -> 3.0"),
            ("detector.window=100", "detector.window: 200 -> 100"),
            ("actors.detectors=4", 'actors.detectors: "per-symbol" -> 4'),
            ("supervision.drain_seconds=20", "supervision.drain_seconds: 10.0 -> 20.0"),
            ("stores.0.batch_rows=500", "stores.lake.batch_rows: 10_000 -> 500"),
            ("alerts.every_seconds=5", "alerts.every_seconds: 60.0 -> 5.0"),
            ("feeds.0.stale_seconds=5", "feeds.demo.stale_seconds: 60.0 -> 5.0"),
        ],
    )
    def test_live_ones_say_from_what_to_what(self, override: str, said: str) -> None:
        assert list(map(str, changes(settings_with(), settings_with(override)))) == [said]

    @pytest.mark.parametrize(
        ("override", "begins"),
        [
            ("journal.sync_ms=5", "journal.sync_ms: 100 -> 5"),
            ("demo.faults=false", "demo.faults: true -> false"),
            ("data_dir=/elsewhere", 'data_dir: "'),
            ("actors.recent_ticks=5", "actors.recent_ticks: 10_000 -> 5"),
            ("monitor.port=0", "monitor.port: 8321 -> 0"),
            ('feeds.0.channels=["trades"]', 'feeds.demo.channels: ["trades", "quotes"] -> ["trades"]'),
            ("stores.0.retention_days=7", "stores.lake.retention_days: 0 -> 7"),
        ],
    )
    def test_others_say_when_and_why(self, override: str, begins: str) -> None:
        (change,) = changes(settings_with(), settings_with(override))
        assert not change.live
        assert str(change).startswith(begins)
        assert str(change).endswith(f" ({NEXT_START}: {change.reason})")
        assert change.reason

    def test_a_secret_is_told_as_changed(self) -> None:
        (change,) = changes(settings_with(), settings_with("alerts.webhook=https://host/hush"))
        assert str(change).startswith("alerts.webhook: changed (takes effect")

    def test_symbols_are_told_as_those_that_come_and_go(self) -> None:
        before, after = (
            settings_with(f"feeds.0.symbols={listed}") for listed in ('["A", "B"]', '["C", "B"]')
        )
        assert list(map(str, changes(before, after))) == ["feeds.demo.symbols: added C; removed A"]

    def test_of_many_symbols_some_are_named(self) -> None:
        after = settings_with(f"feeds.0.symbols={toml([f'S{i}' for i in range(1_015)])}")
        (change,) = changes(settings_with('feeds.0.symbols=["S0", "S1", "S2", "S3", "S4"]'), after)
        assert change.after == "added S5, S6, S7, S8, S9, S10, S11, S12, S13, S14 and 1,000 more"

    def test_order_is_no_change(self) -> None:
        before = settings_with(TWO_FEEDS, 'stores=[{}, {kind="null"}]')
        other = 'feeds=[{name="b", venue="coinbase", symbols=["C"]}, {name="a", symbols=["B", "A"]}]'
        after = settings_with(other, 'stores=[{kind="null"}, {}]')
        assert changes(before, after) == ()
        assert merged(before, after) == before

    def test_feeds_come_and_go_at_the_next_start(self) -> None:
        before = settings_with(TWO_FEEDS)
        after = settings_with('feeds=[{name="a", symbols=["A", "B"]}, {name="c", symbols=["C"]}]')
        told = [(change.path, change.after, change.live) for change in changes(before, after)]
        assert told == [("feeds.b", "removed", False), ("feeds.c", "added (demo)", False)]
        assert merged(before, after) == before

    def test_stores_come_and_go(self) -> None:
        before, after = (
            settings_with('stores=[{}, {kind="null"}]'),
            settings_with('stores=[{}, {name="b", path="b"}]'),
        )
        told = [(change.path, change.after, change.live) for change in changes(before, after)]
        assert told == [("stores.null", "removed", True), ("stores.b", "added (lake)", True)]
        assert merged(before, after) == after

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("[{}]", '[{name="renamed"}]'),
            ("[{}]", '[{name="renamed", path="LAKE"}]'),
            ('[{kind="null"}]', '[{kind="null", name="NULL"}]'),
            (
                '[{kind="postgres", url="postgresql://h/d"}]',
                '[{kind="postgres", url="postgresql://h/d", name="p"}]',
            ),
        ],
    )
    def test_a_store_does_not_take_the_place_of_one_that_goes(self, before: str, after: str) -> None:
        """Two writers would meet there."""
        old, new = settings_with(f"stores={before}"), settings_with(f"stores={after}")
        assert [change.live for change in changes(old, new)] == [False, False]
        assert merged(old, new) == old

    def test_a_store_at_another_place_waits_with_all_it_has(self) -> None:
        before, after = settings_with(), settings_with('stores=[{path="other", batch_rows=5}]')
        told = {change.path: change.reason for change in changes(before, after) if not change.live}
        assert told == {
            "stores.lake.path": "under another name it is another store, and there at once",
            "stores.lake.batch_rows": "path changes with it",
        }
        assert merged(before, after) == before

    def test_symbols_of_another_venue_are_not_asked_of_this_one(self) -> None:
        before = settings_with('feeds=[{name="f", venue="coinbase", symbols=["BTC-USD"]}]')
        after = settings_with('feeds=[{name="f", venue="binance", symbols=["btcusdt"]}]')
        assert [change.live for change in changes(before, after)] == [False, False]
        assert merged(before, after) == before


class TestMerged:
    def test_symbols_that_stay_keep_their_order(self) -> None:
        before = settings_with('feeds.0.symbols=["A", "B", "C"]')
        after = settings_with('feeds.0.symbols=["D", "C", "A"]')
        assert merged(before, after).feeds[0].symbols == ("A", "C", "D")

    def test_bounds_between_what_changes_and_what_does_not_are_kept(self) -> None:
        before = settings_with('feeds.0.symbols=["A", "B", "C"]', "feeds.0.connections=3")
        after = settings_with('feeds.0.symbols=["A"]')
        with pytest.raises(SettingsError) as caught:
            merged(before, after)
        assert caught.value.errors == (
            "what can change at once does not go with what cannot: "
            "feeds.demo.connections: 3 is above the number of symbols, 1",
        )

    def test_a_new_store_cannot_be_where_another_will_go_at_the_next_start(self) -> None:
        after = settings_with('stores=[{path="b"}, {name="new"}]')
        with pytest.raises(
            SettingsError, match=r'stores\.new\.path: "lake" is already the path of stores\.lake'
        ):
            merged(settings_with(), after)

    def test_secrets_stay_what_they_are(self) -> None:
        before = settings_with('feeds.0.headers={Authorization="env:T"}', environ={"T": "hush"})
        after = settings_with(
            'feeds.0.headers={Authorization="env:T"}', "detector.warn_z=3", environ={"T": "new"}
        )
        now = merged(before, after)
        assert now.feeds[0].headers["Authorization"].reveal() == "hush"
        assert now.detector.warn_z == 3.0

    def test_a_relative_data_directory_stays_relative(self) -> None:
        assert merged(Settings(), Settings()).data_dir == Settings().data_dir


class TestLiveness:
    def test_every_key_of_every_table_is_live_or_has_a_reason(self) -> None:
        for name, table in TABLES.items():
            for key in table.model_fields:
                assert (liveness(name, key) == "") == (key in LIVE.get(name, ()))

    def test_tables_and_keys_are_those_of_the_settings(self) -> None:
        for name, keys in [*LIVE.items(), *IDENTITY.items()]:
            assert set(keys) <= TABLES[name].model_fields.keys()
        for path in WHY_NOT.keys() - {"data_dir", "feeds."}:
            name, _, key = path.partition(".")
            assert not key or (key in TABLES[name].model_fields and key not in LIVE.get(name, ()))

    def test_no_secret_changes_live(self) -> None:
        assert all(SECRET_KEYS.isdisjoint(keys) for keys in LIVE.values())

    def test_stores_come_and_go_and_feeds_do_not(self) -> None:
        assert liveness("stores") == ""
        assert liveness("feeds")

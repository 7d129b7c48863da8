"""Secrets are read and never shown."""

import re
from typing import ClassVar

import pytest

from core.errors import SettingsError
from core.settings import SECRET_KEYS, TABLES
from core.settings_loading import load
from core.settings_text import effective, toml
from tests.support.configuration import refusal, settings_with


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

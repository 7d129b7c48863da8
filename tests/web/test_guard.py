"""Who may ask what: names, origins, tokens and cookies, whatever stands in the headers."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.guard import CONTENT_SECURITY_POLICY, SECURITY_HEADERS, Guard
from web.names import Names, at
from web.sessions import SESSION_SECONDS, Sessions

TOKEN = "a-token-of-many-characters"
NOW = 1_700_000_000.0
LOCAL = Names.of("127.0.0.1", 8321)
Headers = list[tuple[bytes, bytes]]

header_bytes = st.binary(max_size=80)


def sessions(token: str = TOKEN, now: float = NOW) -> Sessions:
    return Sessions(token, 8321, lambda: now)


def asked(
    guard: Guard, headers: Headers, path: str = "/status", method: str = "GET", kind: str = "http"
) -> list[MutableMapping[str, Any]]:
    """Give what a client is sent."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    scope = {
        "type": kind, "path": path, "method": method, "headers": headers, "server": ("127.0.0.1", 8321),
    }  # fmt: skip
    asyncio.run(guard(scope, receive, send))
    return sent


def guard(token: str = "", names: Names = LOCAL) -> Guard:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"Referrer-Policy", b"x")]}
            )
            await send({"type": "http.response.body", "body": b"in"})
        else:
            await send({"type": "websocket.accept"})

    return Guard(app, names, sessions(token))


def status(sent: list[MutableMapping[str, Any]]) -> int:
    return int(sent[0]["status"])


class TestNames:
    @pytest.mark.parametrize("host", ["localhost:8321", "127.0.0.1:8321", "[::1]:8321", "LocalHost:8321"])
    def test_loopback_names_are_ours(self, host: str) -> None:
        assert LOCAL.has(host)

    @pytest.mark.parametrize(
        "host",
        ["", "localhost", "127.0.0.1", "localhost:80", "evil.example:8321", "127.0.0.1:8321.evil", "::1"],
    )
    def test_others_are_not(self, host: str) -> None:
        assert not LOCAL.has(host)

    def test_on_the_port_of_http_it_may_be_left_out(self) -> None:
        assert Names.of("127.0.0.1", 80).has("localhost")

    def test_those_of_a_proxy_are_configured(self) -> None:
        names = Names.of("127.0.0.1", 8321, ["tape.example.com", "other.example.com:8443"])
        assert names.has("tape.example.com")
        assert names.has("tape.example.com:8321")
        assert names.has("other.example.com:8443")
        assert not names.has("other.example.com:8321.evil")

    def test_every_address_of_the_machine_is_one_where_all_are_listened_on(self) -> None:
        names = Names.of("0.0.0.0", 8321)
        assert names.has("192.0.2.7:8321", "192.0.2.7")
        assert not names.has("evil.example:8321", "192.0.2.7")
        assert not names.has("192.0.2.8:8321", "192.0.2.7")
        assert not LOCAL.has("192.0.2.7:8321", "192.0.2.7")
        assert Names.of("::", 8321).has("[2001:db8::1]:8321", "2001:db8::1")

    @given(st.text(max_size=40))
    def test_whatever_is_named_no_name_of_somebody_else_is_ours(self, host: str) -> None:
        assert LOCAL.has(host) == (host.strip(" \t").lower() in LOCAL.allowed)

    @given(st.text(max_size=40))
    def test_an_origin_is_ours_only_under_the_host_that_was_asked(self, origin: str) -> None:
        ours = {"http://localhost:8321", "https://localhost:8321"}
        assert LOCAL.is_origin(origin, "localhost:8321") == (origin.strip(" \t").lower() in ours)

    def test_addresses_are_written_as_in_urls(self) -> None:
        assert (at("::1", 1), at("127.0.0.1", 2)) == ("[::1]:1", "127.0.0.1:2")


class TestSessions:
    def test_a_cookie_lets_in_until_it_ends(self) -> None:
        cookie = f"tapeline_8321={sessions().begin()}".encode()
        assert sessions().lets_in([], [b"other=1; " + cookie + b"; more=2"])
        assert sessions(now=NOW + SESSION_SECONDS - 1).lets_in([], [cookie])
        assert not sessions(now=NOW + SESSION_SECONDS).lets_in([], [cookie])

    def test_a_cookie_of_another_token_does_not(self) -> None:
        cookie = f"tapeline_8321={sessions('another-token-than-that').begin()}".encode()
        assert not sessions().lets_in([], [cookie])

    def test_a_cookie_cannot_be_made_to_last(self) -> None:
        ends, _, signature = sessions().begin().partition(".")
        later = f"tapeline_8321={int(ends) + 1}.{signature}".encode()
        assert not sessions().lets_in([], [later])

    def test_without_a_token_all_are_let_in(self) -> None:
        assert sessions("").lets_in([], [])
        assert not sessions("").knows(b"")

    @given(st.lists(header_bytes, max_size=3), st.lists(header_bytes, max_size=3))
    def test_whatever_the_headers_say_nobody_else_is_let_in(
        self, authorization: list[bytes], cookies: list[bytes]
    ) -> None:
        assert not sessions().lets_in(authorization, cookies)

    @given(st.binary(max_size=60))
    def test_nor_by_what_looks_like_a_cookie_of_ours(self, value: bytes) -> None:
        assert not sessions().lets_in([], [b"tapeline_8321=" + value])

    def test_a_wrong_header_is_not_made_good_by_a_cookie(self) -> None:
        cookie = f"tapeline_8321={sessions().begin()}".encode()
        assert not sessions().lets_in([b"Bearer x"], [cookie])
        assert not sessions().lets_in([f"Bearer {TOKEN}".encode()] * 2, [cookie])


class TestGuard:
    HOST = (b"host", b"localhost:8321")

    def test_what_may_pass_passes_and_is_secured(self) -> None:
        start, body = asked(guard(), [self.HOST])
        assert (start["status"], body["body"]) == (200, b"in")
        assert dict(start["headers"]) == {**dict(SECURITY_HEADERS), b"cache-control": b"no-store"}

    def test_the_policy_lets_nothing_in_from_elsewhere(self) -> None:
        sources = {word for part in CONTENT_SECURITY_POLICY.split("; ") for word in part.split()[1:]}
        assert sources <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}

    @pytest.mark.parametrize("headers", [[], [HOST, HOST], [(b"host", b"evil.example")]])
    def test_one_host_and_it_is_ours(self, headers: Headers) -> None:
        assert status(asked(guard(), headers)) == 403

    @given(
        st.lists(st.tuples(st.sampled_from([b"host", b"origin", b"cookie", b"x"]), header_bytes), max_size=5)
    )
    def test_whatever_the_headers_say_there_is_an_answer(self, headers: Headers) -> None:
        for kind in ("http", "websocket"):
            sent = asked(guard(TOKEN), headers, kind=kind)
            assert sent[0]["type"] == "websocket.close" or status(sent) in (401, 403)

    def test_a_websocket_needs_an_origin_of_ours(self) -> None:
        (closed,) = asked(guard(), [self.HOST], kind="websocket")
        assert closed["type"] == "websocket.close"
        ours = [self.HOST, (b"origin", b"http://localhost:8321")]
        assert asked(guard(), ours, kind="websocket") == [{"type": "websocket.accept"}]

    def test_no_refusal_repeats_the_token(self) -> None:
        sent = asked(guard(TOKEN), [self.HOST, (b"authorization", f"Basic {TOKEN}".encode())])
        assert status(sent) == 401
        assert TOKEN.encode() not in repr(sent).encode()

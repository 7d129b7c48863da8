"""The status command: against a server that tells a status, and against everything else."""

import argparse
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cli.status import run
from core.errors import UsageError
from tests.support.statuses import HOSTILE, status, symbol
from web.status_server import StatusServer

PATIENCE_SECONDS = 20.0
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Give what runs the command; it gives exit status, stdout and stderr."""

    def call(port: int, *, as_json: bool = False, host: str = "127.0.0.1") -> tuple[int, str, str]:
        settings = [f"monitor.port={port}", f"monitor.host={host}", f"data_dir={tmp_path}"]
        code = run(argparse.Namespace(config=None, json=as_json, set=settings))
        return code, *capsys.readouterr()

    return call


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Give the port of a server that takes one request and says this."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(PATIENCE_SECONDS)


def http(body: bytes, code: int = 200) -> bytes:
    return b"HTTP/1.0 %d X\r\nContent-Length: %d\r\n\r\n%s" % (code, len(body), body)


@pytest.fixture
def free_port() -> int:
    """Give a port on which nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


class TestShown:
    def test_json_is_one_line_that_holds_the_status(self, ask: Ask) -> None:
        with StatusServer("127.0.0.1", 0, status) as server:
            code, out, err = ask(server.port, as_json=True)
        assert (code, err) == (0, "")
        assert out.count("\n") == 1
        assert json.loads(out) == status()

    def test_people_get_the_table_with_everything(self, ask: Ask) -> None:
        symbols = [symbol(f"S{i}") for i in range(60)]
        with StatusServer("127.0.0.1", 0, lambda: status(symbols=symbols)) as server:
            code, out, err = ask(server.port)
        assert (code, err) == (0, "")
        for shown in (*(f" S{i} " for i in range(60)), "BALANCED", "coinbase/0/A waiting", "65,012.35"):
            assert shown in out
        assert "\x1b" not in out

    def test_what_comes_over_the_wire_is_not_obeyed(self, ask: Ask) -> None:
        hostile = status(symbols=[symbol(HOSTILE)], alerts=[{"kind": HOSTILE, "text": HOSTILE}])
        for as_json in (False, True):
            with StatusServer("127.0.0.1", 0, lambda: hostile) as server:
                code, out, _ = ask(server.port, as_json=as_json)
            assert code == 0
            assert all(line.isprintable() for line in out.splitlines())

    def test_a_supervisor_that_has_counted_nothing_yet_has_a_status(self, ask: Ask) -> None:
        with StatusServer("127.0.0.1", 0, lambda: {"ledger": None}) as server:
            code, out, _ = ask(server.port)
        assert code == 0
        assert "nothing counted yet" in out

    def test_a_proxy_of_the_environment_is_not_asked(
        self, ask: Ask, free_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
        with StatusServer("127.0.0.1", 0, status) as server:
            assert ask(server.port)[0] == 0

    @pytest.mark.slow
    def test_scripts_do_not_wait_for_what_they_do_not_need(self, project_root: Path) -> None:
        heavy = ("rich", "numpy", "numba", "pykka", "pyarrow", "duckdb")
        code = f"import sys, cli.status; print([name for name in {heavy} if name in sys.modules])"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=project_root,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "[]\n"


class TestPortOfItsOwnChoice:
    def test_is_found_where_the_supervisor_left_it(self, ask: Ask, tmp_path: Path) -> None:
        with StatusServer("127.0.0.1", 0, status) as server:
            told = {"host": "127.0.0.1", "port": server.port, "pid": 1}
            (tmp_path / "monitor.json").write_text(json.dumps(told))
            assert ask(0, as_json=True)[0] == 0

    def test_is_unknown_if_none_was_left(self, ask: Ask, tmp_path: Path) -> None:
        line = f"tapeline: no supervisor has left its port in {tmp_path}; is it running?\n"
        assert ask(0) == (1, "", line)

    @pytest.mark.parametrize(
        "told",
        [
            "",
            "{",
            "[]",
            "[" * 4_000,
            "\x00",
            "{}",
            '{"host": "127.0.0.1"}',
            '{"host": "127.0.0.1", "port": 0}',
            '{"host": "127.0.0.1", "port": 65536}',
            '{"host": "127.0.0.1", "port": true}',
            '{"host": "127.0.0.1", "port": "80"}',
            '{"host": "192.0.2.1", "port": 80}',
            '{"host": null, "port": 80}',
        ],
    )
    def test_is_not_believed_if_it_is_nonsense(self, ask: Ask, tmp_path: Path, told: str) -> None:
        (tmp_path / "monitor.json").write_text(told)
        code, out, err = ask(0)
        assert (code, out) == (1, "")
        assert (
            err
            == f"tapeline: {tmp_path}/monitor.json names no port of this machine; restart the supervisor\n"
        )

    def test_that_cannot_be_read_is_told(self, ask: Ask, tmp_path: Path) -> None:
        (tmp_path / "monitor.json").mkdir()
        code, _, err = ask(0)
        assert code == 1
        assert "cannot be read" in err

    def test_a_configured_port_counts_for_more(self, ask: Ask, tmp_path: Path, free_port: int) -> None:
        (tmp_path / "monitor.json").write_text(json.dumps({"host": "127.0.0.1", "port": free_port}))
        with StatusServer("127.0.0.1", 0, status) as server:
            assert ask(server.port)[0] == 0


class TestNobodyThere:
    @pytest.mark.parametrize("as_json", [False, True])
    def test_one_line_says_so(self, ask: Ask, free_port: int, *, as_json: bool) -> None:
        line = f"tapeline: no supervisor answers on 127.0.0.1:{free_port}; is it running?\n"
        assert ask(free_port, as_json=as_json) == (1, "", line)

    def test_an_ipv6_address_is_written_in_brackets(self, ask: Ask, free_port: int) -> None:
        code, _, err = ask(free_port, host="::1")
        assert code == 1
        assert f"no supervisor answers on [::1]:{free_port}" in err

    def test_a_wrong_setting_is_a_usage_error(self, ask: Ask) -> None:
        with pytest.raises(UsageError, match=r"monitor\.port"):
            ask(-1)

    def test_a_supervisor_without_a_status_says_why(self, ask: Ask) -> None:
        with StatusServer("127.0.0.1", 0, dict) as server:
            code, out, err = ask(server.port)
        where = f"the supervisor on 127.0.0.1:{server.port}"
        assert (code, out, err) == (1, "", f"tapeline: {where} has no status: the monitor does not answer\n")

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"\x00" * 1_000,
            http(b"<html>"),
            http(b"[]"),
            http(b"{}"),
            http(b'{"ledger": NaN}'),
            http(b"[" * 100_000),
            http(b"1" * 10_000),
            http(b"\xff\xfe"),
            http(b'{"ledger": null}', code=404),
            http(b"<html>", code=503),
            b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{",
            b"HTTP/1.0 200 OK\r\n" + b"a: b\r\n" * 200,
        ],
    )
    @pytest.mark.parametrize("as_json", [False, True])
    def test_another_program_on_the_port_is_no_supervisor(
        self, ask: Ask, answer: bytes, *, as_json: bool
    ) -> None:
        with answering(answer) as port:
            code, out, err = ask(port, as_json=as_json)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "supervisor" in err

    def test_a_503_of_another_program_is_shown_without_its_control_characters(self, ask: Ask) -> None:
        body = json.dumps({"error": HOSTILE}).encode()
        with answering(http(body, code=503)) as port:
            _, _, err = ask(port)
        assert err.rstrip("\n").isprintable()


def test_what_is_told_can_hold_any_number(ask: Ask) -> None:
    told: dict[str, Any] = {"ledger": None, "n": 2**63 + 1}
    with StatusServer("127.0.0.1", 0, lambda: told) as server:
        _, out, _ = ask(server.port, as_json=True)
    assert json.loads(out) == told

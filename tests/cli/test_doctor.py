"""`doctor`: each thing that it looks at, well and ill; that it changes nothing and tells no secret."""

import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.arguments import parse
from cli.doctor import examined, run
from cli.doctor_clock import FAR_NS, offset
from cli.doctor_keeping import directory, journal, lock, port, readable, spool
from cli.doctor_machine import MIB, clock, clock_state, disk, files, memory, processors, python
from cli.doctor_venues import venue
from cli.findings import Finding
from core.settings import Settings
from stores.lake import LakeWriter
from stores.store import BatchId
from tests.e2e.feeds import trade
from tests.stores.making import ticks
from tests.support.client import Client
from tests.support.configuration import settings_with
from tests.support.exchange import LoopbackExchange

SECRET = "not-for-your-eyes"


@contextmanager
def hanging_up() -> Iterator[int]:
    """Give the port of a server that accepts and hangs up at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                while True:
                    server.accept()[0].close()
            except OSError:
                pass  # it was shut down

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def level(finding: Finding) -> str:
    assert "\n" not in finding.line()
    assert finding.line().startswith(finding.level)
    assert bool(finding.advice) or finding.level != "warn"
    return finding.level


class TestMachine:
    def test_python_is_one_of_those_that_are_tested(self) -> None:
        assert [level(python(found)) for found in ((3, 10), (3, 11), (3, 13), (3, 14))] == [
            "FAIL", "ok", "ok", "FAIL",
        ]  # fmt: skip

    def test_one_processor_is_little(self) -> None:
        assert [level(processors(count)) for count in (1, 2)] == ["warn", "ok"]

    def test_memory_is_held_against_the_settings(self) -> None:
        settings = settings_with("actors.mailbox_total_mb=100", "actors.recent_total_mb=100")
        assert [level(memory(mib * MIB, settings)) for mib in (100, 400, 600)] == ["FAIL", "warn", "ok"]

    def test_disk_is_held_against_journal_and_spool(self, tmp_path: Path) -> None:
        where = f"data_dir={tmp_path / 'not' / 'yet'}"
        assert level(disk(settings_with(where, "spool.max_mb=1", "journal.retention_mb=1"))) == "ok"
        greedy = disk(settings_with(where, "spool.max_mb=1048576", "journal.retention_mb=1048576"))
        assert level(greedy) == "warn"
        assert str(tmp_path) in greedy.text

    def test_open_files_are_held_against_connections(self) -> None:
        many = ", ".join(f'"S{number}"' for number in range(1_000))
        settings = settings_with(f'feeds=[{{venue="coinbase", symbols=[{many}], connections=1000}}]')
        assert [level(files(limit, settings)) for limit in (1_024, 5_000, 20_000, -1)] == [
            "FAIL", "warn", "ok", "ok",
        ]  # fmt: skip

    def test_the_clock_is_asked_without_being_set(self) -> None:
        assert clock_state() in (None, *range(6))
        assert [level(clock(state)) for state in (None, 0, 5)] == ["warn", "ok", "warn"]


class TestKeeping:
    def test_the_data_directory_can_be_made(self, tmp_path: Path) -> None:
        assert directory(tmp_path / "a" / "b").text.endswith("will be made")
        assert level(directory(tmp_path)) == "ok"
        (tmp_path / "file").touch()
        assert level(directory(tmp_path / "file")) == "FAIL"
        assert not (tmp_path / "a").exists()

    def test_the_lock_names_who_holds_it(self, tmp_path: Path) -> None:
        assert lock(tmp_path).text == "free"
        with (tmp_path / "lock").open("w") as file:
            file.write("4711")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            assert lock(tmp_path).text == "held by the pipeline that runs, process 4711"

    def test_sessions_to_be_recovered_are_named(self, tmp_path: Path) -> None:
        assert level(journal(tmp_path, is_running=False)) == "ok"
        for session in range(1, 4):
            (tmp_path / "journal" / f"{session:08d}").mkdir(parents=True)
        found = journal(tmp_path, is_running=False)
        assert (level(found), found.text) == ("warn", "3 of 3 sessions to be recovered: 1, 2, 3")
        assert journal(tmp_path, is_running=True).text == "2 of 3 sessions to be recovered: 1, 2"

    def test_what_waits_in_a_spool_is_counted(self, tmp_path: Path) -> None:
        assert level(spool(tmp_path / "none", "lake", is_running=False)) == "ok"
        (tmp_path / "1.arrow").write_bytes(b"x" * MIB)
        found = spool(tmp_path, "lake", is_running=False)
        assert (level(found), found.text) == ("warn", "1 batches, 1.0 MiB, wait for the store")
        (tmp_path / "2.arrow.corrupt").touch()
        assert "put aside" in spool(tmp_path, "lake", is_running=False).text

    @pytest.mark.slow
    def test_a_store_is_read(self, tmp_path: Path) -> None:
        settings = settings_with(f"data_dir={tmp_path}")
        store = settings.stores[0]
        assert readable(settings, store).text.endswith("it holds no ticks yet")
        writer = LakeWriter(settings.location(store))
        writer.open()
        writer.write("ticks", ticks(1), BatchId(1, 1))
        writer.close()
        assert readable(settings, store).text.endswith("lake can be read")
        for path in tmp_path.rglob("*.parquet"):
            path.unlink()
        assert level(readable(settings, store)) == "FAIL"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "table",
        [
            f'{{kind="postgres", url="postgresql://me:{SECRET}@127.0.0.1:9/x"}}',
            f'{{kind="influx", url="http://127.0.0.1:9", bucket="b", token="{SECRET}"}}',
        ],
    )
    def test_a_database_that_does_not_answer_is_told_without_secrets(self, table: str) -> None:
        settings = settings_with(f"stores=[{table}]")
        found = readable(settings, settings.stores[0])
        assert level(found) == "FAIL"
        assert SECRET not in found.line()

    def test_the_monitors_port_may_be_taken(self) -> None:
        assert level(port(settings_with("monitor.port=0"))) == "ok"
        with socket.create_server(("127.0.0.1", 0)) as other:
            number = other.getsockname()[1]
            other.listen()
            other.close()
        assert level(port(settings_with(f"monitor.port={number}"))) == "ok"

    @pytest.mark.slow
    def test_a_port_of_somebody_elses_is_told(self) -> None:
        with hanging_up() as number:
            found = port(settings_with(f"monitor.port={number}"))
        assert level(found) == "FAIL"
        assert found.advice.startswith("set monitor.port")


def feed_of(url: str, more: str = "") -> Any:
    return settings_with(f'feeds=[{{venue="generic", url="{url}", symbols=["A"]{more}}}]').feeds[0]


class TestVenue:
    def test_that_is_built_in_needs_no_look(self) -> None:
        assert [level(found) for found in venue(settings_with().feeds[0])] == ["ok"]

    @pytest.mark.slow
    def test_that_answers_is_looked_at_step_by_step_and_its_clock_too(self) -> None:
        def speak(client: Client) -> None:
            client.play([trade("A", number) for number in range(5)])

        with LoopbackExchange(speak) as exchange:
            reached, clocks = venue(feed_of(exchange.url), look_seconds=1.0)
        assert level(reached) == "ok"
        assert [step in reached.text for step in ("DNS", "TCP", "TLS", "WebSocket")] == [
            True,
            True,
            False,
            True,
        ]
        assert clocks.subject == "clock generic"
        assert "median of 5" in clocks.text
        assert level(clocks) == "warn", "these ticks are of long ago"

    @pytest.mark.slow
    def test_that_sends_nothing_is_told(self) -> None:
        with LoopbackExchange() as exchange:
            _, clocks = venue(feed_of(exchange.url), look_seconds=0.1)
        assert clocks.text.startswith("no tick")

    @pytest.mark.slow
    def test_that_refuses_is_told_by_the_step(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            place = f"127.0.0.1:{server.getsockname()[1]}"
        (found,) = venue(feed_of(f"ws://{place}/?key={SECRET}"))
        assert found.line().startswith(f"FAIL feed generic: TCP: {place} cannot be connected to")
        assert SECRET not in found.line()
        with hanging_up() as number:
            (found,) = venue(feed_of(f"wss://127.0.0.1:{number}"))
        assert found.text.startswith("TLS: ")
        with LoopbackExchange() as exchange:
            exchange.refuse(status=403)
            more = f', headers={{Authorization="{SECRET}"}}'
            (found,) = venue(feed_of(exchange.url, more))
        assert found.text.startswith("WebSocket: ")
        assert "403" in found.text
        assert SECRET not in found.line()

    def test_whose_clock_is_off_is_told(self) -> None:
        for delays, expected in (([1, 2, 3], "ok"), ([FAR_NS + 1], "warn"), ([-1], "warn"), ([], "warn")):
            assert level(offset("clock x", delays)) == expected


@pytest.mark.slow
class TestCommand:
    def test_says_a_line_each_and_changes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        argv = ["doctor", "--set", f"data_dir={tmp_path / 'data'}", "--set", "monitor.port=0"]
        status = run(parse(argv))
        lines = capsys.readouterr().out.splitlines()
        assert all(line.split()[0] in ("ok", "warn", "FAIL") for line in lines)
        assert status == int(any(line.startswith("FAIL") for line in lines))
        subjects = {line[5:].split(":")[0] for line in lines}
        assert subjects >= {"configuration", "python", "disk", "lock", "journal", "store lake", "feed demo"}
        assert os.listdir(tmp_path) == []

    def test_says_the_same_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        feeds = f'feeds=[{{venue="generic", url="ws://127.0.0.1:9/{SECRET}", symbols=["A"]}}]'
        argv = ["doctor", "--json", "--set", f"data_dir={tmp_path / 'data'}", "--set", feeds]
        assert run(parse([*argv, "--set", "monitor.port=0"])) == 1
        out = capsys.readouterr().out
        document = json.loads(out)
        assert document["ok"] is False
        assert {one["level"] for one in document["findings"]} <= {"ok", "warn", "FAIL"}
        assert document["findings"][-1]["subject"] == "feed generic"
        assert SECRET not in out

    def test_begins_with_what_is_wrong_with_the_configuration(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "a.toml").write_text("[detector]\nwindow = 1\nwarm_z = 3\n", encoding="utf-8")
        assert run(parse(["doctor", "--config", str(tmp_path / "a.toml")])) == 1
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in lines] == ["FAIL configuration"] * 2


@pytest.mark.slow
def test_a_directory_stays_as_it_is(tmp_path: Path) -> None:
    """One that holds things keeps them, with their times."""
    settings: Settings = settings_with(f"data_dir={tmp_path}", "monitor.port=0")
    writer = LakeWriter(settings.location(settings.stores[0]))
    writer.open()
    writer.close()
    (tmp_path / "lock").touch()

    def seen() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    before = seen()
    assert len(list(examined(settings))) > 10
    assert seen() == before

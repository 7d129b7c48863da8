"""What a user can get wrong, command by command: one clear line each, and the right exit status."""

import gzip
import json
import signal
import socket
from random import Random

import pytest
from deltalake import DeltaTable

from tests.e2e.feeds import feed, trade
from tests.e2e.tapeline import Tapeline, check_end
from tests.support.processes import Ended


def check_told(ended: Ended, status: int, *words: str) -> str:
    """Check that a command ended with one clear line on stderr, and with nothing else anywhere."""
    assert ended.status == status, ended
    assert ended.stdout == "", ended
    assert len(ended.stderr.splitlines()) == 1, ended
    line = ended.stderr.rstrip("\n")
    assert line.startswith("tapeline: "), ended
    assert line.isprintable(), ended
    missing = [word for word in words if word not in line]
    assert not missing, ended
    return line


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "check", "query"])
def test_everything_that_is_wrong_with_a_configuration_is_told_at_once(
    tapeline: Tapeline, command: str
) -> None:
    config = tapeline.config(
        '[[feeds]]\nvenue = "coinbsae"\nsymbols = ["BTC-USD"]\n'
        "[detector]\nwindw = 100\ncritical_z = 40\n"
        '[breaker]\ncooldown_seconds = "soon"\n'
        "[monitor]\nport = 70000\n"
        "[supervison]\ndrain_seconds = 1\n"
    )
    words = ["ticks"] if command == "query" else []

    ended = tapeline.call(command, *words, "--config", config, "--set", "writer.batch_rows=0", bare=True)

    assert ended.status == 2, ended
    assert ended.stdout == ""
    told = ended.stderr.splitlines()
    for key, hint in {
        "feeds[0].venue": 'did you mean "coinbase"?',
        "detector.windw": 'did you mean "window"?',
        "detector.critical_z": "at most 14.1",
        "breaker.cooldown_seconds": "must be a number",
        "monitor.port": "at most 65535",
        "supervison": 'did you mean "supervision"?',
        "writer.batch_rows": "at least 1",
    }.items():
        assert [hint in line for line in told if f" {key}: " in line] == [True], (key, ended)
    assert len(told) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], ['"rnu" is not a command', 'did you mean "run"?', "--help"]),
        (["run", "--durtion", "3s"], ['did you mean "--duration"?']),
        (["run", "--duration", "soon"], ['"soon" is not a duration', "30s"]),
        (["run", "--set", "detector.window"], ["table.key=value"]),
        (["run", "--set", "detector.window=many"], ["must be an integer", '"many"']),
        (["check", "--config", "none.toml"], ['"none.toml"', "No such file"]),
        (["replay"], ["FILE", "--help"]),
        (["replay", "none.jsonl"], ["none.jsonl", "No such file"]),
        (["query", "tics"], ['did you mean "ticks"?']),
        (["query", "ticks", "--start", "yesterday"], ["--start", '"yesterday" is not a time', "2026-01-15"]),
        (["query", "bars", "--interval", "long"], ["--interval", '"long" is not a duration', "30s"]),
        (["query", "ticks", "--store", "influx"], ["--store", '"influx"', "known are lake"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_word_that_cannot_be_meant_is_answered_with_what_can(
    tapeline: Tapeline, arguments: list[str], words: list[str]
) -> None:
    check_told(tapeline.call(*arguments, bare=True), 2, *words)


def noise(length: int) -> bytes:
    """Give bytes that mean nothing, the same ones each time."""
    return Random(7).randbytes(length)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("noise.jsonl", noise(3000), ["line 1"]),
        ("noise.jsonl.gz", noise(3000), ["compressed"]),
        ("packed.jsonl.gz", gzip.compress(b"no json\n"), ["line 1"]),
        ("late.jsonl", b'{"ts_recv_ns":1,"venue":"demo","dir":"recv","data":"{}"}\n{"a":1}\n', ["line 2"]),
        ("kraken.jsonl", b'{"ts_recv_ns":1,"venue":"kraken","dir":"recv","data":"{}"}\n',
         ["kraken", "known venues are", "coinbase"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_is_no_capture_is_named_and_nothing_of_it_is_stored(
    tapeline: Tapeline, name: str, content: bytes, words: list[str]
) -> None:
    (tapeline.directory / name).write_bytes(content)
    line = check_told(tapeline.call("replay", name), 2, *words)
    assert name in line or name == "kraken.jsonl"
    assert not (tapeline.data_dir / "lake").exists()


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(tapeline: Tapeline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place = ("--set", f"data_dir={tapeline.data_dir}", "--set", f"monitor.port={port}")
        ended = tapeline.call("run", *place, bare=True)
    check_told(ended, 2, f"127.0.0.1:{port} is in use", "monitor.port")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_data_directory_that_cannot_be_made_is_named(tapeline: Tapeline, command: str) -> None:
    (tapeline.directory / "capture.jsonl").touch()
    tapeline.data_dir.write_text("a file, not a directory")
    below = tapeline.data_dir / "below"
    words = ["capture.jsonl"] if command == "replay" else []
    ended = tapeline.call(command, *words, "--set", f"data_dir={below}", bare=True)
    check_told(ended, 2, f"data directory {below}", "Not a directory", "data_dir")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["session", "monitor.json", "spool"])
def test_a_part_of_the_data_directory_that_cannot_be_written_is_named(tapeline: Tapeline, name: str) -> None:
    (tapeline.data_dir / name / "in the way").mkdir(parents=True)
    if name == "spool":
        (tapeline.data_dir / name / "lake").write_text("a file, not a directory")
    ended = tapeline.call("run", "--duration", "1ms")
    assert ended.status == 2, ended
    assert str(tapeline.data_dir / name) in ended.stderr.splitlines()[-1]
    assert len(ended.errors) == 1


@pytest.mark.slow
def test_a_store_of_a_newer_version_is_left_alone(tapeline: Tapeline) -> None:
    capture = tapeline.directory / "capture.jsonl"
    entry = {"ts_recv_ns": 1, "venue": "generic", "dir": "recv", "data": trade("A", 1)}
    capture.write_text(json.dumps(entry) + "\n")
    check_end(tapeline.call("replay", capture, "--json"))
    table = DeltaTable(str(tapeline.data_dir / "lake" / "ticks"))
    assert "tapeline.schemaVersion" in table.metadata().configuration
    table.alter.set_table_properties({"tapeline.schemaVersion": "1000"}, raise_if_not_exists=False)
    version = table.version()

    for command in (["run", "--duration", "1ms"], ["replay", str(capture)], ["query", "ticks"]):
        ended = tapeline.call(*command)
        assert ended.status == 2, ended
        assert ended.stdout == "", ended
        assert "newer version" in ended.stderr.splitlines()[-1]
        assert "1000" in ended.errors[0]
        assert "upgrade Tapeline" in ended.errors[0]
    table.update_incremental()
    assert table.version() == version


@pytest.mark.slow
def test_a_second_supervisor_waits_a_while_and_names_the_first(tapeline: Tapeline) -> None:
    with tapeline.start("run", "--json") as first:
        first.wait_for_line("every actor has started")
        check_told(tapeline.call("run", timeout=20), 2, f"process {first.pid}", str(tapeline.data_dir))
        first.send(signal.SIGINT)
        check_end(tapeline.ended(first))


@pytest.mark.slow
def test_a_supervisor_that_follows_another_closely_waits_for_its_end(tapeline: Tapeline) -> None:
    with tapeline.start("run", "--json") as first:
        first.wait_for_line("every actor has started")
        with tapeline.start("run", "--json", "--duration", "1ms") as second:
            first.send(signal.SIGTERM)
            check_end(tapeline.ended(first))
            check_end(tapeline.ended(second))


@pytest.mark.slow
def test_a_venue_that_cannot_be_reached_is_told_of_and_tried_again(tapeline: Tapeline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    config = tapeline.config(feed(f"ws://127.0.0.1:{port}", "A") + "[alerts]\nevery_seconds = 0.1\n")
    with tapeline.start("run", "--json", "--config", config) as program:
        first = program.wait_for_line("generic/0/A is down")
        assert f"127.0.0.1:{port} refused the connection" in first
        assert "next attempt in" in first
        program.wait_for_line(lambda line: "generic/0/A is down" in line and line != first)
        program.send(signal.SIGINT)
        total = check_end(tapeline.ended(program))["total"]
    assert total["received"] == 0


@pytest.mark.slow
def test_a_query_of_nothing_says_so_and_is_no_error(tapeline: Tapeline) -> None:
    ended = tapeline.call("query", "ticks", "--symbol", "BTC-UDS")
    assert ended.status == 0, ended
    assert ended.stdout.count("\n") == 1
    assert ended.stdout.startswith("venue,symbol,kind,")
    assert "no ticks" in ended.errors[0]
    assert 'did you mean "BTC-USD"?' in ended.errors[0]


@pytest.mark.slow
def test_status_says_that_nobody_is_there(tapeline: Tapeline) -> None:
    check_told(tapeline.call("status"), 1, str(tapeline.data_dir), "is it running?")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    ended = tapeline.call("status", "--json", "--set", f"monitor.port={port}", bare=True)
    check_told(ended, 1, f"127.0.0.1:{port}", "is it running?")

"""`run` as a user starts and stops it: on the demo exchange, by the clock, by signals, from a terminal."""

import json
import re
import signal
import socket
from collections import Counter
from collections.abc import Callable

import psutil
import pytest

from tests.e2e.feeds import feed, send_all, trade
from tests.e2e.tapeline import PROGRAM, Tapeline, check_end, check_nothing_left
from tests.e2e.terminal import CTRL_C, Terminal
from tests.support.exchange import LoopbackExchange
from tests.support.processes import Program, eventually, is_running, wait_for_end

FAULTS = {"crossed_market", "critical_z", "malformed_json", "missing_field", "bad_type"}
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)


def collecting(tapeline: Tapeline, *arguments: str) -> Program:
    """Start a run, and give it once the lake holds ticks."""
    program = tapeline.start("run", *arguments)
    tapeline.wait_for_count(program, "stored")
    return program


@pytest.mark.slow
def test_the_default_configuration_shows_every_fault_and_balances(tapeline: Tapeline) -> None:
    ended = tapeline.call("run", "--duration", "20s", "--json", timeout=55)

    ledger = check_end(ended)
    assert ended.stdout.count("\n") == 1
    assert list(ledger["feeds"]) == ["demo"]
    assert list(ledger["stores"]) == ["lake"]
    total = ledger["total"]
    assert total["received"] > 1000
    assert (total["shed"], total["dead_letter"], total["spooled"], total["recovered"]) == (0, 0, 0, 0)
    assert ledger["reasons"].keys() >= FAULTS
    assert total["rejected"] == sum(n for reason, n in ledger["reasons"].items() if reason != "repeated")
    assert total["duplicate"] == ledger["reasons"]["repeated"] > 0
    assert all(n > 0 for n in ledger["events"].values()), ledger["events"]
    latency = ledger["latency"]
    assert latency["signal"]["count"] >= total["stored"]
    assert latency["signal_from_event"]["count"] > 0
    stored = latency["stored"]["lake"]
    assert stored["count"] == total["stored"]
    assert 0 < latency["signal"]["p50_us"] < stored["p50_us"] <= stored["max_us"]
    assert ledger["frames"]["decoded"] > 1000
    ticks = tapeline.query("ticks")
    assert len(ticks) == total["stored"]
    assert sum(row["verdict"] == "warn" for row in ticks) == ledger["events"]["warn"]
    rejects = Counter(row["reason"] for row in tapeline.query("rejects"))
    assert rejects == {reason: n for reason, n in ledger["reasons"].items() if reason != "repeated"}


@pytest.mark.slow
def test_others_read_and_ask_while_it_runs(tapeline: Tapeline) -> None:
    with collecting(tapeline, "--json") as program:
        seen = tapeline.query("ticks")
        eventually(lambda: len(tapeline.query("ticks")) > len(seen))
        later = {(row["session"], row["line"], row["frame"], row["item"]) for row in tapeline.query("ticks")}
        assert later >= {(row["session"], row["line"], row["frame"], row["item"]) for row in seen}

        status = tapeline.call("status", "--json")
        assert status.status == 0, status
        told = json.loads(status.stdout)
        assert told["ledger"]["balanced"] is True
        assert {row["symbol"] for row in told["symbols"]} == {"BTC-USD", "ETH-USD", "SOL-USD"}
        assert [row["line"] for row in told["lines"]] == ["demo/0/A"]
        assert {row["state"] for row in told["actors"]} == {"running"}
        shown = tapeline.call("status")
        assert shown.status == 0, shown
        assert "BTC-USD" in shown.stdout
        assert "BALANCED" in shown.stdout

        program.send(signal.SIGINT)
        total = check_end(tapeline.ended(program))["total"]
    assert len(tapeline.query("ticks")) == total["stored"]


@pytest.mark.slow
def test_a_signal_drains_shows_the_ledger_and_the_next_run_goes_on_from_there(tapeline: Tapeline) -> None:
    stored = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with collecting(tapeline) as program:
            children = program.children()
            assert len(children) == 1
            program.send(number)
            ended = tapeline.ended(program)
        assert ended.status == 0, ended
        assert ended.stdout.startswith("Ledger: BALANCED\n")
        assert f"draining: stopped by {number.name}" in ended.stderr
        check_nothing_left(tapeline, children)
        assert not (tapeline.data_dir / "monitor.json").exists()
        told = re.search(r"^stored +([0-9,]+)$", ended.stdout, re.MULTILINE)
        assert told is not None, ended
        stored.append(int(told[1].replace(",", "")))
    sessions = Counter(row["session"] for row in tapeline.query("ticks"))
    assert sessions == {"1": stored[0], "2": stored[1]}


def spawned(tapeline: Tapeline, program: Program) -> bool:
    return program.running


def locked(tapeline: Tapeline, program: Program) -> bool:
    return (tapeline.data_dir / "lock").exists()


def store_made(tapeline: Tapeline, program: Program) -> bool:
    return (tapeline.data_dir / "lake" / "ticks" / "_delta_log").exists()


def exchange_started(tapeline: Tapeline, program: Program) -> bool:
    return bool(program.children())


def monitor_told(tapeline: Tapeline, program: Program) -> bool:
    return (tapeline.data_dir / "monitor.json").exists()


def started(tapeline: Tapeline, program: Program) -> bool:
    return bool(program.wait_for_line("every actor has started"))


MOMENTS = (spawned, locked, store_made, exchange_started, monitor_told, started)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        *((signal.SIGTERM, moment) for moment in MOMENTS),
        *((signal.SIGINT, moment) for moment in (spawned, exchange_started, started)),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value.__name__,
)
def test_a_signal_at_any_moment_of_the_start_ends_it(
    tapeline: Tapeline, number: signal.Signals, moment: Callable[[Tapeline, Program], bool]
) -> None:
    with tapeline.start("run", "--json") as program:
        eventually(lambda: moment(tapeline, program))
        children = program.children()
        program.send(number)
        ended = program.wait()

    if moment is spawned and number is signal.SIGINT:
        # Until it has read its first line, the interpreter answers Ctrl-C in its own way.
        assert ended.status != 0, ended
    else:
        assert "Traceback" not in ended.stderr, ended
        assert ended.status in (0, 128 + number, -number), ended
    if ended.status == 0:
        check_end(ended)
    check_nothing_left(tapeline, children)


@pytest.mark.slow
def test_the_exchange_ends_with_a_supervisor_that_is_killed(tapeline: Tapeline) -> None:
    with collecting(tapeline) as program:
        children = program.children()
        assert [is_running(child) for child in children] == [True]
        program.send(signal.SIGKILL)
        assert program.wait().status == -signal.SIGKILL
        wait_for_end(children)
    check_nothing_left(tapeline, children)


@pytest.mark.slow
def test_a_second_signal_ends_a_drain_that_hangs(tapeline: Tapeline) -> None:
    with LoopbackExchange() as exchange, socket.create_server(("127.0.0.1", 0)) as receiver:
        # Whoever posts to a receiver that never answers cannot drain.
        config = tapeline.config(
            feed(exchange.url, "A")
            + f'[alerts]\nwebhook = "http://127.0.0.1:{receiver.getsockname()[1]}"\n'
            + "webhook_timeout_seconds = 3600\n[supervision]\ndrain_seconds = 3600\n"
        )
        with tapeline.start("run", "--json", "--config", config) as program:
            client = exchange.wait_for_client(timeout=40)
            send_all(client, [*(trade("A", number) for number in range(100)), "{"])
            receiver.settimeout(40)
            accepted, _ = receiver.accept()
            with accepted:
                tapeline.wait_for_count(program, "rejected")
                tapeline.wait_for_count(program, "stored", 100)
                program.send(signal.SIGINT)
                program.wait_for_line("draining: stopped by SIGINT")
                program.send(signal.SIGINT)
                ended = tapeline.ended(program)

    assert "did not finish in time" not in ended.stderr
    total = check_end(ended)["total"]
    assert (total["received"], total["stored"], total["rejected"]) == (101, 100, 1)


@pytest.mark.slow
def test_a_terminal_shows_the_live_table_and_ctrl_c_ends_with_the_ledger(tapeline: Tapeline) -> None:
    with Terminal([*PROGRAM, "run", *tapeline.settings], tapeline.directory) as terminal:
        terminal.wait_for("BTC-USD", "ETH-USD", "SOL-USD", "Ledger BALANCED", "lines 1/1 up")
        children = psutil.Process(terminal.pid).children(recursive=True)
        assert len(children) == 1
        terminal.press(CTRL_C)
        status = terminal.wait()

    assert status == 0, terminal.shown[-4000:]
    _, _, after = terminal.shown.rpartition("Ledger: BALANCED")
    assert re.search(r"received +[1-9]", after), terminal.shown[-4000:]
    assert "Traceback" not in terminal.shown
    check_nothing_left(tapeline, children)


@pytest.mark.slow
@SIGNALS
def test_a_signal_ends_a_start_that_waits_for_a_store(tapeline: Tapeline, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        table = ", ".join(f'{name} = "{value}"' for name, value in options.items())
        config = tapeline.config(
            f'[[stores]]\nname = "far"\npath = "s3://bucket/lake"\nstorage_options = {{ {table} }}\n'
        )
        with tapeline.start("run", "--json", "--config", config) as program:
            silent.settimeout(40)
            accepted, _ = silent.accept()
            with accepted:
                program.send(number)
                ended = tapeline.ended(program)
    assert ended.status in (-number, 128 + number), ended
    check_nothing_left(tapeline, [])

"""Faults of a venue, of its network and of what hears the alerts: every tick is somewhere, and only once."""

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.e2e.feeds import feed, quote, send_all, trade
from tests.e2e.tapeline import Row, Tapeline, check_end, origin
from tests.support.client import Client
from tests.support.exchange import LoopbackExchange
from tests.support.frames import BINARY, CLOSE, PING, TEXT
from tests.support.processes import Program

CONNECT_SECONDS = 40.0
MB = 2**20


def next_client(exchange: LoopbackExchange) -> Client:
    """Give the next client, once it has subscribed."""
    client = exchange.wait_for_client(CONNECT_SECONDS)
    client.wait_for_text(timeout=CONNECT_SECONDS)
    return client


def stop(tapeline: Tapeline, program: Program) -> dict[str, Any]:
    """End a run, and give its ledger."""
    program.send(signal.SIGINT)
    return check_end(tapeline.ended(program))


def check_rows(tapeline: Tapeline, ledger: dict[str, Any]) -> list[Row]:
    """Check that ticks and rejects hold what the ledger says, no origin twice, and give them in order."""
    rows = tapeline.records()
    assert len({origin(row) for row in rows}) == len(rows)
    total = ledger["total"]
    assert Counter("reason" in row for row in rows) == Counter(
        {False: total["stored"], True: total["rejected"]}
    )
    return rows


@pytest.mark.slow
def test_a_connection_that_is_cut_again_and_again_loses_nothing_that_came(tapeline: Tapeline) -> None:
    cuts, each = 4, 500
    with LoopbackExchange() as exchange:
        config = tapeline.config(feed(exchange.url, "A", "B"))
        with tapeline.start("run", "--json", "--config", config) as program:
            for part in range(cuts + 1):
                client = next_client(exchange)
                numbers = range(part * each, (part + 1) * each)
                send_all(client, (trade("AB"[number % 2], number) for number in numbers))
                if part < cuts:
                    # In the middle of a message, whose beginning came.
                    client.send_bytes_raw(b"\x81\x7e\x10")
                    client.cut()
            ledger = stop(tapeline, program)

    assert ledger["events"]["reconnect"] == cuts
    rows = check_rows(tapeline, ledger)
    assert [int(row["venue_id"]) for row in rows] == list(range((cuts + 1) * each))
    assert [int(row["frame"]) for row in rows] == list(range((cuts + 1) * each))
    gaps = [row for row in tapeline.query("gaps") if row["cause"] == "reconnect"]
    assert [int(row["frame"]) for row in gaps] == [each * part for part in range(1, cuts + 1)]


GARBLED = (
    ("{", "malformed_json"),
    ("[1, 2", "malformed_json"),
    ('"text"', "bad_type"),
    ('{"symbol": "A"}', "missing_field"),
    ('{"price": 1}', "missing_field"),
    ('{"symbol": "A", "price": "much"}', "bad_type"),
    ('{"symbol": "A", "price": -1}', "bad_price"),
    ('{"symbol": "A", "price": 1e999}', "bad_price"),
    ('{"symbol": "A", "price": 1, "timestamp": "noon"}', "bad_timestamp"),
    ('{"symbol": "Z", "price": 1}', "unknown_symbol"),
    ("\x00\ufffd", "malformed_json"),
    ("[" * 100_000, "malformed_json"),
    ('{"symbol": "A", "price": 1, "side": "\\ud800"}', "malformed_json"),
)


@pytest.mark.slow
def test_garbled_messages_cost_one_reject_each_and_never_the_connection(tapeline: Tapeline) -> None:
    with LoopbackExchange() as exchange:
        config = tapeline.config(feed(exchange.url, "A"))
        with tapeline.start("run", "--json", "--config", config) as program:
            client = next_client(exchange)
            for number, (text, _) in enumerate(GARBLED):
                send_all(client, [trade("A", 2 * number), text, trade("A", 2 * number + 1)])
            ledger = stop(tapeline, program)
        assert exchange.connections == 1

    rows = check_rows(tapeline, ledger)
    assert [row.get("reason", "") for row in rows[1::3]] == [reason for _, reason in GARBLED]
    assert [int(row["venue_id"]) for row in rows if "reason" not in row] == list(range(2 * len(GARBLED)))


@pytest.mark.slow
def test_a_break_of_the_protocol_ends_the_connection_and_what_came_before_stays(tapeline: Tapeline) -> None:
    breaks: list[tuple[str, int, tuple[Any, ...], str | None]] = [
        ("a masked frame", 1002, (TEXT, "x", True, 0, True), None),
        ("a reserved bit", 1002, (TEXT, "x", True, 4), None),
        ("an unknown opcode", 1002, (5, "x"), None),
        ("a control frame in parts", 1002, (PING, "x", False), None),
        ("a control frame that is too long", 1002, (PING, "x" * 126), None),
        ("bytes that are no text", 1007, (TEXT, b'{"symbol": "\xff"}'), "malformed_json"),
        ("a message that is too long", 1009, (TEXT, "x" * (MB + 1)), "oversize"),
        ("a binary message that is too long", 1009, (BINARY, b"x" * (MB + 1)), "oversize"),
    ]
    with LoopbackExchange() as exchange:
        config = tapeline.config(feed(exchange.url, "A", more="max_message_mb = 1"))
        with tapeline.start("run", "--json", "--config", config) as program:
            for number, (what, code, frame, _) in enumerate(breaks):
                client = next_client(exchange)
                send_all(client, [trade("A", number)])
                client.send_frame(*frame)
                told = client.wait_for_frame(lambda frame: frame.opcode == CLOSE, CONNECT_SECONDS)
                assert int.from_bytes(told.payload[:2], "big") == code, what
                client.wait_for_end(CONNECT_SECONDS)
            send_all(next_client(exchange), [trade("A", len(breaks))])
            ledger = stop(tapeline, program)

    assert ledger["events"]["reconnect"] == len(breaks)
    refused = [reason for *_, reason in breaks if reason]
    assert ledger["reasons"] == Counter(refused)
    rows = check_rows(tapeline, ledger)
    assert [row["reason"] for row in rows if "reason" in row] == refused
    assert [int(row["venue_id"]) for row in rows if "reason" not in row] == list(range(len(breaks) + 1))


@pytest.mark.slow
def test_a_feed_that_blocks_loses_nothing_however_fast_the_ticks_come(tapeline: Tapeline) -> None:
    count = 30_000
    with LoopbackExchange(timeout=50) as exchange:
        config = tapeline.config(
            feed(exchange.url, "A", "B", more='overload = "block"')
            + "[actors]\nmailbox_ticks = 100\nframes_mb = 1\nmailbox_total_mb = 1\n"
        )
        with tapeline.start("run", "--json", "--config", config) as program:
            client = next_client(exchange)
            kinds = (trade, trade, quote)
            send_all(client, (kinds[number % 3]("AB"[number % 2], number) for number in range(count)))
            ledger = stop(tapeline, program)

    assert ledger["total"]["received"] == count
    assert ledger["total"]["shed"] == 0
    rows = check_rows(tapeline, ledger)
    assert [int(row["venue_id"]) for row in rows] == list(range(count))


class Receiver(ThreadingHTTPServer):
    """Takes alerts as a webhook does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.changed = threading.Condition()
        self.alerts: list[dict[str, Any]] = []

    def wait_for(self, kind: str) -> None:
        """Wait until an alert of a kind has come."""
        with self.changed:
            came = self.changed.wait_for(
                lambda: any(alert["kind"] == kind for alert in self.alerts), CONNECT_SECONDS
            )
        assert came, f"no alert of kind {kind} among {self.alerts}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take a post."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.headers["content-type"] == "application/json"
        assert body.keys() == {"alerts"}
        with self.server.changed:
            self.server.alerts += body["alerts"]
            self.server.changed.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Give a receiver that answers."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join(CONNECT_SECONDS)


@pytest.mark.slow
def test_alerts_reach_the_webhook_the_log_and_the_table(tapeline: Tapeline) -> None:
    with LoopbackExchange() as exchange, receiving() as receiver:
        config = tapeline.config(
            feed(exchange.url, "A")
            + f'[alerts]\nwebhook = "http://127.0.0.1:{receiver.server_address[1]}/hook"\n'
            + "every_seconds = 0.1\n"
        )
        with tapeline.start("run", "--json", "--config", config) as program:
            client = next_client(exchange)
            usual = (trade("A", number) for number in range(100))
            send_all(client, [*usual, trade("A", 100, price=1e6), "{"])
            receiver.wait_for("reject")
            receiver.wait_for("stale_time")
            client.cut()
            send_all(next_client(exchange), [trade("A", 101)])
            receiver.wait_for("line")
            program.send(signal.SIGINT)
            ended = tapeline.ended(program)

    check_end(ended)
    rows = tapeline.query("alerts")
    told = [{**row, "ts_ns": int(row["ts_ns"]), "held_back": int(row["held_back"])} for row in rows]
    posted = [
        {name: "" if value is None else value for name, value in alert.items()} for alert in receiver.alerts
    ]
    assert sorted(map(str, posted)) == sorted(map(str, told))
    assert all(f"tapeline.alerts: {row['kind']}: " in ended.stderr for row in rows)
    kinds = {(row["kind"], row["symbol"]) for row in rows}
    assert kinds >= {("reject", "A"), ("reject", ""), ("line", ""), ("stale_time", "A")}


@pytest.mark.slow
def test_a_receiver_of_alerts_that_fails_does_no_harm(tapeline: Tapeline) -> None:
    with LoopbackExchange() as exchange:
        config = tapeline.config(
            feed(exchange.url, "A") + '[alerts]\nwebhook = "http://127.0.0.1:1/t0ken"\nevery_seconds = 0.1\n'
        )
        with tapeline.start("run", "--json", "--config", config) as program:
            client = next_client(exchange)
            send_all(client, [*(trade("A", number) for number in range(100)), "{"])
            program.wait_for_line("webhook: the alert could not be posted")
            program.send(signal.SIGINT)
            ended = tapeline.ended(program)

    total = check_end(ended)["total"]
    assert (total["stored"], total["rejected"]) == (100, 1)
    assert "t0ken" not in ended.stderr


@pytest.mark.slow
def test_however_the_work_is_shared_the_ticks_are_the_same(tapeline: Tapeline) -> None:
    symbols = [f"S{number}" for number in range(6)]
    shared = tapeline.beside("shared")
    layouts = {
        tapeline: ("connections = 1", ""),
        shared: ("connections = 2", "[actors]\ndetectors = 2\nnormalizers = 2\n"),
    }
    stored = []
    for place, (spread, actors) in layouts.items():
        with LoopbackExchange(on_connect=play_subscribed) as exchange:
            config = place.config(feed(exchange.url, *symbols, more=spread) + actors)
            with place.start("run", "--json", "--config", config) as program:
                place.wait_for_count(program, "received", 400 * len(symbols))
                ledger = stop(place, program)
        rows = check_rows(place, ledger)
        assert len(rows) == 400 * len(symbols)
        assert {row["line"] for row in rows} == {f"generic/{i}/A" for i in range(exchange.connections)}
        own = ("session", "line", "frame", "item", "ts_recv_ns")
        kept = [{name: value for name, value in row.items() if name not in own} for row in rows]
        stored.append(sorted(kept, key=lambda row: (row["symbol"], int(row["venue_id"]))))
    assert stored[0] == stored[1]
    assert {row["verdict"] for row in stored[0]} >= {"ok", "reject"}


def play_subscribed(client: Client) -> None:
    """Send each symbol that was asked for 400 ticks, some of them far off."""
    asked = json.loads(client.wait_for_text(timeout=CONNECT_SECONDS))["symbols"]
    ticks = []
    for number in range(400):
        for symbol in asked:
            shift = number + int(symbol[1:])
            if number % 97 == 96:
                ticks.append(trade(symbol, number, price=100.0 + shift))
            else:
                ticks.append((trade, quote)[shift % 4 == 0](symbol, number))
    send_all(client, ticks)

"""The demo exchange as a process: what it sends is what its truth file says, and it ends when it should."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from venues.demo_exchange import command, options
from venues.demo_market import Market

ROOT = Path(__file__).parents[2]
START_NS = 1_800_000_000 * 10**9
PATIENCE = 20.0


@dataclass
class Server:
    """A running demo exchange."""

    process: subprocess.Popen[str]
    port: int

    def client(self) -> ClientConnection:
        """Give a client to enter."""
        return connect(f"ws://127.0.0.1:{self.port}", compression=None, proxy=None, close_timeout=1)

    def end_stdin(self) -> int:
        """Do what the death of a parent does, and wait for the exit status."""
        stdin: IO[str] | None = self.process.stdin
        assert stdin is not None
        stdin.close()
        return self.process.wait(PATIENCE)


@contextmanager
def exchange(
    symbols: Sequence[str], *more: str, rate: float = 2_000, faults: bool = False
) -> Iterator[Server]:
    """Start a server, and end it by the end of its stdin if the test has not ended it."""
    arguments = command(sys.executable, seed=3, symbols=symbols, rate=rate, faults=faults)
    arguments += [f"--start-ns={START_NS}", *more]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        server = Server(process, json.loads(process.stdout.readline())["port"])
        yield server
        assert server.end_stdin() == 0


def ask(client: ClientConnection, action: str, *symbols: str) -> None:
    """Send a request."""
    client.send(json.dumps({"action": action, "symbols": symbols}))


def until_closed(client: ClientConnection) -> Iterator[str]:
    """Give what comes until the connection ends, however it ends."""
    try:
        while True:
            message = client.recv(PATIENCE)
            assert isinstance(message, str)
            yield message
    except ConnectionClosed:
        return


def ticks(messages: Iterable[str]) -> list[str]:
    """Leave out answers and heartbeats."""
    return [message for message in messages if not message.startswith('{"type":')]


def truth_of(path: Path) -> list[dict[str, Any]]:
    """Read a truth file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_truth_is_what_the_client_received_and_the_market_is_the_seeds(tmp_path: Path) -> None:
    """Message by message, to the byte; and the messages are those of the pure market."""
    truth = tmp_path / "truth.jsonl"
    with exchange(["BTC-USD", "X"], f"--truth={truth}") as server, server.client() as client:
        ask(client, "subscribe", "BTC-USD", "X")
        assert json.loads(client.recv(PATIENCE)) == {"type": "subscribed", "symbols": ["BTC-USD", "X"]}
        first = [str(client.recv(PATIENCE)) for _ in range(300)]
        assert server.end_stdin() == 0
        received = ticks([*first, *until_closed(client)])
    told = truth_of(truth)
    assert [record["text"] for record in told] == received
    assert {record["sent_to"] for record in told} == {1}
    assert list(told[0]) == ["offset_ns", "symbol", "kind", "id", "seq", "fault", "text", "sent_to"]
    market = Market(3, ["BTC-USD", "X"], 2_000, faults=False, start_ns=START_NS)
    heard = takewhile(lambda event: event.offset_ns <= told[-1]["offset_ns"], market)
    texts = [event.text for event in heard if event.offset_ns >= told[0]["offset_ns"]]
    assert texts == received


@pytest.mark.slow
def test_a_dropped_connection_ends_without_a_close_frame_and_the_market_goes_on(tmp_path: Path) -> None:
    """The client comes back; the truth of both connections is complete, drop and gaps included."""
    truth = tmp_path / "truth.jsonl"
    with exchange(["X"], f"--truth={truth}", rate=1_000, faults=True) as server:
        with server.client() as client:
            ask(client, "subscribe", "X")
            received = list(until_closed(client))
            assert client.close_code == 1006
        with server.client() as client:
            ask(client, "subscribe", "X")
            received += [str(client.recv(PATIENCE)) for _ in range(100)]
            assert server.end_stdin() == 0
            received += until_closed(client)
    told = truth_of(truth)
    assert [record["text"] for record in told if record["text"] is not None] == ticks(received)
    assert [record["sent_to"] for record in told if record["kind"] == "drop"] == [1]


@pytest.mark.slow
def test_every_client_hears_the_same_market() -> None:
    """From its own subscription on."""
    with exchange(["X"]) as server, server.client() as early, server.client() as late:
        ask(early, "subscribe", "X")
        ask(late, "subscribe", "X")
        assert server.end_stdin() == 0
        longer, shorter = sorted(
            (ticks(until_closed(early)), ticks(until_closed(late))), key=len, reverse=True
        )
    assert longer[len(longer) - len(shorter) :] == shorter


@pytest.mark.slow
def test_a_client_hears_its_symbols_only_and_any_symbol_trades() -> None:
    """Symbols come and go with subscriptions; those the market has not are listed."""
    with exchange(["A", "B"]) as server, server.client() as client:
        ask(client, "subscribe", "A", "NEW")
        assert json.loads(client.recv(PATIENCE))["symbols"] == ["A", "NEW"]
        heard = {json.loads(client.recv(PATIENCE))["symbol"] for _ in range(200)}
        assert heard == {"A", "NEW"}
        ask(client, "unsubscribe", "A", "never")
        answers = (json.loads(client.recv(PATIENCE)) for _ in range(100_000))
        assert next(answer for answer in answers if "type" in answer)["symbols"] == ["NEW"]
        assert {json.loads(client.recv(PATIENCE))["symbol"] for _ in range(100)} == {"NEW"}


@pytest.mark.slow
def test_requests_that_cannot_be_read_are_answered_and_cost_nothing() -> None:
    """The connection lives on."""
    requests = (
        "{",
        "[]",
        '{"action":"buy","symbols":[]}',
        '{"action":"subscribe","symbols":[1]}',
        "[" * 9_999,
    )
    many = json.dumps({"action": "subscribe", "symbols": [f"S{i}" for i in range(1_001)]})
    with exchange(["A"]) as server, server.client() as client:
        for request in (*requests, many):
            client.send(request)
            assert json.loads(client.recv(PATIENCE))["type"] == "error"
        ask(client, "subscribe", "A")
        assert json.loads(client.recv(PATIENCE))["type"] == "subscribed"


@pytest.mark.slow
def test_heartbeats_come_without_a_subscription() -> None:
    """A client that listens to nothing hears that the line is alive."""
    with exchange(["A"], "--heartbeat-seconds=0.05") as server, server.client() as client:
        assert [client.recv(PATIENCE) for _ in range(2)] == ['{"type":"heartbeat"}'] * 2


@pytest.mark.slow
def test_it_ends_on_sigterm_and_not_on_sigint() -> None:
    """Ctrl-C in a terminal reaches it too, but its parent decides."""
    with exchange(["A"]) as server, server.client() as client:
        server.process.send_signal(signal.SIGINT)
        ask(client, "subscribe", "A")
        assert len([client.recv(PATIENCE) for _ in range(50)]) == 50
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0


@pytest.mark.slow
def test_a_client_that_does_not_read_is_cut_off_and_delays_nobody(tmp_path: Path) -> None:
    """The truth file shows when: what is sent counts one client less."""
    truth = tmp_path / "truth.jsonl"
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    with exchange(["A"], f"--truth={truth}", "--max-unsent-bytes=1000", rate=40_000) as server:
        small.connect(("127.0.0.1", server.port))
        with server.client() as quick, small:
            handshake(small)
            ask(quick, "subscribe", "A")
            waited = 0
            while not cut_off(truth):
                waited += len([quick.recv(PATIENCE) for _ in range(5_000)])
                assert waited < 2_000_000, "the slow client was never cut off"


def handshake(client: socket.socket) -> None:
    """Open a WebSocket by hand, subscribe to A, and read no more than the first answer."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    client.sendall(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    client.settimeout(PATIENCE)
    assert client.recv(12) == b"HTTP/1.1 101"
    request = b'{"action":"subscribe","symbols":["A"]}'
    client.sendall(bytes([0x81, 0x80 | len(request), 0, 0, 0, 0]) + request)


def cut_off(truth: Path) -> bool:
    """Tell whether two clients were served, and later one."""
    counts = [json.loads(line)["sent_to"] for line in truth.read_text().split("\n")[:-1]]
    return 2 in counts and counts[-1] == 1


@given(
    st.integers(),
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1
    ),
    st.floats(0.001, 999_999),
    st.booleans(),
    st.integers(0, 65_535),
    st.none() | st.just(Path("a b/truth.jsonl")),
)
@settings(max_examples=50)
def test_the_command_is_read_back_as_it_was_meant(
    seed: int, symbols: list[str], rate: float, faults: bool, port: int, truth: Path | None
) -> None:
    """Whatever the symbols are called."""
    python, *more = command(
        "py", seed=seed, symbols=symbols, rate=rate, faults=faults, port=port, truth=truth
    )
    assert (python, more[:2]) == ("py", ["-m", "venues.demo_exchange"])
    read = options(more[2:])
    assert (read.seed, list(read.symbols), read.rate, read.faults) == (seed, symbols, rate, faults)
    assert (read.port, read.truth, read.start_ns) == (port, truth, None)


@pytest.mark.parametrize(
    "wrong", ["--rate=0", "--rate=nan", "--rate=x", "--symbols=", "--symbols=,", "--seed=x"]
)
def test_a_wrong_command_line_ends_with_status_2(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says which option."""
    with pytest.raises(SystemExit) as ended:
        options([wrong])
    assert ended.value.code == 2
    assert wrong.partition("=")[0] in capsys.readouterr().err


@pytest.mark.slow
def test_a_taken_port_ends_in_one_line() -> None:
    """No traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = command(sys.executable, seed=1, symbols=["A"], port=taken.getsockname()[1])
        ended = subprocess.run(
            arguments, cwd=ROOT, input="", capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("venues.demo_exchange: ")
    assert ended.stderr.count("\n") == 1

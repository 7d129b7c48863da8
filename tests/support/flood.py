"""An exchange that floods, a process of its own; it sends prebuilt trades, as many a second as it is told.

    with Flood(symbols=4) as flood:
        run_on(flood.url, flood.symbols)
        (report,) = flood.send(Phase(seconds=2.0))

It speaks the generic dialect to one client at a time. Frame number n of a connection is of symbol
n % symbols and has the id FIRST_ID + n; its timestamp, in µs, is the time at which it was due, whenever it
could be sent. So what became of each can be told from its number alone. Phases follow each other without a
pause. It ends when its stdin does, and so with whoever started it.
"""

import json
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from benchmarks.server_side import Peer, accept_key

ROOT: Final = Path(__file__).resolve().parents[2]
FIRST_ID: Final = 1_000_000_000
TURN_SECONDS: Final = 0.002
"""Frames that are due in so long go out together."""
TURN_FRAMES: Final = 2_000
"""So many at a time where there is no rate."""
PATIENCE_SECONDS: Final = 60.0
_STAMP: Final = b'"timestamp":'
_ID: Final = b'"id":'
_STAMP_DIGITS: Final = 16
_ID_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Phase:
    """What is sent, and for how long."""

    seconds: float
    rate: float = 0.0
    """Frames a second; 0: as fast as the socket takes them."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a phase."""

    frames: int
    began_ns: int
    """Of the monotonic clock, which all processes share."""
    ended_ns: int
    ended_epoch_ns: int
    settled_rate: float
    """Frames a second in its second half: whatever buffers there are have filled by then."""
    blocked_seconds: float
    """How long the socket took nothing."""
    gone: bool
    """The client ended the connection."""


class Flood:
    """The running program."""

    def __init__(self, symbols: int) -> None:
        self.symbols = tuple("ABCDEFGH"[:symbols])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.flood", str(symbols)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._asked: list[Phase] = []
        self.port = int(self._told()["port"])

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self.port}"

    def start(self, *phases: Phase) -> None:
        """Have phases sent, once a client has subscribed."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([asdict(phase) for phase in phases]) + "\n")
        self._process.stdin.flush()
        self._asked += phases

    def report(self) -> Sent:
        """Wait for the end of the next phase."""
        return Sent(**self._told(self._asked.pop(0).seconds + PATIENCE_SECONDS))

    def send(self, *phases: Phase) -> list[Sent]:
        """Have phases sent, and wait until they are."""
        self.start(*phases)
        return [self.report() for _ in phases]

    def reported(self, within_seconds: float = 0.0) -> bool:
        """Whether the next phase has ended."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], within_seconds)[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It may be amid a phase.
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _told(self, within_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self.reported(within_seconds), "the exchange says nothing"
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


class Frames:
    """Trades as WebSocket frames, all of one length, whose numbers are written over the last ones."""

    def __init__(self, symbols: int, most: int) -> None:
        rows = []
        for number in range(most):
            price = f"{100 + number % 7 / 8:.3f}"
            payload = (
                f'{{"symbol":"{"ABCDEFGH"[number % symbols]}","price":{price},"size":{1 + number % 3},'
                f'"timestamp":{"0" * _STAMP_DIGITS},"id":{"0" * _ID_DIGITS}}}'
            ).encode()
            rows.append(bytes((0x81, len(payload))) + payload)
        assert len({len(row) for row in rows}) == 1
        assert rows[0][1] < 126
        self._rows = np.array([list(row) for row in rows], np.uint8)
        self._symbols = symbols
        self._stamp = rows[0].index(_STAMP) + len(_STAMP)
        self._id = rows[0].index(_ID) + len(_ID)

    def of(self, first: int, count: int, due_us: int) -> bytes:
        """Give so many frames from a number on."""
        # Begin with a row of the first one's symbol.
        start = first % self._symbols
        rows = self._rows[start : start + count]
        _write(rows[:, self._stamp : self._stamp + _STAMP_DIGITS], np.full(1, due_us))
        _write(rows[:, self._id : self._id + _ID_DIGITS], FIRST_ID + first + np.arange(count))
        return rows.tobytes()


def _write(digits: npt.NDArray[np.uint8], numbers: npt.NDArray[np.int64]) -> None:
    for place in range(digits.shape[1] - 1, -1, -1):
        numbers, last = np.divmod(numbers, 10)
        digits[:, place] = last + ord("0")


class Connection:
    """A client that has subscribed."""

    def __init__(self, accepted: socket.socket, symbols: int) -> None:
        self.next_frame = 0
        self.blocked_seconds = 0.0
        self.gone = False
        self._symbols = symbols
        self._socket = accepted
        self._frames = Frames(symbols, 50 * TURN_FRAMES)
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, phase: Phase) -> Sent:
        """Send a phase."""
        self.blocked_seconds = 0.0
        first, began, began_epoch = self.next_frame, time.monotonic_ns(), time.time_ns()
        marks = [(began, first)]
        pause = threading.Event()
        ends = began + round(phase.seconds * 1e9)
        turn = 0
        while (now := time.monotonic_ns()) < ends and not self.gone:
            due_ns = round(turn * TURN_SECONDS * 1e9) if phase.rate else now - began
            if began + due_ns > now:
                pause.wait((began + due_ns - now) / 1e9)
            turn += 1
            upto = (
                round(turn * TURN_SECONDS * phase.rate)
                if phase.rate
                else self.next_frame - first + TURN_FRAMES
            )
            self._send(first + upto - self.next_frame, (began_epoch + due_ns) // 1_000)
            marks.append((time.monotonic_ns(), self.next_frame))
        ended = time.monotonic_ns()
        half = next(mark for mark in marks if mark[0] >= (began + marks[-1][0]) // 2)
        seconds = (marks[-1][0] - half[0]) / 1e9
        settled = (marks[-1][1] - half[1]) / seconds if seconds else 0.0
        return Sent(
            self.next_frame - first, began, ended, time.time_ns(), settled, self.blocked_seconds, self.gone
        )  # fmt: skip

    def _send(self, count: int, due_us: int) -> None:
        """Send frames; what is late where the socket took nothing follows at once."""
        while count > 0 and not self.gone:
            now = min(count, 49 * TURN_FRAMES)
            self._put(self._frames.of(self.next_frame, now, due_us))
            self.next_frame += now
            count -= now

    def _put(self, raw: bytes) -> None:
        left = memoryview(raw)
        while left and not self.gone:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                began = time.monotonic()
                select.select([], [self._socket], [], 0.5)
                self.blocked_seconds += time.monotonic() - began
            except OSError:
                self.gone = True

    def _listen(self) -> None:
        """Notice the end; what the client says is of no interest."""
        try:
            while select.select([self._socket], [], [])[0] and self._socket.recv(65_536):
                pass
        except (OSError, ValueError):
            pass
        self.gone = True


def main() -> None:
    """Serve clients, one after another, and what is asked for on stdin."""
    symbols = int(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))
    _tell(port=listener.getsockname()[1])
    connection: Connection | None = None
    for line in sys.stdin:
        if connection is None or connection.gone:
            connection = _accept(listener, symbols)
        for phase in json.loads(line):
            _tell(**asdict(connection.send(Phase(**phase))))


def _accept(listener: socket.socket, symbols: int) -> Connection:
    accepted, _ = listener.accept()
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer = Peer(accepted)
    accept_key(peer)
    peer.read_text()
    accepted.setblocking(False)
    return Connection(accepted, symbols)


def _tell(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

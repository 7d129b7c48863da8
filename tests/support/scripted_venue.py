"""A generic venue that sends trades of what a connection is subscribed to, and of nothing else."""

from collections import Counter

import msgspec

from tests.support.frames import masked_by
from tests.support.system import ScriptedLine, System, trade


class ScriptedVenue:
    """Speaks on all lines of a system; every symbol counts its trades from 1."""

    def __init__(self, system: System) -> None:
        self.said: Counter[str] = Counter()
        self.stubborn: set[str] = set()
        """Symbols that are sent although they were left."""
        self.left: dict[str, list[int]] = {}
        """By symbol: how many of its trades had been sent whenever it was left."""
        self._system = system
        self._lines: dict[int, _Listening] = {}

    def subscribed(self, line: ScriptedLine) -> set[str]:
        """Give the symbols that are subscribed to on a line now."""
        if line.transport is None or line.transport.closed:
            return set()
        listening = self._lines.setdefault(id(line), _Listening(self, line))
        listening.listen()
        return listening.symbols | (self.stubborn & listening.ever)

    def speak(self, rounds: int = 1) -> None:
        """Send a trade of every symbol that is subscribed to, on its line."""
        for _ in range(rounds):
            for line in self._system.lines:
                for symbol in sorted(self.subscribed(line)):
                    self.said[symbol] += 1
                    n = self.said[symbol]
                    line.say(trade(symbol, 100 + (n * 7 % 13) / 10, n, side="buy" if n % 3 else "sell"))


class _Listening:
    """What a line has asked for since it is up."""

    def __init__(self, venue: ScriptedVenue, line: ScriptedLine) -> None:
        self._venue = venue
        self._line = line
        self._read = 0
        self.symbols: set[str] = set()
        self.ever: set[str] = set()

    def listen(self) -> None:
        """Read what was sent meanwhile."""
        if self._read <= self._line.begun:
            self._read, self.symbols = self._line.begun, set()
        for frame in self._line.sent[self._read :]:
            if frame[0] == 0x81:
                self._take(msgspec.json.decode(_payload(frame)))
        self._read = len(self._line.sent)

    def _take(self, request: dict[str, object]) -> None:
        symbols = request["symbols"]
        assert isinstance(symbols, list)
        if request["action"] == "subscribe":
            assert not self.symbols.intersection(symbols), "subscribed to twice"
            self.symbols.update(symbols)
            self.ever.update(symbols)
        else:
            assert self.symbols.issuperset(symbols), "left, and never subscribed to"
            self.symbols.difference_update(symbols)
            for symbol in symbols:
                self._venue.left.setdefault(symbol, []).append(self._venue.said[symbol])


def _payload(frame: bytes) -> bytes:
    start = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    return masked_by(frame[start + 4 :], frame[start : start + 4])

"""A Sink that writes down what it is told."""

from dataclasses import dataclass, field
from typing import Any

from venues.dialect import Dialect

RECORDS = frozenset(("trade", "quote", "both", "malformed"))
CONTROL = frozenset(("acknowledged", "refused", "later", "control"))


@dataclass
class Recording:
    """Every call in order: its name, then its arguments."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def trade(
        self, symbol: str, price: float, size: float, side: int, ts_event_ns: int,
        venue_id: str | int | None, seq: int | None,
    ) -> None:  # fmt: skip
        self.calls.append(("trade", symbol, price, size, side, ts_event_ns, venue_id, seq))

    def quote(
        self, symbol: str, bid: float, bid_size: float, ask: float, ask_size: float, ts_event_ns: int,
        venue_id: str | int | None, seq: int | None,
    ) -> None:  # fmt: skip
        self.calls.append(("quote", symbol, bid, bid_size, ask, ask_size, ts_event_ns, venue_id, seq))

    def both(
        self, symbol: str, price: float, size: float, side: int,
        bid: float, bid_size: float, ask: float, ask_size: float, ts_event_ns: int,
        venue_id: str | int | None, seq: int | None,
    ) -> None:  # fmt: skip
        trade = (symbol, price, size, side)
        self.calls.append(("both", *trade, bid, bid_size, ask, ask_size, ts_event_ns, venue_id, seq))

    def malformed(self, reason: str, raw: bytes, symbol: str | None = None) -> None:
        self.calls.append(("malformed", reason, raw, symbol))

    def acknowledged(self, key: str) -> None:
        self.calls.append(("acknowledged", key))

    def refused(self, text: str) -> None:
        self.calls.append(("refused", text))

    def later(self, text: str) -> None:
        self.calls.append(("later", text))

    def control(self) -> None:
        self.calls.append(("control",))

    def ignored(self) -> None:
        self.calls.append(("ignored",))


def told(dialect: Dialect, frame: bytes | str) -> list[tuple[Any, ...]]:
    """Give the calls that one frame leads to."""
    sink = Recording()
    dialect.decode(frame.encode() if isinstance(frame, str) else frame, sink)
    return sink.calls


def place(calls: list[tuple[Any, ...]]) -> str:
    """Give what a frame was: decoded, control or ignored; AssertionError where it was not exactly one."""
    names = [call[0] for call in calls]
    if names and RECORDS.issuperset(names):
        return "decoded"
    assert len(names) == 1, calls
    return "control" if names[0] in CONTROL else "ignored"


def comparable(calls: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Give the calls with NaN spelled out, so that equal calls are equal."""
    return [tuple("nan" if value != value else value for value in call) for call in calls]

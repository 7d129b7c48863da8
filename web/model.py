"""What the page and the API show: how the pipeline stands, as its child process has heard of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Moment:
    """One second of the recent past, for the charts of throughput and latency."""

    at_ns: int
    """UTC epoch ns."""
    ticks_per_second: float
    signal_p50_ms: float | None
    signal_p99_ms: float | None
    stored_p50_ms: float | None
    stored_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest ticks of one symbol, oldest first, column by column; None stands for an absent value."""

    feed: str
    symbol: str
    ts_ns: Sequence[int] = ()
    """The venue's time, else ours; UTC epoch ns."""
    price: Sequence[float | None] = ()
    """Trade price, else mid."""
    bid: Sequence[float | None] = ()
    ask: Sequence[float | None] = ()
    vwap: Sequence[float | None] = ()
    spread: Sequence[float | None] = ()
    z: Sequence[float | None] = ()
    verdict: Sequence[str] = ()
    """`ok`, `warn` or `reject`."""
    reason: Sequence[str | None] = ()
    """Of a rejected one."""


@dataclass(frozen=True, slots=True)
class View:
    """The newest state, as plain values that JSON can hold (the document of `/status`)."""

    at_ns: int = 0
    """When it was taken; UTC epoch ns. 0: nothing was heard yet."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """`ledger`, `lines`, `stores`, `actors`, `symbols`, `alerts`, `recovery`, `reload`, `latency`, `session`,
    `started_ns`."""
    moments: Sequence[Moment] = ()
    """The last few minutes, oldest first."""


class Model(Protocol):
    """Where the page and the API look. Used from one event loop."""

    @property
    def view(self) -> View:
        """The newest."""

    @property
    def connected(self) -> bool:
        """Whether the pipeline has been heard of in the last few seconds."""

    async def recent(self, feed: str, symbol: str, n: int) -> Recent | None:
        """Ask for the newest ticks of a symbol, refused ones among them; None: unknown, or no answer."""

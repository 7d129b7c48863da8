"""What the page's process knows of the pipeline: the newest state, the last few minutes, what it may ask."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from time import monotonic
from typing import Any, Final

from core.latency import Latencies
from web.model import Moment, Recent, View
from web.wire import Answer, Question, Snapshot, line

CONNECTED_SECONDS: Final = 5.0
ALIVE_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 3.0
MOMENTS: Final = 300
"""Seconds that charts show."""
MOST_QUESTIONS: Final = 64


class Newest:
    """The model that the page, the API and the metrics look at. Belongs to one event loop."""

    def __init__(self, ask: Callable[[bytes], None], clock: Callable[[], float] = monotonic) -> None:
        """`ask` sends a line to the pipeline, and must not wait."""
        self._ask = ask
        self._clock = clock
        self._view = View()
        self._latencies: Mapping[str, Latencies] = {}
        self._before: Mapping[str, Latencies] = {}
        self._moments: deque[Moment] = deque(maxlen=MOMENTS)
        self._heard: float | None = None
        self._told: float | None = None
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Recent | None]] = {}

    @property
    def view(self) -> View:
        """The newest."""
        return self._view

    @property
    def latencies(self) -> Mapping[str, Latencies]:
        """How long ticks took since the start: `signal`, `signal_from_event`, `stored/<store>`."""
        return self._latencies

    @property
    def connected(self) -> bool:
        """Whether the pipeline has been heard of in the last few seconds."""
        return self.silent_seconds < CONNECTED_SECONDS

    @property
    def silent_seconds(self) -> float:
        """How long ago the pipeline was last heard of; infinite if it never was."""
        return self._ago(self._heard)

    @property
    def status_seconds(self) -> float:
        """How long ago it last told how it stands; infinite if it never did."""
        return self._ago(self._told)

    def take(self, snapshot: Snapshot) -> None:
        """Take in what the pipeline tells."""
        self._heard = self._clock()
        if snapshot.status is None:
            return
        self._told = self._heard
        self._latencies = snapshot.latencies
        self._moments.append(self._moment(snapshot))
        self._before = snapshot.latencies
        self._view = View(snapshot.at_ns, snapshot.status, tuple(self._moments))

    def hear(self, answer: Answer) -> None:
        """Take in an answer; one that comes too late is for nobody."""
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.recent)

    async def recent(self, feed: str, symbol: str, n: int) -> Recent | None:
        """Ask for the newest ticks of a symbol, refused ones too; None: unknown, or no answer in time."""
        if len(self._waiting) >= MOST_QUESTIONS:
            return None
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._ask(line(Question(number, (feed, symbol, n))))
            return await asyncio.wait_for(waiting, ANSWER_SECONDS)
        except (TimeoutError, OSError):
            return None
        finally:
            del self._waiting[number]

    def _ago(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._clock() - moment

    def _moment(self, snapshot: Snapshot) -> Moment:
        """Sum up the time since the last snapshot; where nothing came in it, latencies are unknown."""
        rows: Sequence[Mapping[str, Any]] = (snapshot.status or {}).get("symbols") or ()
        rate = sum(row.get("ticks_per_second") or 0.0 for row in rows)
        stored = next((name for name in snapshot.latencies if name.startswith("stored/")), "")
        return Moment(
            snapshot.at_ns, rate, *self._percentiles(snapshot, "signal"), *self._percentiles(snapshot, stored)
        )

    def _percentiles(self, snapshot: Snapshot, name: str) -> tuple[float | None, float | None]:
        now, before = snapshot.latencies.get(name), self._before.get(name)
        if now is None or before is None:
            return None, None
        lately = now.since(before)
        if not lately.counts:
            return None, None
        return lately.quantile_ns(0.5) / 1e6, lately.quantile_ns(0.99) / 1e6

"""A store that can be told not to answer for a while; what is behind it goes on unharmed."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import RetryableStoreError
from stores.store import WHOLE, BatchId, Store

CALL_SECONDS: Final = 1.0
"""What a caller waits for an answer: less than any deadline of its own."""


class StallingStore:
    """See stores.store.Store. While it is stalled every call waits, then fails as if it had timed out.

    A call waits until the stall is over, but no longer than `call_seconds`: so a long stall is several
    failures in a row, as it would be with a client that has a time limit, and the breaker has something to
    count. The first write of a stall is carried out and only its answer is lost, which a caller cannot know.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float] = monotonic, call_seconds: float = CALL_SECONDS
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._store = store
        self._clock = clock
        self._call_seconds = call_seconds
        self._until = clock()
        self._wait: Callable[[float], object] = _never
        self._fresh = False

    def stall(self, seconds: float, wait: Callable[[float], object]) -> None:
        """Begin a stall, or prolong the one under way; `wait` waits so many seconds, or until it must end."""
        now = self._clock()
        if now >= self._until:
            self._fresh = True
        self._until = max(self._until, now + seconds)
        self._wait = wait

    def open(self) -> None:
        """See stores.store.Store."""
        self._answer()
        self._store.open()

    def write(self, table: str, rows: pa.Table, batch: BatchId) -> None:
        """See stores.store.Store."""
        if self._stalled and self._fresh:
            self._fresh = False
            self._store.write(table, rows, batch)
            self._fail()
        self._answer()
        self._store.write(table, rows, batch)

    def holds(self, table: str, batch: BatchId) -> bool:
        """See stores.store.Store."""
        self._answer()
        return self._store.holds(table, batch)

    def origins(
        self, table: str, session: int, since: Mapping[str, int] = WHOLE
    ) -> dict[str, npt.NDArray[np.int64]]:
        """See stores.store.Store."""
        self._answer()
        return self._store.origins(table, session, since)

    def maintain(self) -> str | None:
        """See stores.store.Store."""
        self._answer()
        return self._store.maintain()

    def close(self) -> None:
        """See stores.store.Store; a stall does not hold it up."""
        self._store.close()

    @property
    def _stalled(self) -> bool:
        return self._clock() < self._until

    def _answer(self) -> None:
        if self._stalled:
            self._fail()

    def _fail(self) -> NoReturn:
        self._wait(min(max(0.0, self._until - self._clock()), self._call_seconds))
        raise RetryableStoreError("stalled by --chaos")


def _never(seconds: float) -> None:
    """Wait for nothing: no stall has begun."""

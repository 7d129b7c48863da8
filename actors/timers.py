"""An actor's timers, by key: a dict that also knows which is due first."""

from heapq import heapify, heappop, heappush
from typing import Any

Timer = tuple[float, int, Any]
"""When it is due in monotonic seconds, an ordinal that no other timer has, and the message."""


class Timers(dict[str, Timer]):
    """Setting a key replaces its timer. Costs O(log n): a supervisor has one for each child it starts."""

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[float, int, str]] = []

    def __setitem__(self, key: str, timer: Timer) -> None:
        super().__setitem__(key, timer)
        heappush(self._heap, (timer[0], timer[1], key))
        if len(self._heap) > 2 * len(self) + 64:
            self._heap = [(due, order, key) for key, (due, order, _) in self.items()]
            heapify(self._heap)

    def next_due(self) -> float | None:
        """When the first timer is due; None where there is none."""
        self._drop_replaced()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Any | None:
        """Remove the timer that is due first, if one is due, and give its message."""
        due = self.next_due()
        if due is None or due > now:
            return None
        return self.pop(heappop(self._heap)[2])[2]

    def _drop_replaced(self) -> None:
        while self._heap and self.get(self._heap[0][2], (0.0, -1))[1] != self._heap[0][1]:
            heappop(self._heap)

"""Backpressure between mailboxes: a gate is closed while anything behind it is full.

Part of the mailbox, and with it the only place that has locks.
"""

from collections.abc import Callable, Hashable
from threading import Lock


class Gate:
    """Closed while at least one reason holds it closed; wakes its listeners when it opens."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reasons: set[Hashable] = set()
        self._listeners: list[Callable[[], None]] = []

    @property
    def closed(self) -> bool:
        """Whether anything behind it is full."""
        return bool(self._reasons)

    def on_open(self, listener: Callable[[], None]) -> None:
        """Call the listener, once, whenever the gate opens, on the thread that opened it."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def close(self, reason: Hashable) -> None:
        """Hold it closed for a reason."""
        with self._lock:
            self._reasons.add(reason)

    def open(self, reason: Hashable) -> None:
        """Take a reason back."""
        if self.release(reason):
            self.announce()

    def release(self, reason: Hashable) -> bool:
        """Take a reason back without a word; tell whether that opened the gate."""
        with self._lock:
            if reason not in self._reasons:
                return False
            self._reasons.discard(reason)
            return not self._reasons

    def announce(self) -> None:
        """Call the listeners; they look for themselves whether the gate is still open."""
        for listener in self._listeners:
            listener()


class Budget:
    """The memory that all mailboxes may hold together; while it is used up, the gates are closed."""

    def __init__(self, limit_bytes: int) -> None:
        self._lock = Lock()
        self._limit = limit_bytes
        self._used = 0
        self._gates: list[Gate] = []

    @property
    def exceeded(self) -> bool:
        """Whether more is held than allowed."""
        return self._used > self._limit

    def hold(self, gate: Gate) -> None:
        """Close this gate while the budget is exceeded: one at the pipeline's entry, since what is
        further in must be able to drain.
        """
        self._gates.append(gate)

    def bound(self, limit_bytes: int) -> None:
        """Allow so much from now on."""
        with self._lock:
            before = self.exceeded
            self._limit = limit_bytes
            opened = self._turn(before)
        for gate in opened:
            gate.announce()

    def take(self, nbytes: int) -> None:
        """Count bytes that a mailbox now holds; negative ones were let go of."""
        with self._lock:
            before = self.exceeded
            self._used += nbytes
            opened = self._turn(before)
        # Without the lock: whoever is woken may take bytes at once.
        for gate in opened:
            gate.announce()

    def _turn(self, before: bool) -> list[Gate]:
        """Close or open the gates where the limit was passed, before another thread passes it again."""
        if before == self.exceeded:
            return []
        if before:
            return [gate for gate in self._gates if gate.release(self)]
        for gate in self._gates:
            gate.close(self)
        return []

"""What outlives an actor: its mailbox, state, counts and timers, and what it had begun.

An actor's handler changes nothing itself. It fills a Transaction, which takes effect when the handler
has returned: new state, messages to others and counts together, or not at all. The effects are kept
as a redo log until the last one is done, so that a crash between two of them is finished by the
replacement instead of repeated.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, islice
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from actors.address import Address
from actors.clock import Clock
from actors.mailbox import Mailbox
from actors.pulse import Pulse
from actors.timers import Timers
from core.cut import Cut
from core.ledger import Counts, add

S = TypeVar("S")
Effect = Callable[[], object]
FENCE_SECONDS: Final = 1.0
"""Commits are short: they put messages and set values."""
Failpoint = Callable[[str, str], None]
"""Called with the slot's name and the stage (`before`, `effect`, `after`); may raise, in tests."""


class Transaction:
    """What a handler wants done. Filled by the handler, carried out by `Slot.commit`."""

    __slots__ = ("_slot", "effects")

    def __init__(self, slot: "Slot[Any]") -> None:
        self._slot = slot
        self.effects: list[Effect] = []

    def tell(self, to: Address[Any], message: object) -> None:
        """Send through the control lane."""
        self.effects.append(partial(to.tell, message))

    def put(self, to: Address[Any], message: object) -> None:
        """Send through the data lane."""
        self.effects.append(partial(to.put, message))

    def put_all(self, to: Address[Any], messages: Sequence[object]) -> None:
        """Send several through the data lane, in order."""
        self.effects.append(partial(to.put_all, messages))

    def count(self, feed: str, name: str, n: int = 1) -> None:
        """Count for the ledger."""
        if n:
            self.effects.append(partial(add, self._slot.counts, feed, name, n))

    def count_all(self, counts: Counts) -> None:
        """Count all of these."""
        for (feed, name), n in counts.items():
            self.count(feed, name, n)

    def become(self, state: Any) -> None:
        """Replace the state."""
        self.effects.append(partial(setattr, self._slot, "state", state))

    def do(self, action: Effect) -> None:
        """Do something that cannot fail, and that may be done twice."""
        self.effects.append(action)

    def start_timer(self, key: str, seconds: float, message: object) -> None:
        """Have the message handed to this actor after the time; replaces an earlier timer of the key."""
        due = self._slot.clock.monotonic() + seconds
        self.effects.append(partial(self._slot.timers.__setitem__, key, (due, next(_order), message)))

    def cancel_timer(self, key: str) -> None:
        """Forget the timer of the key, if there is one."""
        self.effects.append(partial(self._slot.timers.pop, key, None))


_order = count()


class Slot(Generic[S]):
    """One child's place in the system; the supervisor owns it, one incarnation at a time uses it."""

    def __init__(
        self,
        name: str,
        state: S,
        mailbox: Mailbox,
        clock: Clock,
        supervisor: Address[Any] | None = None,
        monitor: Address[Any] | None = None,
        failpoint: Failpoint | None = None,
    ) -> None:
        self.name = name
        self.state = state
        self.mailbox = mailbox
        self.clock = clock
        self.supervisor = supervisor
        self.monitor = monitor
        self.failpoint = failpoint
        self.counts: Counts = {}
        self.timers = Timers()
        self.incarnation = 0
        self.pulse = Pulse(0)
        self.current: Any = None
        self.hung = False
        """The predecessor hung in what is current, and was fenced."""
        self.dropped = 0
        """Effects of incarnations that had been replaced, which were not carried out."""
        self.redo: deque[Effect] = deque()
        # Part of the mailbox's hand-over: whoever replaces an incarnation waits while that one commits, so
        # that a message is either carried out to its end or not at all.
        self._committing = Lock()
        self.cut: Cut | None = None

    @property
    def address(self) -> Address[Any]:
        """Where to reach whoever is in this slot."""
        return Address(self.name, self.mailbox)

    def commit(self, transaction: Transaction, *last: Effect, by: int | None = None) -> bool:
        """Carry out a transaction; `last` is done with it. False: incarnation `by` was replaced meanwhile."""
        with self._committing:
            if by is not None and by != self.incarnation:
                self.dropped += len(transaction.effects)
                return False
            self._reach("before")
            self.redo.extend(transaction.effects)
            self.redo.extend(last)
            return self._carry_out()

    def finish(self, by: int | None = None) -> None:
        """Carry out what is left of a transaction that was decided, unless `by` was replaced meanwhile."""
        with self._committing:
            if by is None or by == self.incarnation:
                self._carry_out()

    def fence(self, patience_seconds: float = FENCE_SECONDS) -> bool:
        """Begin a new incarnation: whatever the old one still says is dropped.

        A commit under way is waited for. False where it does not end in time: an effect hangs. Then the rest
        of the redo log is taken from it, but for that effect.
        """
        committing = self._committing
        ended = committing.acquire(timeout=patience_seconds)
        self.incarnation += 1
        self.pulse.fenced.set()
        self.pulse = Pulse(self.incarnation)
        if ended:
            committing.release()
        else:
            # Its thread has begun the first effect, and finishes it if anybody does: done again, it might be
            # done twice.
            self.redo, self._committing = deque(islice(self.redo, 1, None)), Lock()
        self.mailbox.notify()
        return ended

    def _carry_out(self) -> bool:
        redo, pulse = self.redo, self.pulse
        while redo:
            # A marker to thousands of actors is thousands of effects: each is a sign of life.
            pulse.beats += 1
            self._reach("effect")
            redo[0]()
            if self.redo is not redo:
                # Taken over while this effect hung: the others are the replacement's.
                return False
            redo.popleft()
        self._reach("after")
        return True

    def next_due(self) -> float | None:
        """When the next timer is due, in monotonic seconds."""
        return self.timers.next_due()

    def take_due_timer(self) -> Any | None:
        """Give the message of the timer that is due first, if one is due."""
        return self.timers.take_due(self.clock.monotonic()) if self.timers else None

    def _reach(self, stage: str) -> None:
        if self.failpoint is not None:
            self.failpoint(self.name, stage)

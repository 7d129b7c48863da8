"""A mailbox with two lanes that outlives the actors that read it.

The control lane is unbounded and first. The data lane is in order and bounded per key (feed and
symbol). No put ever blocks: beyond its bound a key's oldest messages are shed, each replaced where it
stood by a `Shed` that says so; for feeds that must not lose anything nothing is shed, and a gate is
closed instead, which stops the feed's senders from taking more.
"""

from collections import deque
from collections.abc import Callable, Iterable, Set
from threading import Condition
from typing import Any, Final

from actors.gate import Budget, Gate
from core.ledger import Counts, add
from messages.lane import Batch, Key, Shed

BATCH_MESSAGES: Final = 256
BATCH_BYTES: Final = 4 * 2**20
"""What a batch holds at least before it is cut, unless a mailbox is told another bound."""


class _Entry:
    """A place in the data lane; empty once its message was shed into an earlier place."""

    __slots__ = ("key", "message", "nbytes", "stretch", "weight")

    def __init__(self, message: Any, stretch: int) -> None:
        self.message: Any = message
        self.stretch = stretch
        self.key: Key | None = message.key
        self.weight: int = message.weight
        self.nbytes: int = message.nbytes


class _Account:
    """What one key has in the lane."""

    __slots__ = ("entries", "shed_at", "weight")

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.weight = 0
        self.shed_at: dict[tuple[str, str], _Entry] = {}
        """Where the last loss of a sender's line stands. Several lines may share a key."""


class Mailbox:
    """See the module. `limit` bounds the weight of a key; `gate` closes for feeds in `blocking`."""

    def __init__(
        self,
        limit: int | None = None,
        blocking: Set[str] = frozenset(),
        gate: Callable[[str], Gate] | None = None,
        budget: Budget | None = None,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._batch_bytes = batch_bytes
        self._lingering = False
        self._condition = Condition()
        self._control: deque[Any] = deque()
        self._data: deque[_Entry] = deque()
        self._accounts: dict[Key, _Account] = {}
        self._empty_places = 0
        self._stretch = 0
        self._limit = limit
        self._blocking = blocking
        self._gate = gate
        self._budget = budget
        self._listener: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._control) + len(self._data) - self._empty_places

    def bound(self, limit: int) -> None:
        """Bound the weight of a key anew; what is above it already gives way to the next that is put."""
        with self._condition:
            self._limit = limit
            for key, account in self._accounts.items():
                if self._gate is not None and account.weight < limit:
                    self._gate(key[0]).open((id(self), key))

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call the listener at every put: for a reader that waits on something else than `wait`."""
        self._listener = listener

    def put_control(self, message: Any) -> None:
        """Put a message into the control lane."""
        with self._condition:
            self._control.append(message)
            self._condition.notify_all()
        self._tell_listener()

    def put_data(self, message: Any) -> None:
        """Put a message into the data lane; never blocks."""
        self.put_all_data((message,))

    def put_all_data(self, messages: Iterable[Any]) -> None:
        """Put several, in order, and wake the reader once."""
        with self._condition:
            for message in messages:
                entry = _Entry(message, self._stretch)
                self._data.append(entry)
                if entry.key is None:
                    # What is never shed divides the lane: a loss behind it must not be told before it.
                    self._stretch += 1
                else:
                    self._charge(entry, entry.key)
            if not self._lingering:
                self._condition.notify_all()
        self._tell_listener()

    def notify(self) -> None:
        """Wake the reader: something that it waits for besides messages has changed."""
        with self._condition:
            # All: beside the reader there may be one that was replaced while it waited.
            self._condition.notify_all()
        self._tell_listener()

    def take_control(self) -> Any | None:
        """Give the next control message, or None."""
        with self._condition:
            return self._control.popleft() if self._control else None

    def take_data(self) -> Any | None:
        """Give what waits at the head of the data lane: a `Batch`, or one message that is no batch's."""
        with self._condition:
            self._drop_empty_places()
            if not self._data:
                return None
            if self._data[0].key is None:
                entry = self._data.popleft()
                message, entry.message = entry.message, None
                return message
            batch: list[Any] = []
            nbytes = 0
            while self._data and len(batch) < BATCH_MESSAGES and nbytes < self._batch_bytes:
                entry = self._data[0]
                if entry.message is not None and entry.key is None:
                    break
                self._data.popleft()
                if entry.message is None:
                    self._empty_places -= 1
                    continue
                nbytes += entry.nbytes
                batch.append(entry.message)
                self._discharge(entry)
            return Batch(tuple(batch))

    def linger(self, seconds: float) -> None:
        """Wait for control or for the time; data that is put meanwhile wakes nobody."""
        with self._condition:
            if not self._control:
                self._lingering = True
                self._condition.wait(seconds)
                self._lingering = False
                if self._data:
                    # Whoever has replaced this reader may wait already, and was not told either.
                    self._condition.notify_all()

    def wait(self, seconds: float | None, ready: Callable[[], bool]) -> None:
        """Wait for a put, a notify, or the time; at once if there is control or `ready` says so."""
        with self._condition:
            if not self._control and not ready():
                self._condition.wait(seconds)

    def has_control(self) -> bool:
        """Whether a control message waits."""
        return bool(self._control)

    def has_data(self) -> bool:
        """Whether anything waits in the data lane."""
        return len(self._data) > self._empty_places

    def in_flight(self) -> Counts:
        """Count the records and frames that wait, by feed."""
        with self._condition:
            return self._count()

    def empty_out(self) -> Counts:
        """Forget everything that waits, and count it: one step, so that nothing comes in between."""
        with self._condition:
            counts = self._count()
            self._control.clear()
            for entry in self._data:
                if entry.key is not None and entry.message is not None:
                    self._discharge(entry)
            self._data.clear()
            self._empty_places = 0
        return counts

    def _count(self) -> Counts:
        counts: Counts = {}
        for entry in self._data:
            if entry.message is not None:
                add(counts, entry.message.feed, "in_flight", entry.message.records)
                add(counts, entry.message.feed, "in_flight_frames", entry.message.frames)
        return counts

    def _tell_listener(self) -> None:
        listener = self._listener
        if listener is not None:
            listener()

    def _charge(self, entry: _Entry, key: Key) -> None:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account()
        account.entries.append(entry)
        account.weight += entry.weight
        if self._budget is not None:
            self._budget.take(entry.nbytes)
        if key[0] in self._blocking:
            if self._gate is not None and self._limit is not None and account.weight >= self._limit:
                self._gate(key[0]).close((id(self), key))
            return
        while self._limit is not None and account.weight > self._limit and len(account.entries) > 1:
            self._shed(account)
        while self._budget is not None and self._budget.exceeded and len(account.entries) > 1:
            self._shed(account)

    def _discharge(self, entry: _Entry) -> None:
        assert entry.key is not None
        account = self._accounts[entry.key]
        account.entries.popleft()
        self._let_go(account, entry)
        if not account.entries:
            # Losses stand before what is left, so they are gone as well.
            del self._accounts[entry.key]

    def _let_go(self, account: _Account, entry: _Entry) -> None:
        account.weight -= entry.weight
        if self._budget is not None:
            self._budget.take(-entry.nbytes)
        if self._gate is None or entry.key is None or self._limit is None:
            return
        gate = self._gate(entry.key[0])
        if gate.closed and account.weight < self._limit:
            gate.open((id(self), entry.key))

    def _shed(self, account: _Account) -> None:
        """Shed the key's oldest message where it stands."""
        entry = account.entries.popleft()
        self._let_go(account, entry)
        shed: Shed = entry.message.shed()
        earlier = account.shed_at.get((shed.sender, shed.line))
        if earlier is not None and earlier.stretch == entry.stretch and earlier.message is not None:
            earlier.message = earlier.message.merged(shed)
            entry.message = None
            self._empty_places += 1
            self._compact()
        else:
            entry.message, entry.key = shed, None
            account.shed_at[shed.sender, shed.line] = entry

    def _compact(self) -> None:
        """Keep the lane from filling with empty places while nobody reads it; amortised O(1)."""
        if self._empty_places > 64 and self._empty_places * 2 > len(self._data):
            self._data = deque(entry for entry in self._data if entry.message is not None)
            self._empty_places = 0

    def _drop_empty_places(self) -> None:
        while self._data and self._data[0].message is None:
            self._data.popleft()
            self._empty_places -= 1

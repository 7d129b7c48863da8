"""Pykka's view of a mailbox: the inbox of one incarnation.

Pykka's loop asks `get` for the next envelope. `get` never raises, since an exception there would kill
the actor without calling any hook. `empty` is always true: Pykka's teardown, which empties the inbox
of a stopped actor, must not discard what the replacement is to handle.
"""

from collections.abc import Callable
from typing import Any

from pykka._envelope import Envelope  # private, but the shape of what `get` must give

from actors.address import STOP, Question
from actors.gate import Gate
from actors.slot import Slot
from messages.lane import Resume, Salvage
from messages.supervision import InboxFailed


class Port:
    """The common port: control first, then timers, then data while every gate ahead is open."""

    def __init__(
        self, slot: Slot[Any], gates: tuple[Gate, ...] = (), hold: Callable[[], bool] | None = None
    ) -> None:
        self.slot = slot
        self._gates = gates
        self._hold = hold
        self._incarnation = slot.incarnation
        self._resume = slot.current is not None or bool(slot.redo)

    def put(self, envelope: Envelope[Any]) -> None:
        """Take a message that came through a Pykka reference."""
        self.slot.mailbox.put_control(envelope)

    def empty(self) -> bool:
        """See the module."""
        return True

    def get(self, **_: Any) -> Envelope[Any]:
        """Wait for the next message."""
        while (envelope := self.poll()) is None:
            try:
                self.rest()
            except Exception as error:
                return Envelope(InboxFailed(error))
        return envelope

    def poll(self) -> Envelope[Any] | None:
        """Give the next message if there is one now; the end, once this incarnation was replaced.

        A bug here comes as a message that crashes the actor, as any other bug does.
        """
        try:
            return self._poll()
        except Exception as error:
            return Envelope(InboxFailed(error))

    def _poll(self) -> Envelope[Any] | None:
        if self._replaced:
            return Envelope(STOP)
        slot = self.slot
        if self._resume or isinstance(slot.current, Salvage):
            # What is salvaged is handled piece by piece: a piece is a message to whoever watches.
            self._resume = False
            return Envelope(Resume())
        message = slot.mailbox.take_control()
        if message is None:
            message = slot.take_due_timer()
        if message is None:
            message = self.poll_source()
        if message is None and self.open:
            message = slot.mailbox.take_data()
        if message is None:
            return None
        if isinstance(message, Question):
            return Envelope(message.message, reply_to=message.reply_to)
        if isinstance(message, Envelope):
            return message
        slot.current = message
        return Envelope(message)

    @property
    def _replaced(self) -> bool:
        return self._incarnation != self.slot.incarnation

    @property
    def open(self) -> bool:
        """Whether data may be taken: nothing ahead is full, and the actor does not wait for something."""
        if self._hold is not None and self._hold():
            return False
        return not any(gate.closed for gate in self._gates)

    def poll_source(self) -> Any | None:
        """Give a message from outside the mailbox; a socket, for instance."""
        return None

    def rest(self) -> None:
        """Wait until there may be something."""
        due = self.slot.next_due()
        seconds = None if due is None else max(0.0, due - self.slot.clock.monotonic())
        self.slot.mailbox.wait(seconds, self._is_needed)

    def _is_needed(self) -> bool:
        return self._replaced or (self.open and self.slot.mailbox.has_data())

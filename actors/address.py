"""Where to send messages: a mailbox, not an actor, so that it stays right when the actor is replaced."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import pykka
from pykka import messages as pykka_messages

from actors.mailbox import Mailbox

M = TypeVar("M", contravariant=True)


class Address(Generic[M]):
    """Takes messages of the union that its actor understands."""

    __slots__ = ("mailbox", "name")

    def __init__(self, name: str, mailbox: Mailbox) -> None:
        self.name = name
        self.mailbox = mailbox

    def tell(self, message: M) -> None:
        """Put a message into the control lane."""
        self.mailbox.put_control(message)

    def put(self, message: M) -> None:
        """Put a message into the data lane, in order with all other data."""
        self.mailbox.put_data(message)

    def put_all(self, messages: Iterable[M]) -> None:
        """Put several, waking the actor once."""
        self.mailbox.put_all_data(messages)

    def ask(self, message: M, timeout_seconds: float) -> Any:
        """Send through the control lane and wait for the handler's answer.

        Raises `pykka.Timeout` where it does not come in time, and what the handler raised.
        """
        future: pykka.ThreadingFuture[Any] = pykka.ThreadingFuture()
        self.mailbox.put_control(Question(message, future))
        return future.get(timeout=timeout_seconds)


class Question:
    """A control message whose sender waits for the answer."""

    __slots__ = ("message", "reply_to")

    def __init__(self, message: Any, reply_to: Any) -> None:
        self.message = message
        self.reply_to = reply_to


STOP = pykka_messages._ActorStop()
"""What Pykka's loop takes as the end of an actor."""

"""Signs of life of one incarnation, for whoever watches from another thread."""

from threading import Event, Thread
from typing import Any


class Pulse:
    """Written by the incarnation, read by the supervisor's watch and by reports.

    Each field is written in one step, and nothing is decided from two of them together.
    """

    __slots__ = ("allowance", "beats", "doing", "fenced", "incarnation", "thread")

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.beats = 0
        self.doing: Any = None
        """The message in hand; None between messages."""
        self.allowance = 0.0
        """Seconds that what is being done may take, where that is more than the deadline."""
        self.thread: Thread | None = None
        self.fenced = Event()
        """Set once another incarnation has taken the slot."""

    def begin(self, message: Any) -> None:
        """A handler begins."""
        self.beats += 1
        self.doing = message

    def end(self) -> None:
        """It has returned, or raised."""
        self.doing = None
        self.allowance = 0.0

    def beat(self) -> None:
        """A long handler gets on."""
        self.beats += 1
        self.allowance = 0.0

    def allow(self, seconds: float) -> None:
        """What comes next may take so long; a beat or the end takes that back."""
        self.beats += 1
        self.allowance = seconds

    @property
    def hangs_on(self) -> bool:
        """Whether the thread of an incarnation that was fenced is still there."""
        return self.thread is not None and self.thread.is_alive()

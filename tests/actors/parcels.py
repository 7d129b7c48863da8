"""Data messages for tests of mailboxes and ports: no more than a mailbox looks at."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.records import DeadLetter
from messages.lane import Key, Shed


@dataclass(frozen=True, slots=True)
class Parcel:
    """Carries records of one key; `number` tells it from all others."""

    number: int
    key: Key | None
    sender: str = "sender"
    line: str = "line"
    weight: int = 1
    nbytes: int = 1
    records: int = 1
    frames: int = 0

    @property
    def feed(self) -> str:
        """The key's, or one of its own."""
        return self.key[0] if self.key else "noted"

    def units(self) -> "Sequence[Parcel]":
        """Give itself."""
        return (self,)

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give none."""
        return ()

    def shed(self) -> Shed:
        """Tell its number as the frame's."""
        assert self.key is not None, "what has no key is never shed"
        return Shed(
            self.sender, self.feed, "venue", self.key[1], 1, self.line, self.records, self.frames,
            self.number, self.number, self.number,
        )  # fmt: skip


def note(number: int, sender: str = "sender") -> Parcel:
    """Give a message that is never shed, as gaps and markers are."""
    return Parcel(number, None, sender, weight=0, nbytes=0, records=0)

"""To and within a writer: rows that are not ticks, and its own timers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.records import Alert, DeadLetter
from messages.lane import Unshed


@dataclass(frozen=True, slots=True)
class LettersNoted(Unshed):
    """From any actor to every writer: records that killed their handler, counted where they died."""

    sender: str
    feed: str
    rows: tuple[DeadLetter, ...]

    @property
    def nbytes(self) -> int:
        """Of the raw bytes, and some for the rest."""
        return sum(200 + len(row.raw) for row in self.rows)

    def units(self) -> "Sequence[LettersNoted]":
        """One message a letter."""
        return [LettersNoted(self.sender, self.feed, (row,)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class AlertsNoted(Unshed):
    """From the monitor to every writer: alerts that went out."""

    sender: str
    rows: tuple[Alert, ...]

    feed: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Flush:
    """Timer of a writer: the oldest row has waited long enough."""


@dataclass(frozen=True, slots=True)
class WriteNext(Unshed):
    """A writer to itself: write the next part of what is sealed, or of the spool.

    Through the data lane while a long spool is written, lest new data wait for its end.
    """

    sender: ClassVar[str] = ""
    feed: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Timer of a writer: try again what failed."""


@dataclass(frozen=True, slots=True)
class Maintain:
    """Timer of a writer: see whether the store wants upkeep."""

"""To and within a writer: rows that are not ticks, and its own timers."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.records import Alert, DeadLetter
from messages.lane import Key, Shed


@dataclass(frozen=True, slots=True)
class LettersNoted:
    """From any actor to every writer: records that killed their handler."""

    sender: str
    feed: str
    rows: tuple[DeadLetter, ...]

    key: Key | None = None
    weight: int = 0
    records: int = 0
    """They were counted as dead letters where they died."""
    frames: int = 0

    @property
    def nbytes(self) -> int:
        """Of the raw bytes, and some for the rest."""
        return sum(200 + len(row.raw) for row in self.rows)

    def units(self) -> "Sequence[LettersNoted]":
        """One message a letter."""
        return [LettersNoted(self.sender, self.feed, (row,)) for row in self.rows]

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give none: a dead letter that cannot be stored is told in the log."""
        return ()

    def shed(self) -> Shed:
        """Never asked: it has no key."""
        raise AssertionError("a dead letter is never shed")


@dataclass(frozen=True, slots=True)
class AlertsNoted:
    """From the monitor to every writer: alerts that went out."""

    sender: str
    rows: tuple[Alert, ...]

    feed: str = ""
    key: Key | None = None
    weight: int = 0
    nbytes: int = 0
    records: int = 0
    frames: int = 0

    def units(self) -> "Sequence[AlertsNoted]":
        """One message an alert."""
        return [AlertsNoted(self.sender, (row,)) for row in self.rows]

    def letters(self, actor: str, error: str) -> tuple[DeadLetter, ...]:
        """Give none: it carries no record."""
        return ()

    def shed(self) -> Shed:
        """Never asked: it has no key."""
        raise AssertionError("an alert is never shed")


@dataclass(frozen=True, slots=True)
class Flush:
    """Timer of a writer: the oldest row has waited long enough."""


@dataclass(frozen=True, slots=True)
class WriteNext:
    """A writer to itself: write the next part of what is sealed, or of the spool."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Timer of a writer: try again what failed."""


@dataclass(frozen=True, slots=True)
class Maintain:
    """Timer of a writer: see whether the store wants upkeep."""

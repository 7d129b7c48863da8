"""What a writer holds between messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.breaker import Breaker
from core.checkpointing import JournalMark
from core.latency import Latencies
from core.ledger import Counts, add, total
from core.records import Alert, DeadLetter, Gap, Malformed, ScoredBlock
from stores.filing import counted
from stores.known import KnownOrigins
from stores.parts import Part


@dataclass(frozen=True, slots=True)
class WriterTerms:
    """What a writer knows of its store."""

    store: str
    session: int
    batch_rows: int
    flush_seconds: float
    max_batch_rows: int
    check_sessions: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Sessions of which the store may have rows already: the replayed one, or those that are recovered.

    Of each, by line, the first frame that may come again; of a line that is not named, all may.
    """


@dataclass(slots=True)
class OpenBatch:
    """Rows that were collected and are in no batch yet."""

    scored: list[ScoredBlock] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    segments: list[JournalMark] = field(default_factory=list)
    """Segments of the journal whose rows are all in this batch or in an earlier one."""
    rows: int = 0

    def grow(self, rows: int) -> None:
        """Count rows that were added."""
        self.rows += rows

    def held(self) -> Counts:
        """Count the records, by feed."""
        counts: Counts = {}
        for block in self.scored:
            add(counts, block.ticks.feed, "in_flight", len(block))
        for row in self.malformed:
            add(counts, row.feed, "in_flight")
        return counts


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the writer is with its store: an immutable value."""

    breaker: Breaker
    sealed: tuple[Part, ...] = ()
    """The batch being written, a part a table."""
    settling: tuple[JournalMark, ...] = ()
    """Segments of the journal that are settled once the sealed batch is."""
    next_batch: int = 0
    unsure: bool = False
    """The first sealed part was tried, and it is not known whether it was committed."""
    tries: int = 0
    """Failed tries since the last success."""
    retrying: bool = False
    due: bool = False
    scheduled: bool = False
    """A WriteNext is on its way."""
    draining: bool = False
    spool_only: bool = False
    reported: str = "closed"
    """The breaker state that the monitor was told last."""


@dataclass(slots=True)
class WriterState:
    """What outlives an incarnation; changed only by committed effects."""

    progress: Progress
    batch: OpenBatch = field(default_factory=OpenBatch)
    known: KnownOrigins | None = None
    """What the store had of this session at the start; None until it was asked."""
    marks: dict[JournalMark, set[str]] = field(default_factory=dict)
    """Who has said of which segment that its rows are here."""
    stored: Latencies = field(default_factory=Latencies)
    """From our receiving a tick to its commit; a batch counts as its oldest tick, the spool's not at all."""
    carried_in: bool = False
    """The rows that the spool held at the start have been counted."""

    def held(self) -> Counts:
        """Count the records that are collected or being written, by feed."""
        return total([self.batch.held(), *(counted(part, "in_flight") for part in self.progress.sealed)])

    def advance(self, **changes: object) -> None:
        """Replace fields of the progress."""
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]

"""What a writer holds between messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.breaker import Breaker
from core.checkpointing import JournalMark
from core.latency import Latencies
from core.ledger import Counts, FrozenCounts, add, total
from core.persisting import Situation
from core.records import Alert, DeadLetter, Gap, Malformed, ScoredBlock
from core.settings import Settings, Store
from messages.retuning import SetWriterTerms
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

    def changed(self, new: SetWriterTerms) -> "WriterTerms":
        """Take on what may change."""
        return replace(
            self, batch_rows=new.batch_rows, flush_seconds=new.flush_seconds,
            max_batch_rows=new.max_batch_rows,
        )  # fmt: skip


def writer_terms(
    settings: Settings, store: Store, session: int, check_sessions: Mapping[int, Mapping[str, int]]
) -> WriterTerms:
    """Give the terms of a store: its own numbers, else those of all."""
    writer = settings.writer
    return WriterTerms(
        store.name, session, store.batch_rows or writer.batch_rows,
        (store.flush_ms or writer.flush_ms) / 1e3, writer.max_batch_rows, check_sessions,
    )  # fmt: skip


def brought_along(spooled: Mapping[str, int], counts: FrozenCounts) -> Counts:
    """Count what a spool holds as its writer starts: rows of an earlier run are carried in.

    A store that has come back left rows there that are counted already; damage may have made them fewer.
    """
    found: Counts = {}
    for feed in {*spooled, *(feed for feed, name in counts if name == "spooled")}:
        more = spooled.get(feed, 0) - counts.get((feed, "spooled"), 0)
        add(found, feed, "spooled", more)
        add(found, feed, "carried_in" if more > 0 else "shed.spool_unreadable", abs(more))
    return found


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

    def situation(self, spooled: bool, now: float) -> Situation:
        """Say what the next step depends on; `spooled`: the spool holds something."""
        progress = self.progress
        return Situation(
            self.batch.rows, progress.due, bool(progress.sealed), spooled, progress.breaker.allows(now),
            progress.retrying, progress.draining, progress.spool_only,
        )  # fmt: skip

    def note_latency(self, part: Part, session: int, now_ns: int) -> None:
        """Note how long the ticks of a part took; those that were recovered do not count."""
        if part.table == "ticks" and part.rows["session"][0].as_py() == session:
            self.stored.add(now_ns - int(part.rows["ts_recv_ns"].to_numpy().min()), len(part))

    def advance(self, **changes: object) -> None:
        """Replace fields of the progress."""
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]

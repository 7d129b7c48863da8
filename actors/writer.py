"""Persistence: collects rows into batches, writes them, and spools what the store will not take."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, assert_never

from actors.address import Address
from actors.base import Actor
from actors.port import Port
from actors.slot import Slot, Transaction
from actors.writer_port import WriterPort
from actors.writer_state import OpenBatch, WriterState, WriterTerms, brought_along
from core.backoff import Backoff
from core.breaker import BreakerState
from core.checkpointing import JournalMark
from core.errors import PermanentStoreError, RetryableStoreError
from core.ledger import Counts, total
from core.persisting import Step, next_step
from core.records import Gap
from messages.chaos import StallStore
from messages.journaling import RowsLost, SegmentClosed, SegmentSettled
from messages.lane import Shed
from messages.normalization import GapNoted, Refused
from messages.observation import BreakerChanged
from messages.persistence import AlertsNoted, Flush, LettersNoted, Maintain, Retry, WriteNext
from messages.retuning import SetWriterTerms
from messages.signals import Scored
from messages.supervision import Drain, Drained, SpoolRest
from stores.filing import RECORD_TABLES, counted, file_batch, letter_of
from stores.known import WITH_ORIGIN, KnownOrigins
from stores.parts import Part
from stores.spool import Spool, SpoolFull
from stores.stalling import StallingStore
from stores.store import BatchId, Store
from stores.writing import SPAN, Refusal, write_part

WriterMessage = (
    SegmentClosed | GapNoted | AlertsNoted | LettersNoted | Flush | WriteNext | Retry | Maintain
    | SetWriterTerms | StallStore | Drain | SpoolRest
)  # fmt: skip
MAINTAIN_SECONDS = 30.0
UPKEEP_SECONDS = 600.0
"""What a store may take to be opened, to tell what it has, and for its upkeep, before it counts as hung."""


class WriterActor(Actor[WriterState]):
    """Owns one store: its batches, its breaker, its spool."""

    port_class: ClassVar[type[Port]] = WriterPort

    def __init__(
        self,
        slot: Slot[WriterState],
        *,
        terms: WriterTerms,
        open_store: Callable[[], Store],
        spool: Spool,
        sources: Callable[[], frozenset[str]],
        random: Random,
        journal: Address[Any] | None = None,
    ) -> None:
        super().__init__(slot, writers={terms.store: slot.address})
        self._terms = terms
        self._store = open_store()
        self._opened = False
        self._spool = spool
        self._sources = sources
        self._random = random
        self._journal = journal

    def senders(self) -> frozenset[str]:
        """Detectors and normalizers."""
        return self._sources()

    def held(self) -> Counts:
        """Rows that are collected or being written."""
        return self.slot.state.held()

    def started(self, tx: Transaction) -> None:
        """Count what the spool brought along; go on with what a predecessor left."""
        if not self.slot.state.carried_in:
            tx.count_all(brought_along(self._spool.rows_by_feed(), self.slot.counts))
            tx.do(partial(setattr, self.slot.state, "carried_in", True))
        if self.incarnation > 1:
            # The predecessor may have died between a commit and taking note of it.
            tx.do(partial(self.slot.state.advance, unsure=True))
        tx.start_timer("maintain", MAINTAIN_SECONDS, Maintain())
        self._tell_spool(tx)
        self._schedule(tx)

    def on_stop(self) -> None:
        """Let go of the store."""
        super().on_stop()
        self._store.close()

    def on_failure(self, *exc_info: Any) -> None:
        """Let go of the store; the replacement opens its own."""
        self._store.close()
        super().on_failure(*exc_info)

    def receive(self, message: WriterMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case GapNoted(_, gap):
                self._collect("gaps", (gap,), tx)
            case AlertsNoted(_, rows):
                self._collect("alerts", rows, tx)
            case LettersNoted(_, _, rows):
                self._collect("letters", rows, tx)
            case SegmentClosed():
                self._note_segment(message, tx)
            case Flush():
                tx.do(partial(self.slot.state.advance, due=True))
                self._schedule(tx)
            case WriteNext():
                tx.do(partial(self.slot.state.advance, scheduled=False))
                self._step(tx)
            case Retry():
                tx.do(partial(self.slot.state.advance, retrying=False))
                self._schedule(tx)
            case Maintain():
                self._maintain(tx)
            case SetWriterTerms():
                self._set_terms(message, tx)
            case StallStore(seconds):
                if isinstance(self._store, StallingStore):
                    tx.do(partial(self._store.stall, seconds, self.pulse.fenced.wait))
            case Drain():
                tx.do(partial(self.slot.state.advance, draining=True, retrying=False))
                self._schedule(tx)
            case SpoolRest():
                tx.do(partial(self.slot.state.advance, spool_only=True, retrying=False))
                self._schedule(tx)
            case _:
                assert_never(message)

    def receive_batch(self, messages: tuple[Scored | Refused, ...], tx: Transaction) -> None:
        """Collect scored blocks and refused records."""
        blocks = tuple(message.block for message in messages if isinstance(message, Scored))
        rows = tuple(row for message in messages if isinstance(message, Refused) for row in message.rows)
        tx.do(partial(self.slot.state.batch.scored.extend, blocks))
        tx.do(partial(self.slot.state.batch.malformed.extend, rows))
        self._grow(sum(map(len, blocks)) + len(rows), tx)

    def receive_shed(self, shed: Shed, tx: Transaction) -> None:
        """Count rows that were shed on the way to this store, and put a gap in their place."""
        tx.count(shed.feed, "shed.overload", shed.records)
        gap = Gap(
            shed.feed, shed.venue, shed.symbol, "shed", shed.first_frame, shed.last_frame, shed.ts_recv_ns,
            shed.session, shed.line, shed.last_frame, 0,
        )  # fmt: skip
        self._collect("gaps", (gap,), tx)
        text = f"{shed.records} rows of {shed.symbol} were shed: the store {self._terms.store} is too slow"
        self.notice(tx, "shed", shed.feed, shed.symbol, text, shed.records)

    # Collecting

    def _collect(self, kind: str, rows: Sequence[Any], tx: Transaction) -> None:
        tx.do(partial(getattr(self.slot.state.batch, kind).extend, rows))
        self._grow(len(rows), tx)

    def _grow(self, rows: int, tx: Transaction) -> None:
        batch, terms = self.slot.state.batch, self._terms
        after = batch.rows + rows
        tx.do(partial(batch.grow, rows))
        if "flush" not in self.slot.timers:
            tx.start_timer("flush", terms.flush_seconds, Flush())
        # More that waits makes the batch larger, and so cheaper a row, up to the cap.
        if after >= terms.batch_rows and (after >= terms.max_batch_rows or not self.slot.mailbox.has_data()):
            tx.do(partial(self.slot.state.advance, due=True))
            self._schedule(tx)

    def _note_segment(self, closed: SegmentClosed, tx: Transaction) -> None:
        """Once a segment's rows have come from everybody, it is settled with the batch that is collected."""
        marks, mark, sender = self.slot.state.marks, closed.mark, closed.sender
        senders = marks.get(mark, set())
        if len(senders) + (sender not in senders) == len(closed.through):
            tx.do(partial(marks.pop, mark, None))
            self._collect("segments", (mark,), tx)
        else:
            tx.do(lambda: marks.setdefault(mark, set()).add(sender))

    def _settle(self, segments: Sequence[JournalMark], tx: Transaction) -> None:
        if self._journal is not None:
            for mark in segments:
                tx.tell(self._journal, SegmentSettled(mark, self._terms.store))

    def _tell_lost(self, lines: frozenset[str] | None, tx: Transaction) -> None:
        """Have the journal kept: nothing else has those rows now."""
        if self._journal is not None:
            tx.tell(self._journal, RowsLost(lines))

    def _seal(self, tx: Transaction) -> None:
        state, terms = self.slot.state, self._terms
        batch = BatchId(terms.session, state.progress.next_batch)
        opened = state.batch
        parts = file_batch(batch, opened.scored, opened.malformed, opened.gaps, opened.alerts, opened.letters)
        tx.do(partial(setattr, state, "batch", OpenBatch()))
        if not parts:
            self._settle(opened.segments, tx)
        settling = tuple(opened.segments) if parts else ()
        tx.do(partial(state.advance, settling=settling))
        tx.do(partial(state.advance, sealed=parts, next_batch=batch.number + SPAN, due=False, unsure=False))
        tx.cancel_timer("flush")
        self._schedule(tx, anew=True)

    # One step at a time

    def _step(self, tx: Transaction) -> None:
        progress = self.slot.state.progress
        match next_step(self.slot.state.situation(len(self._spool) > 0, self.slot.clock.monotonic())):
            case Step.SEAL:
                self._seal(tx)
            case Step.WRITE_SEALED:
                self._write(progress.sealed[0], progress.unsure, tx, spooled=False)
            case Step.SPOOL_SEALED:
                self._put_into_spool(progress.sealed, tx)
            case Step.WRITE_SPOOLED:
                self._write_spooled(tx)
            case Step.WAIT:
                self._wait(tx)
            case Step.DRAINED:
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name, MappingProxyType(self.held())))
            case Step.IDLE:
                pass

    def _write(self, part: Part, unsure: bool, tx: Transaction, *, spooled: bool) -> None:
        """Write a part; whoever does not know whether it was committed before asks first."""
        progress = self.slot.state.progress
        tx.do(partial(self.slot.state.advance, breaker=progress.breaker.asked()))
        try:
            fresh, known = self._open().divide(part)
            written = write_part(self._store, fresh, unsure, self.pulse.beat)
        except RetryableStoreError as error:
            self._failed(str(error), tx)
            return
        tx.count_all(total([written.counts, known]))
        self._bury_refused(part.table, written.refused, tx)
        tx.do(partial(self.slot.state.advance, breaker=progress.breaker.succeeded(), tries=0, retrying=False))
        self._tell_breaker(BreakerState.CLOSED, "the store answers again", tx)
        if spooled:
            self._pop_spool(part, tx)
        else:
            now_ns = self.slot.clock.time_ns()
            tx.do(partial(self.slot.state.note_latency, part, self._terms.session, now_ns))
            tx.do(partial(self.slot.state.advance, sealed=progress.sealed[1:], unsure=False))
            if len(progress.sealed) == 1:
                self._settle(progress.settling, tx)
        self._schedule(tx, anew=True, behind_data=spooled)

    def _bury_refused(self, table: str, refused: tuple[Refusal, ...], tx: Transaction) -> None:
        """Make dead letters of the rows that the store refuses for good."""
        if not refused:
            return
        if table in RECORD_TABLES:
            self._collect(
                "letters", [letter_of(refusal.row, self.slot.name, refusal.error) for refusal in refused], tx
            )
            for refusal in refused:
                tx.count(refusal.row.runs[0][0], "dead_letter.refused_by_store")
        text = f"{self._terms.store} refuses {len(refused)} row(s) of {table} for good: {refused[0].error}"
        self.notice(tx, "dead_letter", None, None, text, len(refused))

    def _open(self) -> KnownOrigins:
        if not self._opened or self.slot.state.known is None:
            self.pulse.allow(UPKEEP_SECONDS)
        if not self._opened:
            self._store.open()
            self._opened = True
        if self.slot.state.known is None:
            # Once a run: what this run writes itself is not to be taken for known later.
            terms = self._terms
            self.slot.state.known = KnownOrigins(
                self._store, self._spool.read_all(), terms.check_sessions, terms.session
            )
        return self.slot.state.known

    def _failed(self, text: str, tx: Transaction) -> None:
        state, now = self.slot.state, self.slot.clock.monotonic()
        breaker = state.progress.breaker.asked().failed(now)
        tries = state.progress.tries + 1
        tx.do(partial(state.advance, breaker=breaker, tries=tries, unsure=True))
        if state.progress.draining:
            tx.do(partial(state.advance, spool_only=True))
            self._schedule(tx, anew=True)
        elif breaker.state is BreakerState.OPEN:
            self._tell_breaker(BreakerState.OPEN, text, tx)
            self._schedule(tx, anew=True)
        else:
            self.notice(tx, "store", None, None, f"{self._terms.store}: {text}; trying again")
            delay = Backoff(min(tries, 4)).delay_seconds(self._random)
            tx.do(partial(state.advance, retrying=True))
            tx.start_timer("retry", delay, Retry())

    def _wait(self, tx: Transaction) -> None:
        """Come back when the breaker allows a probe; a retry comes back by itself."""
        progress = self.slot.state.progress
        if not progress.retrying:
            wait = progress.breaker.wait_seconds(self.slot.clock.monotonic())
            tx.start_timer("probe", wait, WriteNext())

    # The spool

    def _put_into_spool(self, parts: tuple[Part, ...], tx: Transaction) -> None:
        for part in parts:
            self._spool_part(part, tx)
        self._settle(self.slot.state.progress.settling, tx)
        tx.do(partial(self.slot.state.advance, sealed=(), unsure=False))
        self._tell_spool(tx)
        self._schedule(tx, anew=True)

    def _spool_part(self, part: Part, tx: Transaction) -> None:
        try:
            # A predecessor may have spooled it and died before that was noted.
            if not self._spool.holds(part):
                self._spool.append(part, self.check_current)
        except SpoolFull as error:
            tx.count_all(counted(part, "shed.spool_full"))
            text = f"{len(part)} rows of {part.table} were lost to the store {self._terms.store}: {error}"
            self.notice(tx, "shed", None, None, text, len(part))
            if part.table in WITH_ORIGIN:
                self._tell_lost(frozenset(map(str, part.rows["line"].unique().to_pylist())), tx)
        else:
            tx.count_all(counted(part, "spooled"))

    def _write_spooled(self, tx: Transaction) -> None:
        part = self._spool.head()
        for lost in self._spool.set_aside():
            for feed, rows in (lost.rows_by_feed or {}).items():
                tx.count(feed, "spooled", -rows)
                tx.count(feed, "shed.spool_unreadable", rows)
            self.notice(tx, "spool", None, None, f"{lost.path.name} was set aside: {lost.error}")
            self._tell_lost(None, tx)
        if part is not None:
            self._write(part, True, tx, spooled=True)
        else:
            self._schedule(tx, anew=True)

    def _pop_spool(self, part: Part, tx: Transaction) -> None:
        tx.do(partial(self._spool.drop, part))
        tx.count_all({key: -rows for key, rows in counted(part, "spooled").items()})
        self._tell_spool(tx)

    def _tell_spool(self, tx: Transaction) -> None:
        if self.slot.monitor is not None:
            # Both are read once what this message changes has been carried out.
            monitor, store, spool, state = self.slot.monitor, self._terms.store, self._spool, self.slot.state
            tx.do(
                lambda: monitor.tell(
                    BreakerChanged(
                        store, state.progress.breaker.state.value, sum(spool.rows_by_feed().values())
                    )
                )
            )

    # The rest

    def _set_terms(self, new: SetWriterTerms, tx: Transaction) -> None:
        """Judge what is collected, and an open breaker, by the new terms."""
        state = self.slot.state
        tx.do(partial(setattr, self, "_terms", self._terms.changed(new)))
        tx.do(partial(state.advance, breaker=new.breaker(state.progress.breaker)))
        if state.batch.rows >= new.batch_rows:
            tx.do(partial(state.advance, due=True))
        due = self.slot.timers.get("flush")
        if due is not None and due[0] - self.slot.clock.monotonic() > new.flush_seconds:
            tx.start_timer("flush", new.flush_seconds, Flush())
        self._schedule(tx)
        self.acknowledge(tx)

    def _maintain(self, tx: Transaction) -> None:
        tx.start_timer("maintain", MAINTAIN_SECONDS, Maintain())
        if not self._opened or self.slot.state.progress.breaker.state is not BreakerState.CLOSED:
            return
        self.pulse.allow(UPKEEP_SECONDS)
        began = self.slot.clock.monotonic()
        try:
            if self._store.maintain() is not None:
                # There may be more; most of the time is left to what is written meanwhile.
                taken = self.slot.clock.monotonic() - began
                tx.start_timer("maintain", max(1.0, 4.0 * taken), Maintain())
        except (RetryableStoreError, PermanentStoreError) as error:
            self.notice(tx, "store", None, None, f"{self._terms.store}: upkeep failed: {error}")

    def _schedule(self, tx: Transaction, *, anew: bool = False, behind_data: bool = False) -> None:
        """Have the next step taken, once: unless one is on its way already."""
        if anew or not self.slot.state.progress.scheduled:
            tx.do(partial(self.slot.state.advance, scheduled=True))
            (tx.put if behind_data else tx.tell)(self.slot.address, WriteNext())

    def _tell_breaker(self, state: BreakerState, text: str, tx: Transaction) -> None:
        if self.slot.state.progress.reported == state.value:
            return
        tx.do(partial(self.slot.state.advance, reported=state.value))
        self.notice(tx, "breaker", None, None, f"{self._terms.store}: breaker {state.value}: {text}")
        self._tell_spool(tx)

"""Normalization: frames in, blocks of one symbol out, through the venue's dialect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, assert_never

import numpy as np

from actors.address import Address
from actors.base import Actor
from actors.gate import Gate
from actors.slot import Slot, Transaction
from core.checkpointing import JournalMark
from core.ledger import Counts, add
from core.memory import FeedMemory, Lesson, Stream
from core.normalize import FrameSink, Normalized, Terms, as_recovered, normalize
from core.records import Gap, Malformed, TickBlock
from core.runs import Run
from core.scanning import Scanner
from messages.ingestion import (
    FrameRefused,
    Frames,
    LineReset,
    MarketDataSeen,
    RequestAcknowledged,
    VenueAskedToReconnect,
    VenueRefused,
)
from messages.journaling import MemoryMarked, SegmentClosed
from messages.lane import Shed
from messages.normalization import DetectorReady, GapNoted, Refused, Ticks, WantDetector
from messages.retuning import ForgetSymbols, HandOver, KnowSymbols, Reroute
from messages.supervision import Drain, Drained
from venues.dialect import Dialect

SEEN_EVERY_NS = 10**8
"""A connection need not be woken for every block: what it watches for takes seconds."""
NormalizerMessage = (
    FrameRefused | LineReset | DetectorReady | Reroute | KnowSymbols | SegmentClosed | Drain
)  # fmt: skip


@dataclass(slots=True)
class NormalizerState:
    """What outlives an incarnation; changed only by committed effects."""

    dialect: Dialect
    detectors: dict[str, Address[Any]]
    """By symbol."""
    memory: FeedMemory = field(default_factory=FeedMemory)
    waiting: dict[str, list[Any]] = field(default_factory=dict)
    """Messages for symbols whose detector was asked for; replay only."""
    moving: set[str] = field(default_factory=set)
    """Symbols that are on their way to another detector."""
    terms: Terms | None = None
    """Those in effect: what waits in the mailbox is of the symbols of its time. None before the start."""

    def held(self) -> Counts:
        """Count the records of those, by feed."""
        counts: Counts = {}
        for messages in self.waiting.values():
            for message in messages:
                add(counts, message.feed, "in_flight", message.records)
        return counts


class NormalizerActor(Actor[NormalizerState]):
    """Turns frames into blocks for the detectors, and what is no tick into rows for the writers."""

    def __init__(
        self,
        slot: Slot[NormalizerState],
        *,
        terms: Terms,
        lines: Mapping[str, Address[Any]],
        sources: frozenset[str],
        writers: Mapping[str, Address[Any]],
        journal: Address[Any] | None = None,
        gates: tuple[Gate, ...] = (),
    ) -> None:
        super().__init__(slot, writers=writers, gates=gates)
        self._journal = journal
        self._seen: dict[str, int] = {}
        if slot.state.terms is None:
            slot.state.terms = terms
        self._scanned: Terms | None = None
        self._scanner: Scanner | None = None
        self._lines = lines
        self._sources = sources

    @property
    def _terms(self) -> Terms:
        assert self.slot.state.terms is not None
        return self.slot.state.terms

    def senders(self) -> frozenset[str]:
        """The connections."""
        return self._sources

    def onward(self) -> Sequence[Address[Any]]:
        """Detectors (a shard once, however many symbols it has) and writers."""
        detectors = {address.name: address for address in self.slot.state.detectors.values()}
        return (*detectors.values(), *self.writers.values())

    def holds_data(self) -> bool:
        """While the detector of a new symbol is being started, or a symbol is on its way to another one."""
        return bool(self.slot.state.waiting or self.slot.state.moving)

    def held(self) -> Counts:
        """Ticks for detectors that are being started."""
        return self.slot.state.held()

    def receive(self, message: NormalizerMessage, tx: Transaction) -> None:
        """Handle what is not frames."""
        match message:
            case FrameRefused():
                self._refuse(message, tx)
            case LineReset():
                self._tell_reset(message, tx)
            case DetectorReady(symbol, address):
                self._release(symbol, address, tx)
            case Reroute(to):
                self._reroute(to, tx)
            case KnowSymbols():
                self._know(message, tx)
            case SegmentClosed(_, mark):
                self._pass_mark(mark, tx)
            case Drain():
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name, MappingProxyType(self.held())))
            case _:
                assert_never(message)

    def receive_batch(self, messages: tuple[Frames, ...], tx: Transaction) -> None:
        """Normalize the frames of each line."""
        lines: dict[tuple[int, str], list[Frames]] = {}
        for message in messages:
            lines.setdefault((message.session, message.line), []).append(message)
        self._look_at_terms()
        lessons: dict[Stream, Lesson] = {}
        for (session, line), parts in lines.items():
            sink = FrameSink(self._terms, self.slot.state.memory, session, line, lessons)
            run = Run.joined([_run_of(part) for part in parts])
            found = normalize(run, self.slot.state.dialect.decode, sink, self._scanner)
            if self._scanner is not None and self._terms.known is None:
                for block in found.blocks:
                    self._scanner.add(block.symbol)
            self._tell(found, tx)
            if session == self._terms.session:
                tx.count_all(found.counts)
                self._tell_notices(found, tx)
                self._tell_line(line, found, int(run.ts_recv_ns[-1]), tx)
            else:
                tx.count_all(as_recovered(found.counts))
        if lessons:
            tx.do(partial(self.slot.state.memory.learn, lessons))

    def _look_at_terms(self) -> None:
        """Have a scanner of the symbols that are known now."""
        dialect, terms = self.slot.state.dialect, self._terms
        if dialect.shapes and self._scanned is not terms:
            self._scanner = Scanner(dialect.shapes, terms.known or (), dialect.takes)
        self._scanned = terms

    def receive_shed(self, shed: Shed, tx: Transaction) -> None:
        """Count frames that were shed before decoding, and put a gap in their place."""
        tx.count(shed.feed, "shed_frames", shed.frames)
        tx.count(shed.feed, "event.gap")
        self._note_gap(_gap_of_shed(shed), tx)
        self.notice(
            tx, "shed", shed.feed, None,
            f"{shed.frames} frames of {shed.line} were shed before decoding; raise actors.frames_mb, or "
            'use overload = "block"', shed.frames,
        )  # fmt: skip

    def count_buried(self, unit: Any, tx: Transaction) -> None:
        """A frame that kills the handler counts as decoded, into one record."""
        tx.count(unit.feed, "decoded", unit.frames)
        tx.count(unit.feed, self._source(unit.session), unit.frames)

    def _pass_mark(self, mark: JournalMark, tx: Transaction) -> None:
        """Tell what is remembered here, and send the mark the way of the line's data."""
        state = self.slot.state
        symbols = state.detectors.keys() if mark.symbols is None else mark.symbols
        detectors = {address.name: address for symbol in symbols if (address := state.detectors.get(symbol))}
        through, stores = frozenset(detectors) | {self.slot.name}, frozenset(self.writers)
        for address in (*detectors.values(), *self.writers.values()):
            tx.put(address, SegmentClosed(self.slot.name, mark, through, stores))
        if self._journal is not None:
            streams = tuple(state.memory.export(frozenset(symbols)))
            tx.tell(self._journal, MemoryMarked(mark, frozenset(detectors), stores, streams))

    def _tell(self, found: Normalized, tx: Transaction) -> None:
        for gap in found.gaps:
            self._note_gap(gap, tx)
        self._put_blocks(found.blocks, tx)
        if found.malformed:
            self._put_refused(tuple(found.malformed), tx)

    def _put_blocks(self, blocks: Sequence[TickBlock], tx: Transaction) -> None:
        """Send each symbol's block to its detector; those that share one wake it once."""
        detectors = self.slot.state.detectors
        together: dict[str, list[Ticks]] = {}
        addresses: dict[str, Address[Any]] = {}
        for block in blocks:
            ticks, address = Ticks(self.slot.name, block), detectors.get(block.symbol)
            if address is None:
                self._put(block.symbol, ticks, tx)
                continue
            addresses[address.name] = address
            together.setdefault(address.name, []).append(ticks)
        for name, messages in together.items():
            tx.put_all(addresses[name], messages)

    def _tell_line(self, line: str, found: Normalized, ts_recv_ns: int, tx: Transaction) -> None:
        connection = self._lines.get(line)
        if connection is None:
            return
        if found.blocks and abs(ts_recv_ns - self._seen.get(line, 0)) >= SEEN_EVERY_NS:
            self._seen[line] = ts_recv_ns
            tx.tell(connection, MarketDataSeen(ts_recv_ns))
        for reply in found.replies:
            match reply.kind:
                case "acknowledged":
                    tx.tell(connection, RequestAcknowledged(reply.text))
                case "refused":
                    tx.tell(connection, VenueRefused(reply.text))
                case _:
                    tx.tell(connection, VenueAskedToReconnect(reply.text))

    def _tell_notices(self, found: Normalized, tx: Transaction) -> None:
        feed = self._terms.feed
        for symbol, count in found.stale.items():
            text = f"{count} event time(s) more than an hour from this machine's clock; accepted"
            self.notice(tx, "stale_time", feed, symbol, text, count)
        for gap in found.gaps:
            text = f"{gap.symbol}: ids {gap.first_missing} to {gap.last_missing} never came on {gap.line}"
            self.notice(tx, "gap", feed, gap.symbol, text, 1, gap.ts_recv_ns)

    def _put_refused(self, rows: tuple[Malformed, ...], tx: Transaction) -> None:
        self.put_rows((Refused(self.slot.name, self._terms.feed, rows),), tx)
        first = rows[0]
        text = (
            f"{len(rows)} record(s) refused, the first at frame {first.frame} of {first.line}: {first.reason}"
        )
        if first.session == self._terms.session:
            self.notice(tx, "reject", self._terms.feed, first.symbol, text, len(rows), first.ts_recv_ns)

    def _put(self, symbol: str, message: Any, tx: Transaction) -> None:
        state = self.slot.state
        address = state.detectors.get(symbol)
        if address is not None:
            tx.put(address, message)
            return
        tx.do(lambda: state.waiting.setdefault(symbol, []).append(message))
        if self.slot.supervisor is not None:
            tx.tell(self.slot.supervisor, WantDetector(self._terms.feed, symbol, self.slot.name))

    def _release(self, symbol: str, address: Address[Any], tx: Transaction) -> None:
        state = self.slot.state
        tx.do(partial(state.detectors.__setitem__, symbol, address))
        for message in state.waiting.get(symbol, ()):
            tx.put(address, message)
        tx.do(partial(state.waiting.pop, symbol, None))
        if symbol in state.moving:
            tx.do(partial(state.moving.discard, symbol))
            if len(state.moving) == 1:
                self.acknowledge(tx)

    def _know(self, message: KnowSymbols, tx: Transaction) -> None:
        """Follow other symbols from here on; detectors forget those that are gone behind the last of them."""
        state, known = self.slot.state, message.terms.known or frozenset()
        leaving: dict[str, tuple[Address[Any], list[str]]] = {}
        for symbol, address in state.detectors.items():
            if symbol not in known:
                leaving.setdefault(address.name, (address, []))[1].append(symbol)
                tx.do(partial(state.detectors.pop, symbol, None))
        for address, symbols in leaving.values():
            tx.put(address, ForgetSymbols(self.slot.name, self._terms.feed, tuple(symbols)))
            tx.do(partial(state.memory.forget, frozenset(symbols)))
        tx.do(partial(state.detectors.update, message.detectors))
        tx.do(partial(setattr, state, "terms", message.terms))
        tx.do(partial(setattr, self, "_lines", message.lines))
        tx.do(partial(setattr, self, "_sources", message.sources))
        self.acknowledge(tx)

    def _reroute(self, to: Mapping[str, Address[Any]], tx: Transaction) -> None:
        """Have symbols taken to their new detectors, behind all that the old ones were sent."""
        state = self.slot.state
        parcels: dict[str, tuple[Address[Any], dict[str, Address[Any]]]] = {}
        for symbol, address in to.items():
            before = state.detectors.get(symbol)
            if before is not None and before.name != address.name:
                parcels.setdefault(before.name, (before, {}))[1][symbol] = address
        if not parcels:
            self.acknowledge(tx)
        for before, symbols in parcels.values():
            tx.do(partial(state.moving.update, symbols))
            tx.put(before, HandOver(self.slot.name, self._terms.feed, symbols, self.slot.address))

    def _refuse(self, message: FrameRefused, tx: Transaction) -> None:
        tx.count(message.feed, "decoded")
        tx.count(message.feed, self._source(message.session))
        row = Malformed(
            message.feed, message.venue, None, message.reason, message.raw, message.ts_recv_ns,
            message.session, message.line, message.frame, 0,
        )  # fmt: skip
        self._put_refused((row,), tx)

    def _tell_reset(self, message: LineReset, tx: Transaction) -> None:
        if message.session == self._terms.session:
            tx.count(message.feed, "event.reconnect")
        gap = Gap(
            message.feed, message.venue, None, "reconnect", None, None, message.ts_recv_ns,
            message.session, message.line, message.frame, 0,
        )  # fmt: skip
        self._note_gap(gap, tx)

    def _source(self, session: int) -> str:
        """Name the side of the ledger that a record of a session comes in on."""
        return "received" if session == self._terms.session else "recovered"

    def _note_gap(self, gap: Gap, tx: Transaction) -> None:
        """Send a symbol's gap through its detector, a line's straight to the writers."""
        noted = GapNoted(self.slot.name, gap)
        if gap.symbol is not None and (self._terms.known is None or gap.symbol in self._terms.known):
            self._put(gap.symbol, noted, tx)
            return
        for writer in self.writers.values():
            tx.put(writer, noted)


def _run_of(frames: Frames) -> Run:
    numbers = np.arange(frames.first_frame, frames.first_frame + len(frames.payloads))
    return Run(frames.payloads, numbers, frames.ts_recv_ns)


def _gap_of_shed(shed: Shed) -> Gap:
    return Gap(
        shed.feed, shed.venue, shed.symbol, "shed", shed.first_frame, shed.last_frame, shed.ts_recv_ns,
        shed.session, shed.line, shed.last_frame, 0,
    )  # fmt: skip

"""Signal processing: scores the blocks of its symbols, one compiled pass a block."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, assert_never

import numpy as np

from actors.address import Address
from actors.base import Actor
from actors.gate import Gate
from actors.slot import Slot, Transaction
from core.columns import joined
from core.latency import Latencies
from core.recent import TickHistory
from core.records import NO_TIME, REASONS, REJECT, WARN, Gap, ScoredBlock, Scores, TickBlock
from core.scoring import ScoringRules, SymbolState, initial_state, resized, score
from core.standing import Standing
from core.tracked import Tracked
from core.turns import in_turn
from messages.journaling import SegmentClosed, StatesMarked
from messages.lane import Shed
from messages.normalization import DetectorReady, GapNoted, Ticks
from messages.retuning import ForgetSymbols, HandOver, SetRules, TakeOver
from messages.signals import RecentTicks, ReportSymbols, Scored, SymbolsReported
from messages.supervision import Drain, Drained

DetectorMessage = (
    GapNoted | RecentTicks | ReportSymbols | SegmentClosed | SetRules | HandOver | TakeOver | ForgetSymbols
    | Drain
)  # fmt: skip
REFUSED_TICKS = 200
"""How many of a symbol's last rejected ticks are kept for whoever asks ..."""
REFUSED_SHARE = 8
"""... in at most this part of the memory for its recent ticks."""
SymbolKey = tuple[str, str]
"""Feed and symbol."""


@dataclass(slots=True)
class DetectorState:
    """What outlives an incarnation; changed only by committed effects."""

    symbols: dict[SymbolKey, Tracked] = field(default_factory=dict)
    warm: dict[SymbolKey, SymbolState] = field(default_factory=dict)
    """States of an earlier run, for symbols that no tick of this one has come for yet."""
    signal: Latencies = field(default_factory=Latencies)
    """From our receiving a tick to its signal; a block counts as its oldest tick."""
    signal_from_event: Latencies = field(default_factory=Latencies)
    """From the venue's time of a tick to its signal."""

    def states(self, feed: str, symbols: Collection[str] | None) -> Iterator[tuple[str, SymbolState]]:
        """Give the states of a feed's symbols, as far as they are known here; None: of all of them."""
        known = {symbol for of_feed, symbol in (*self.symbols, *self.warm) if of_feed == feed}
        for symbol in known if symbols is None else known.intersection(symbols):
            tracked = self.symbols.get((feed, symbol))
            yield symbol, self.warm[feed, symbol] if tracked is None else tracked.state


class DetectorActor(Actor[DetectorState]):
    """Owns the rolling state of one symbol, or of a shard's symbols."""

    def __init__(
        self,
        slot: Slot[DetectorState],
        *,
        session: int,
        rules: ScoringRules,
        sources: Callable[[], frozenset[str]],
        writers: Mapping[str, Address[Any]],
        recent_ticks: int,
        recent_bytes: int,
        journal: Address[Any] | None = None,
        gates: tuple[Gate, ...] = (),
    ) -> None:
        super().__init__(slot, writers=writers, gates=gates)
        self._journal = journal
        self._session = session
        self._rules = rules
        self._sources = sources
        refused_bytes = recent_bytes // REFUSED_SHARE
        self._empty_recent = TickHistory(recent_ticks, recent_bytes - refused_bytes)
        self._empty_refused = TickHistory(min(recent_ticks, REFUSED_TICKS), refused_bytes)

    def senders(self) -> frozenset[str]:
        """The normalizers."""
        return self._sources()

    def onward(self) -> Sequence[Address[Any]]:
        """The writers."""
        return tuple(self.writers.values())

    def receive(self, message: DetectorMessage, tx: Transaction) -> Any:
        """Handle what is not ticks."""
        match message:
            case GapNoted(_, gap):
                self._pass_gap(gap, tx)
            case RecentTicks():
                return self._recent(message)
            case ReportSymbols(most, turn):
                self._report(most, turn, tx)
            case SegmentClosed():
                pass_mark(self.slot, message, self.writers, self._journal, tx)
            case SetRules(rules):
                tx.do(partial(setattr, self, "_rules", rules))
                self.acknowledge(tx)
            case HandOver():
                hand_over(self.slot, message, tx)
            case TakeOver():
                take_over(self.slot, message, tx)
            case ForgetSymbols(_, feed, symbols):
                forget(self.slot, feed, symbols, tx)
            case Drain():
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)
        return None

    def receive_batch(self, messages: tuple[Ticks, ...], tx: Transaction) -> None:
        """Score the blocks of each symbol, in order."""
        symbols: dict[SymbolKey, list[TickBlock]] = {}
        for message in messages:
            symbols.setdefault((message.block.feed, message.block.symbol), []).append(message.block)
        scored = [self._score(key, joined(blocks), tx) for key, blocks in symbols.items()]
        self.put_rows(scored, tx)

    def receive_shed(self, shed: Shed, tx: Transaction) -> None:
        """Count ticks that were shed, and put a gap in their place."""
        tx.count(shed.feed, "shed.overload", shed.records)
        tx.count(shed.feed, "event.gap")
        self._pass_gap(
            Gap(
                shed.feed, shed.venue, shed.symbol, "shed", shed.first_frame, shed.last_frame,
                shed.ts_recv_ns, shed.session, shed.line, shed.last_frame, 0,
            ),
            tx,
        )  # fmt: skip
        text = f"{shed.records} ticks of {shed.symbol} were shed; raise actors.mailbox_ticks, or use overload"
        self.notice(tx, "shed", shed.feed, shed.symbol, f'{text} = "block"', shed.records)

    def _score(self, key: SymbolKey, block: TickBlock, tx: Transaction) -> Scored:
        tracked = self.slot.state.symbols.get(key) or self._untracked(key)
        # A state may be of another window: the rules have changed, or it comes from an earlier run.
        state, scores = score(resized(tracked.state, self._rules.window), block, self._rules)
        scored = ScoredBlock(block, scores)
        rejects = int(np.count_nonzero(scores.verdict == REJECT))
        after = Tracked(
            state, tracked.recent.append(scored, rejects), tracked.standing.after(block, scores, rejects),
            tracked.refused.append_refused(scored, rejects),
        )  # fmt: skip
        tx.do(partial(self.slot.state.symbols.__setitem__, key, after))
        self._tell_verdicts(block, scores, tx)
        if block.session == self._session:
            self._note_latency(block, tx)
        return Scored(self.slot.name, scored)

    def _note_latency(self, block: TickBlock, tx: Transaction) -> None:
        state, now, event = self.slot.state, self.slot.clock.time_ns(), int(block.ts_event_ns[0])
        tx.do(partial(state.signal.add, now - int(block.ts_recv_ns[0]), len(block)))
        if event != NO_TIME:
            tx.do(partial(state.signal_from_event.add, now - event, len(block)))

    def _untracked(self, key: SymbolKey) -> Tracked:
        state = self.slot.state.warm.get(key) or initial_state(self._rules)
        return Tracked(state, self._empty_recent, Standing(), self._empty_refused)

    def _tell_verdicts(self, block: TickBlock, scores: Scores, tx: Transaction) -> None:
        if block.session != self._session or not scores.verdict.any():
            # What is recovered was told by the session that took it.
            return
        for verdict, kind in ((WARN, "warn"), (REJECT, "reject")):
            hits = np.flatnonzero(scores.verdict == verdict)
            if len(hits):
                if verdict == WARN:
                    tx.count(block.feed, "event.warn", len(hits))
                i = int(hits[-1])
                stamp = int(block.ts_recv_ns[i])
                self.notice(
                    tx, kind, block.feed, block.symbol, _verdict_text(block, scores, i), len(hits), stamp
                )

    def _pass_gap(self, gap: Gap, tx: Transaction) -> None:
        for writer in self.writers.values():
            tx.put(writer, GapNoted(self.slot.name, gap))

    def _recent(self, asked: RecentTicks) -> tuple[ScoredBlock, ...]:
        for (feed, symbol), tracked in self.slot.state.symbols.items():
            if symbol == asked.symbol and asked.feed in (None, feed):
                refused = tracked.refused.last(asked.n) if asked.refused else ()
                return (*tracked.recent.last(asked.n), *refused)
        return ()

    def _report(self, most: int, turn: int, tx: Transaction) -> None:
        if self.slot.monitor is None:
            return
        standings = tuple(
            (feed, symbol, tracked.standing.settled())
            for (feed, symbol), tracked in in_turn(list(self.slot.state.symbols.items()), most, turn)
        )
        tx.tell(self.slot.monitor, SymbolsReported(self.slot.name, standings))


def hand_over(slot: Slot[DetectorState], message: HandOver, tx: Transaction, *, anew: bool = False) -> None:
    """Let go of symbols, and send what is known of them to their new detectors; `anew`: nothing of it."""
    symbols, warm = slot.state.symbols, slot.state.warm
    parcels: dict[str, tuple[Address[Any], list[tuple[str, Tracked | None, SymbolState | None]]]] = {}
    for symbol, address in message.to.items():
        key = (message.feed, symbol)
        known = (symbol, None, None) if anew else (symbol, symbols.get(key), warm.get(key))
        parcels.setdefault(address.name, (address, []))[1].append(known)
    forget(slot, message.feed, message.to, tx)
    for address, parcel in parcels.values():
        tx.tell(address, TakeOver(message.feed, tuple(parcel), message.normalizer))


def forget(slot: Slot[DetectorState], feed: str, symbols: Collection[str], tx: Transaction) -> None:
    """Know nothing of these symbols any more."""
    for symbol in symbols:
        tx.do(partial(slot.state.symbols.pop, (feed, symbol), None))
        tx.do(partial(slot.state.warm.pop, (feed, symbol), None))


def take_over(slot: Slot[DetectorState], message: TakeOver, tx: Transaction) -> None:
    """Take in what another detector knew of symbols, and say that their data may come."""
    symbols, warm = slot.state.symbols, slot.state.warm
    for symbol, tracked, earlier in message.symbols:
        # What is here already is as new, or newer where this is told a second time.
        if tracked is not None:
            tx.do(partial(symbols.setdefault, (message.feed, symbol), tracked))
        if earlier is not None:
            tx.do(partial(warm.setdefault, (message.feed, symbol), earlier))
        tx.tell(message.normalizer, DetectorReady(symbol, slot.address))


def pass_mark(
    slot: Slot[DetectorState],
    closed: SegmentClosed,
    writers: Mapping[str, Address[Any]],
    journal: Address[Any] | None,
    tx: Transaction,
) -> None:
    """Tell the states that there are here, and send the mark on to those writers that it is for."""
    mark = closed.mark
    for store, writer in writers.items():
        if store in closed.stores:
            tx.put(writer, replace(closed, sender=slot.name))
    if journal is not None:
        states = tuple(slot.state.states(mark.feed, mark.symbols))
        tx.tell(journal, StatesMarked(mark, slot.name, states))


def _verdict_text(block: TickBlock, scores: Scores, i: int) -> str:
    price = float(block.price[i])
    what = f"price {price:g}" if price == price else f"bid {block.bid[i]:g}, ask {block.ask[i]:g}"
    z = float(scores.z[i])
    why = REASONS[int(scores.reason[i])] or "far from its recent prices"
    return f"{block.symbol}: {what}: {why}" + (f", z = {z:.1f}" if z == z else "")

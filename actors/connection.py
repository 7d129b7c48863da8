"""Ingestion: one line to a venue. Frames out, reconnecting with backoff, never giving up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, assert_never

import numpy as np

from actors.address import Address
from actors.base import Actor
from actors.connection_port import ConnectionPort
from actors.dialer import StartDialer
from actors.gate import Gate
from actors.port import Port
from actors.slot import Slot, Transaction
from actors.subscriptions import Subscriptions
from core import frames, replies
from core.backoff import Backoff
from core.checkpointing import JournalMark
from core.ledger import add
from core.line import BUSY_SECONDS, TRY_AGAIN_LATER, LineState, LineTerms, one_line
from core.payloads import NO_MESSAGES, Payloads
from core.records import freeze
from messages.chaos import DropLine, GarbleLine
from messages.ingestion import (
    BytesReceived,
    CheckAcknowledged,
    CheckStaleness,
    Connect,
    Dialed,
    DialFailed,
    DialOverdue,
    FrameRefused,
    Frames,
    LineReset,
    MarketDataSeen,
    RequestAcknowledged,
    SendPing,
    SendRequests,
    TransportLost,
    VenueAskedToReconnect,
    VenueRefused,
)
from messages.journaling import SegmentClosed
from messages.observation import LineChanged
from messages.retuning import ChangeLine
from messages.supervision import Drain, Drained
from stores.journal import LineJournal
from stores.journal_format import FRAMES, REFUSED, RESET
from venues.dialect import Dialect

ConnectionMessage = (
    Connect | Dialed | DialFailed | DialOverdue | BytesReceived | TransportLost | MarketDataSeen
    | RequestAcknowledged | VenueRefused | VenueAskedToReconnect | SendRequests | SendPing
    | CheckStaleness | CheckAcknowledged | ChangeLine | DropLine | GarbleLine
    | Drain
)  # fmt: skip

_WHILE_UP = ("stale", "acknowledge", "ping", "requests")
MIN_CHECK_SECONDS = 0.1
_REASONS = {1007: "malformed_json", 1009: "oversize"}


class ConnectionActor(Actor[LineState]):
    """Owns one line: dials, subscribes, reads, and begins anew when it is lost."""

    port_class: ClassVar[type[Port]] = ConnectionPort

    def __init__(
        self,
        slot: Slot[LineState],
        *,
        terms: LineTerms,
        dialect: Dialect,
        normalizer: Address[Any],
        start_dialer: StartDialer,
        random: Random,
        mask: Callable[[], bytes],
        journal: LineJournal | None = None,
        writers: Mapping[str, Address[Any]] = MappingProxyType({}),
        gates: tuple[Gate, ...] = (),
    ) -> None:
        super().__init__(slot, writers=writers, gates=gates)
        self._journal = journal
        if journal is not None:
            journal.closed = self._mark_closed
        self.terms = terms
        self._dialect = dialect
        self._subscriptions = Subscriptions(self, dialect)
        self._normalizer = normalizer
        self.start_dialer = start_dialer
        self._random = random
        self._mask = mask
        self._gates = gates

    def onward(self) -> Sequence[Address[Any]]:
        """The line's normalizer."""
        return (self._normalizer,)

    def started(self, tx: Transaction) -> None:
        """Dial, unless a predecessor left a line that is up or being dialled."""
        state = self.slot.state
        if (
            state.transport is None
            and not state.dialing
            and not state.closed
            and "connect" not in self.slot.timers
        ):
            tx.start_timer("connect", 0.0, Connect())

    def on_stop(self) -> None:
        """Let go of the port; the slot keeps the socket, which goes with it."""
        super().on_stop()
        self._close_port()
        if self.slot.incarnation == self.incarnation and self.slot.state.transport is not None:
            self.slot.state.transport.close()

    def on_failure(self, *exc_info: Any) -> None:
        """Let go of the port; the socket waits for the replacement."""
        self._close_port()
        super().on_failure(*exc_info)

    def receive(self, message: ConnectionMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case Connect():
                self._dial(tx)
            case Dialed(token, transport):
                self._begin(token, transport, tx)
            case DialFailed(token, text, retry_after):
                if token == self.slot.state.token and self.slot.state.dialing:
                    self._lose(text, tx, retry_after)
            case DialOverdue(token):
                if token == self.slot.state.token and self.slot.state.dialing:
                    self._lose("the connection attempt took too long", tx)
            case BytesReceived(payload, ts_recv_ns):
                self._read(payload, ts_recv_ns, tx)
            case TransportLost(text):
                self._lose(text, tx)
            case MarketDataSeen():
                now = self.slot.clock.monotonic()
                tx.become(replace(self.slot.state, backoff=Backoff(), last_data=now))
            case RequestAcknowledged(key):
                self._subscriptions.confirmed(key, tx)
            case VenueRefused(text):
                self.tell_notice("subscription", f"the venue refused: {one_line(text)}", tx)
            case VenueAskedToReconnect(text):
                # One that comes late must not cut short the wait of a line that is down already.
                if self.slot.state.transport is not None:
                    self._lose(f"the venue asked to reconnect: {one_line(text)}", tx)
            case DropLine():
                if self.slot.state.transport is not None:
                    self._lose("dropped by --chaos", tx)
            case GarbleLine(payload):
                self._garble(payload, tx)
            case SendRequests():
                self._subscriptions.send(self.slot.state, tx)
            case SendPing():
                self._send_ping(tx)
            case CheckStaleness():
                self._check_staleness(tx)
            case CheckAcknowledged():
                self._subscriptions.overdue(tx)
            case ChangeLine():
                self._subscriptions.change(message, tx)
            case Drain():
                self._close(tx)
            case _:
                assert_never(message)

    # Up and down

    def _dial(self, tx: Transaction) -> None:
        state = self.slot.state
        if state.closed or state.dialing or state.transport is not None:
            return
        token = state.token + 1
        tx.become(replace(state, dialing=True, token=token))
        self._tell_state("dialing", "", tx)
        tx.start_timer("dial", 2 * self.terms.connect_timeout_seconds + 5.0, DialOverdue(token))
        tx.do(partial(self.start_dialer, token, self.slot.address))

    def _begin(self, token: int, transport: Any, tx: Transaction) -> None:
        state, terms, clock = self.slot.state, self.terms, self.slot.clock
        if token != state.token or not state.dialing or state.closed:
            tx.do(transport.close)
            return
        begun = replace(
            state, transport=transport, dialing=False, reading=frames.FrameState(),
            last_data=clock.monotonic(), lost_before=True,
        )  # fmt: skip
        tx.cancel_timer("dial")
        self._tell_state("up", "", tx)
        if state.lost_before:
            reset = LineReset(
                self.slot.name, terms.feed, self._dialect.venue, terms.session, terms.line,
                state.next_frame, clock.time_ns(),
            )  # fmt: skip
            self._keep(RESET, state.next_frame, reset.ts_recv_ns, NO_MESSAGES, tx)
            tx.put(self._normalizer, reset)
        self.watch(terms, tx)
        if self._dialect.ping is not None:
            tx.start_timer("ping", self._dialect.ping.every_seconds, SendPing())
        self._subscriptions.send(self._subscriptions.begun(begun), tx)

    def _lose(
        self, text: str, tx: Transaction, at_least: float = 0.0, state: LineState | None = None
    ) -> None:
        """Give the line up for now, and dial again after the backoff."""
        state = state or self.slot.state
        if state.closed:
            return
        delay = state.backoff.delay_seconds(self._random, at_least)
        if state.transport is not None:
            tx.do(state.transport.close)
        for key in ("dial", *_WHILE_UP):
            tx.cancel_timer(key)
        ended = self._subscriptions.ended(state, tx)
        tx.become(replace(ended, transport=None, dialing=False, backoff=state.backoff.after_failure()))
        self._tell_state("waiting", text, tx, delay)
        self.tell_notice("line", f"{self.terms.line} is down: {text}; next attempt in {delay:.1f} s", tx)
        tx.start_timer("connect", delay, Connect())

    def _close(self, tx: Transaction) -> None:
        """Drain: say goodbye, and stay down."""
        state = self.slot.state
        if state.transport is not None:
            self.write(state.transport, frames.CLOSE, replies.close_payload(1000), tx)
            tx.do(state.transport.close)
        for key in ("connect", "dial", *_WHILE_UP):
            tx.cancel_timer(key)
        tx.become(replace(state, transport=None, dialing=False, closed=True))
        self._tell_state("closed", "", tx)
        if self.slot.supervisor is not None:
            tx.tell(self.slot.supervisor, Drained(self.slot.name))

    # Bytes in

    def _read(self, payload: bytes, ts_recv_ns: int, tx: Transaction) -> None:
        state, terms = self.slot.state, self.terms
        reading = frames.read(state.reading, payload, terms.max_message_bytes)
        texts = reading.texts
        if texts:
            self._put_frames(state.next_frame, texts, ts_recv_ns, tx)
        after = replace(state, reading=reading.state, next_frame=state.next_frame + len(texts))
        farewell = ""
        at_least = 0.0
        for opcode, body in reading.controls:
            answer = replies.answer((opcode, body))
            if answer is not None:
                self.write(state.transport, *answer, tx)
            if opcode == frames.CLOSE:
                code, reason = replies.parse_close(body)
                words = f"{code or 'no code'}{': ' + one_line(reason) if reason else ''}"
                farewell = f"the venue closed the connection ({words})"
                at_least = BUSY_SECONDS if code == TRY_AGAIN_LATER else 0.0
        if reading.error is not None:
            farewell = f"the venue broke the WebSocket protocol: {reading.error}"
            self.write(state.transport, *replies.farewell(reading.error), tx)
            if reading.offending is not None:
                self._refuse(after.next_frame, reading.error.close_code, reading.offending, ts_recv_ns, tx)
                after = replace(after, next_frame=after.next_frame + 1)
        tx.become(after)
        if farewell:
            self._lose(farewell, tx, at_least, after)

    def _garble(self, payload: bytes, tx: Transaction) -> None:
        """Take a message of its own, whatever part of another one is held: that goes on behind it."""
        state = self.slot.state
        if state.transport is not None:
            self._put_frames(state.next_frame, Payloads.of((payload,)), self.slot.clock.time_ns(), tx)
            tx.become(replace(state, next_frame=state.next_frame + 1))

    def _put_frames(self, first: int, texts: Payloads, ts_recv_ns: int, tx: Transaction) -> None:
        terms = self.terms
        tx.count(terms.feed, "frames", len(texts))
        self._keep(FRAMES, first, ts_recv_ns, texts, tx)
        tx.put(
            self._normalizer,
            Frames(
                self.slot.name, terms.feed, self._dialect.venue, terms.session, terms.line, first,
                texts, freeze(np.full(len(texts), ts_recv_ns, np.int64)), texts.nbytes,
            ),
        )  # fmt: skip

    def _refuse(self, frame: int, code: int, raw: bytes, ts_recv_ns: int, tx: Transaction) -> None:
        """Quarantine what ended the line: a message too big, or of bytes that are no text."""
        terms = self.terms
        tx.count(terms.feed, "frames")
        self._keep(REFUSED, frame, ts_recv_ns, Payloads.of((_REASONS[code].encode(), raw)), tx)
        refused = FrameRefused(
            self.slot.name, terms.feed, self._dialect.venue, terms.session, terms.line, frame,
            _REASONS[code], raw, ts_recv_ns,
        )  # fmt: skip
        tx.put(self._normalizer, refused)

    def _keep(
        self, kind: int, first_frame: int, ts_recv_ns: int, payloads: Payloads, tx: Transaction
    ) -> None:
        """Journal what was read, before it is passed on."""
        if self._journal is not None:
            tx.do(partial(self._append, self._journal, kind, first_frame, ts_recv_ns, payloads))

    def _append(
        self, journal: LineJournal, kind: int, first_frame: int, ts_recv_ns: int, payloads: Payloads
    ) -> None:
        """Append; where the disk refuses, the frames go on all the same, counted and told."""
        error = journal.append(kind, first_frame, ts_recv_ns, payloads)
        if error is not None:
            add(self.slot.counts, self.terms.feed, "event.journal_unsynced", max(1, len(payloads)))
            told = Transaction(self.slot)
            text = f"frames of {self.terms.line} cannot be journalled: {error}; free the disk"
            self.tell_notice("journal", text, told)
            for effect in told.effects:
                effect()

    def _mark_closed(self, number: int, next_frame: int) -> None:
        """Follow the frames of a full segment, so that it is known when all of them are stored."""
        terms = self.terms
        mark = JournalMark(terms.session, terms.feed, terms.line, number, next_frame, terms.symbols)
        self._normalizer.put(SegmentClosed(self.slot.name, mark))

    # Bytes out

    def _send_ping(self, tx: Transaction) -> None:
        ping, transport = self._dialect.ping, self.slot.state.transport
        if ping is not None and transport is not None:
            self.write(transport, frames.TEXT, ping.text.encode(), tx)
            tx.start_timer("ping", ping.every_seconds, SendPing())

    def write(self, transport: Any, opcode: int, payload: bytes, tx: Transaction) -> None:
        """Send a frame."""
        tx.do(partial(transport.write, replies.encode(opcode, payload, self._mask())))

    # Watchdogs

    def watch(self, terms: LineTerms, tx: Transaction) -> None:
        """Begin to look whether the line is stale."""
        tx.start_timer("stale", self._next_check(terms.stale_seconds), CheckStaleness())

    def _check_staleness(self, tx: Transaction) -> None:
        state, stale_seconds = self.slot.state, self.terms.stale_seconds
        if state.transport is None:
            return
        now = self.slot.clock.monotonic()
        if any(gate.closed for gate in self._gates):
            # Nothing is read, so nothing can be seen: the time begins anew once the gate is open.
            tx.become(replace(state, last_data=now))
            tx.start_timer("stale", self._next_check(stale_seconds), CheckStaleness())
            return
        quiet = now - state.last_data
        if quiet < stale_seconds:
            tx.start_timer("stale", self._next_check(stale_seconds - quiet), CheckStaleness())
            return
        text = f"no market data on {self.terms.line} for {quiet:.0f} s; reconnecting"
        self.tell_notice("stale_line", text, tx)
        self._lose(f"no market data for {quiet:.0f} s", tx)

    def _next_check(self, left_seconds: float) -> float:
        """Look often enough to see that a gate was closed for long."""
        return max(MIN_CHECK_SECONDS, min(left_seconds, self.terms.stale_seconds / 10))

    def tell_notice(self, kind: str, text: str, tx: Transaction) -> None:
        """Tell the monitor of something about the line."""
        self.notice(tx, kind, self.terms.feed, None, text)

    def _tell_state(self, state: str, text: str, tx: Transaction, wait_seconds: float = 0.0) -> None:
        if self.slot.monitor is not None:
            tx.tell(self.slot.monitor, LineChanged(self.terms.line, state, text, wait_seconds))

    def _close_port(self) -> None:
        if isinstance(self.port, ConnectionPort):
            self.port.close()

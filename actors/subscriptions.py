"""A line's subscriptions: asked for at the venue's pace, changed while the line is up, and looked after."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from actors.slot import Transaction
from core import frames
from core.line import LineState
from messages.ingestion import CheckAcknowledged, SendRequests
from messages.retuning import ChangeLine
from venues.dialect import Dialect, Request

if TYPE_CHECKING:
    from actors.connection import ConnectionActor

UNCONFIRMED = ""
"""Stands for requests that the venue does not confirm: the time has to pass."""


class Subscriptions:
    """What a connection asks of its venue."""

    def __init__(self, connection: "ConnectionActor", dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def begun(self, state: LineState) -> LineState:
        """Give the line with everything to be asked for: it has just come up."""
        symbols = self._connection.terms.symbols
        requests = self._dialect.subscribe(symbols) if symbols else ()
        return replace(state, unsent=requests, subscribed=symbols, unacknowledged=frozenset(_keys(requests)))

    def change(self, message: ChangeLine, tx: Transaction) -> None:
        """Take on other terms; ask for symbols that are new, and leave those that are gone.

        A line that is down asks for what it should once it is up.
        """
        connection, state, terms = self._connection, self._connection.slot.state, message.terms
        tx.do(partial(setattr, connection, "terms", terms))
        if message.start_dialer is not None:
            tx.do(partial(setattr, connection, "start_dialer", message.start_dialer))
        if state.transport is None:
            connection.acknowledge(tx)
            return
        connection.watch(terms, tx)
        new, gone = _without(terms.symbols, state.subscribed), _without(state.subscribed, terms.symbols)
        subscribing = self._dialect.subscribe(new) if new else ()
        leaving = self._dialect.unsubscribe(gone) if gone else ()
        requests = (*leaving, *subscribing)
        after = replace(
            state, subscribed=terms.symbols, unsent=(*state.unsent, *requests),
            unacknowledged=state.unacknowledged | set(_keys(requests)),
            leaving=state.leaving | {request.key or UNCONFIRMED for request in leaving},
        )  # fmt: skip
        if not after.leaving:
            connection.acknowledge(tx)
        if requests and self._dialect.requests_per_second is None:
            self.send(after, tx)
            return
        tx.become(after)
        if requests and "requests" not in connection.slot.timers:
            # The last ones may have been sent within the second.
            tx.start_timer("requests", self._pause_seconds, SendRequests())

    def send(self, state: LineState, tx: Transaction) -> None:
        """Send as many requests as the venue's pace allows in a second; the rest a second later.

        Acknowledgements are waited for from the last one on.
        """
        if state.transport is None:
            return
        pace = self._dialect.requests_per_second
        now = len(state.unsent) if pace is None else max(1, int(pace))
        for request in state.unsent[:now]:
            self._connection.write(state.transport, frames.TEXT, request.text.encode(), tx)
        tx.become(replace(state, unsent=state.unsent[now:]))
        tx.start_timer("acknowledge", self._connection.terms.acknowledge_seconds, CheckAcknowledged())
        if state.unsent[now:]:
            tx.start_timer("requests", self._pause_seconds, SendRequests())

    def confirmed(self, key: str, tx: Transaction) -> None:
        """The venue has accepted a request."""
        state = self._connection.slot.state
        self._become(state, state.unacknowledged - {key}, state.leaving - {key}, tx)

    def overdue(self, tx: Transaction) -> None:
        """The time to confirm is over: tell what was not; what was left is taken for gone."""
        state, seconds = self._connection.slot.state, self._connection.terms.acknowledge_seconds
        if state.leaving and not self._connection.port.open:
            # Nothing is read: what was sent before the venue let go may still wait in the socket.
            tx.start_timer("acknowledge", seconds, CheckAcknowledged())
            return
        if state.unacknowledged:
            count = len(state.unacknowledged)
            text = f"{count} subscription request(s) were not acknowledged within {seconds:g} s"
            self._connection.tell_notice("subscription", f"{text}; check the feed's symbols", tx)
        self._become(state, state.unacknowledged, frozenset(), tx)

    def ended(self, state: LineState, tx: Transaction) -> LineState:
        """Give the line without what it waited for: it is down, and nothing comes any more."""
        if state.leaving:
            self._connection.acknowledge(tx)
        return replace(state, unsent=(), leaving=frozenset())

    @property
    def _pause_seconds(self) -> float:
        pace = self._dialect.requests_per_second
        return 1.0 if pace is None else max(1.0, 1.0 / pace)

    def _become(
        self, state: LineState, unacknowledged: frozenset[str], leaving: frozenset[str], tx: Transaction
    ) -> None:
        if state.leaving and not leaving:
            self._connection.acknowledge(tx)
        tx.become(replace(state, unacknowledged=unacknowledged, leaving=leaving))


def _keys(requests: tuple[Request, ...]) -> set[str]:
    return {request.key for request in requests if request.key is not None}


def _without(symbols: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    known = set(others)
    return tuple(symbol for symbol in symbols if symbol not in known)

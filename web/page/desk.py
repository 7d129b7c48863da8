"""One open page: what it shows, and what it is sent every second."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.wording import part, rows
from web.model import Model, View
from web.page import accounts, history, machinery, notices, standing
from web.page.cells import Tone
from web.page.elements import Attention, Board, Figures, Link, MomentChart, SymbolTable, Text, TickChart
from web.page.history import MomentFeed
from web.page.listing import Listing, Thresholds, Wanted, found_by_names, names_of, ordered, quote_figures
from web.page.since import Since
from web.page.ticks import ASKED_TICKS, TickFeed


@dataclass(frozen=True, slots=True)
class Parts:
    """The elements of one page that change."""

    link: Link
    head: Figures
    state: Text
    attention: Attention
    verdict: Text
    equation: Text
    sources: Figures
    places: Figures
    frames: Figures
    reasons: Figures
    events: Figures
    symbols: SymbolTable
    name: Text
    figures: Figures
    ticks: TickChart
    marks: Board
    throughput_text: Text
    throughput: MomentChart
    latency_text: Text
    latency: MomentChart
    lines_text: Text
    lines: Board
    stores: Board
    actors: Board
    alerts: Board


class Desk:
    """Keeps one page up to date while somebody looks at it."""

    def __init__(self, model: Model, since: Since, parts: Parts) -> None:
        self._model, self._since, self._parts = model, since, parts
        self._visible = True
        self._at_ns = -1
        self._chosen: tuple[str, str] | None = None
        self._listing, self._ticks, self._moments = Listing(), TickFeed(), MomentFeed()
        self._troubles: list[tuple[str, Tone]] = []
        self._thresholds = Thresholds()
        parts.link.on_seen(self._seen)
        parts.symbols.on_wanted(self._wanted)
        parts.symbols.on_chosen(self._choose)

    def refresh(self) -> None:
        """Show the newest state; nothing is sent that the page has already."""
        if not self._visible:
            return
        view, banner = self._model.view, standing.banner(self._model)
        if view.at_ns != self._at_ns:
            self._at_ns = view.at_ns
            self._troubles = standing.attention(view.status)
            self._since.look(view)
            self._show(view)
        self._parts.attention.show(banner, self._troubles)
        self._parts.state.say(*standing.in_a_word(banner, self._troubles))

    def live(self) -> None:
        """Do what is to be done every second while a browser is connected."""
        if self._visible:
            self._parts.link.beat()
            self.refresh()

    def _show(self, view: View) -> None:
        parts, status = self._parts, view.status
        ledger = part(status, "ledger")
        parts.head.show(standing.figures(view))
        word, tone = accounts.verdict(ledger)
        parts.verdict.say(word, tone)
        parts.equation.say(accounts.equation(ledger))
        parts.sources.show(accounts.sources(ledger))
        parts.places.show(accounts.places(ledger))
        parts.frames.show(accounts.frames(ledger))
        parts.reasons.show(accounts.reasons(ledger))
        parts.events.show(accounts.happened(ledger))
        parts.lines_text.say(machinery.line_summary(status))
        parts.lines.show(machinery.line_rows(view, self._since))
        parts.stores.show(machinery.store_rows(status))
        parts.actors.show(machinery.actor_rows(status))
        parts.alerts.show(notices.alert_rows(status))
        self._quote(view)
        self._history(view)
        self._list()

    def _history(self, view: View) -> None:
        self._parts.throughput_text.say(history.throughput(view.moments))
        self._parts.latency_text.say(history.latency(view.moments))
        fresh = self._moments.changes(view.moments)
        if fresh is not None:
            self._parts.throughput.add(fresh)
            self._parts.latency.add(fresh)

    # Symbols

    def _list(self) -> None:
        status = self._model.view.status
        changes = self._listing.changes(rows(status, "symbols"), Thresholds.of(status))
        if changes is not None:
            self._parts.symbols.show(changes)

    def _wanted(self, asked: Mapping[str, Any]) -> None:
        self._listing.want(Wanted.of(asked))
        self._list()

    def _choose(self, asked: Mapping[str, Any]) -> None:
        feed, symbol = asked.get("feed"), asked.get("symbol")
        if not isinstance(feed, str) or not isinstance(symbol, str) or self._chosen == (feed, symbol):
            return
        self._chosen = feed, symbol
        self._ticks = TickFeed()
        parts = self._parts
        parts.ticks.choose(feed, symbol)
        parts.marks.show([])
        parts.symbols.mark_chosen(feed, symbol)
        parts.link.remember(feed, symbol)
        self._quote(self._model.view)

    def _quote(self, view: View) -> None:
        symbols = rows(view.status, "symbols")
        if self._chosen is None and symbols:
            feed, symbol = names_of(ordered(symbols, Wanted())[0])
            self._choose({"feed": feed, "symbol": symbol})
            return
        row = self._row(view)
        feed, symbol = self._chosen or ("", "No symbol yet")
        self._parts.name.say(f"{symbol}  {feed}".rstrip())
        self._parts.figures.show([] if row is None else quote_figures(row, Thresholds.of(view.status)))

    def _row(self, view: View) -> Mapping[str, Any] | None:
        return None if self._chosen is None else found_by_names(rows(view.status, "symbols"), self._chosen)

    async def draw(self) -> None:
        """Ask for the chosen symbol's newest ticks and draw those that are new."""
        ticks, view = self._ticks, self._model.view
        row = self._row(view)
        if not self._visible or row is None or not self._model.connected:
            return
        recent = await self._model.recent(str(row.get("feed")), str(row.get("symbol")), ASKED_TICKS)
        # Another symbol may have been chosen meanwhile.
        if recent is None or ticks is not self._ticks:
            return
        limits = Thresholds.of(view.status)
        if limits != self._thresholds:
            self._thresholds = limits
            self._parts.ticks.draw_thresholds(limits.warn_z, limits.critical_z)
        changes = ticks.changes(recent)
        if changes["ts_ms"]:
            self._parts.ticks.add(changes)
            self._parts.marks.show(ticks.marks)

    # What the browser says of itself

    def _seen(self, visible: bool, asked: Mapping[str, Any]) -> None:
        self._visible = visible
        if asked.get("feed"):
            self._choose(asked)
        if visible:
            self.live()

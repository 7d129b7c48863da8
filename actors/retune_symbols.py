"""The steps that add and remove a feed's symbols, and that change how its lines are looked after.

    leave on the lines ▶ hang up empty ones ▶ forget ▶ retire detectors
    ▶ start detectors ▶ know ▶ subscribe on the lines

What is removed goes first, so that no line has more symbols than its venue takes.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.address import Address
from actors.assembly import Assembly, line_terms
from actors.retune_detectors import retire_idle
from actors.slot import Transaction
from core.line import LineTerms
from core.settings import Feed, Settings
from core.topology import FeedPlan, LinePlan, redealt
from messages.retuning import ChangeLine, KnowSymbols, PauseCuts
from venues.registry import dialect_class

if TYPE_CHECKING:
    from actors.retuning import Awaited, Retuning, Step

LIVE = ("symbols", "stale_seconds", "acknowledge_seconds", "connect_timeout_seconds")


def steps(retuning: "Retuning", before: Settings, after: Settings) -> "list[Step]":
    """Give the steps from one configuration to the other; none where these settings are the same."""
    old = {feed.name: feed for feed in before.feeds}
    found: list[Step] = []
    for feed in after.feeds:
        if any(getattr(feed, name) != getattr(old[feed.name], name) for name in LIVE):
            found += _Redealing(retuning, old[feed.name], feed).steps()
    return found


class _Redealing:
    """The change of one feed."""

    def __init__(self, retuning: "Retuning", before: Feed, after: Feed) -> None:
        self._retuning = retuning
        self._before = before
        self._feed = after
        self._plan = FeedPlan(after.name, ())
        """The lines as they will be."""

    def steps(self) -> "list[Step]":
        """Give the steps."""
        retire = partial(retire_idle, self._retuning)
        return [
            self._leave,
            self._pause,
            self._hang_up,
            self._forget,
            retire,
            self._start,
            self._know,
            self._subscribe,
        ]

    @property
    def _assembly(self) -> Assembly:
        return self._retuning.assembly

    # Those that go

    def _leave(self, tx: Transaction) -> "Iterator[Awaited]":
        """Have the lines leave what is gone; what comes until the venue has confirmed that is taken."""
        feed, assembly = self._feed, self._assembly
        plan = assembly.plan(feed.name)
        normalizers = [spec.name for spec in self._normalizers()]
        most = dialect_class(feed.venue).max_symbols_per_connection
        self._plan = redealt(plan, feed.symbols, normalizers, most, assembly.next_line(feed.name))
        for line in plan.lines:
            symbols = tuple(symbol for symbol in line.symbols if symbol in feed.symbols)
            yield from self._change(f"connection/{line.line}", replace(line, symbols=symbols), tx)
            if symbols != line.symbols:
                # That may take its time, and nobody comes or goes meanwhile.
                tx.tell(self._assembly.monitor, PauseCuts(False))

    def _pause(self, tx: Transaction) -> "Iterator[Awaited]":
        yield self._retuning.tell("monitor", PauseCuts(True), tx)

    def _hang_up(self, tx: Transaction) -> "Iterator[Awaited]":
        """Take out lines with nothing left: venues end idle ones, which would be dialled again and again."""
        staying = {line.line for line in self._plan.lines}
        for line in self._assembly.plan(self._feed.name).lines:
            if line.line not in staying:
                yield self._retuning.retire(f"connection/{line.line}", tx)

    def _forget(self, tx: Transaction) -> "Iterator[Awaited]":
        """Have normalizers, and through them detectors, forget what is gone, behind the last of it."""
        there = {line.line for line in self._assembly.plan(self._feed.name).lines}
        for spec in self._normalizers():
            terms = spec.arguments["terms"]
            known = terms.known.intersection(self._feed.symbols)
            if known != terms.known or not there.issuperset(spec.arguments["lines"]):
                yield self._tell_known(spec.name, known, {}, tx)

    # Those that come

    def _start(self, tx: Transaction) -> "Iterator[Awaited]":
        """Start the detectors of new symbols; add the lines that are new."""
        assembly = self._assembly
        count = sum(len(feed.symbols) for feed in assembly.settings.feeds)
        for line in self._plan.lines:
            if f"connection/{line.line}" not in assembly.specs:
                assembly.make_line[self._feed.name](self._feed, line)
            known = assembly.specs[line.normalizer].arguments["terms"].known
            for symbol in line.symbols:
                if symbol not in known:
                    there = set(assembly.specs)
                    spec = assembly.detector(self._feed.name, symbol, line.normalizer, count)
                    if spec.name not in there:
                        yield self._retuning.start(spec, tx)

    def _know(self, tx: Transaction) -> "Iterator[Awaited]":
        """Have normalizers take what is new, before it comes."""
        assembly = self._assembly
        count = sum(len(feed.symbols) for feed in assembly.settings.feeds)
        for spec in self._normalizers():
            before, known = spec.arguments["terms"].known, self._plan.symbols_of(spec.name)
            new = {
                symbol: assembly.detector(self._feed.name, symbol, spec.name, count).slot.address
                for symbol in known - before
            }
            if new:
                yield self._tell_known(spec.name, known, new, tx)

    def _subscribe(self, tx: Transaction) -> "Iterator[Awaited]":
        """Have the lines subscribe to what is new."""
        state = self._retuning.children
        for line in self._plan.lines:
            name = f"connection/{line.line}"
            if name not in state:
                yield self._retuning.start(self._assembly.specs[name], tx)
            else:
                yield from self._change(name, line, tx)

    # For both

    def _normalizers(self) -> list[Any]:
        specs = self._assembly.of_kind("normalizer")
        return [spec for spec in specs if spec.arguments["terms"].feed == self._feed.name]

    def _change(self, name: str, line: LinePlan, tx: Transaction) -> "Iterator[Awaited]":
        """Give a connection other terms, and its replacements too."""
        arguments = self._assembly.specs[name].arguments
        before: LineTerms = arguments["terms"]
        terms = line_terms(before.session, self._feed, line)
        if terms == before:
            return
        dialer = None
        if terms.connect_timeout_seconds != before.connect_timeout_seconds:
            dialer = arguments["start_dialer"] = self._assembly.start_dialer[self._feed.name](self._feed)
        arguments["terms"] = terms
        yield self._retuning.tell(name, ChangeLine(terms, dialer), tx)

    def _tell_known(
        self, name: str, known: frozenset[str], new: dict[str, Address[Any]], tx: Transaction
    ) -> "Awaited":
        """Tell a normalizer its symbols and lines, and its replacements the lines: what it knows stays."""
        spec = self._assembly.specs[name]
        slots = [
            other.slot for other in self._assembly.of_kind("connection")
            if other.arguments["normalizer"].name == name
        ]  # fmt: skip
        lines = {slot.name.removeprefix("connection/"): slot.address for slot in slots}
        message = KnowSymbols(
            replace(spec.arguments["terms"], known=known), new, lines, frozenset(slot.name for slot in slots)
        )
        spec.arguments.update(terms=message.terms, lines=lines, sources=message.sources)
        tx.put(spec.slot.address, message)
        return ("acknowledged", name)

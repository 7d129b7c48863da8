"""What is where on the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from nicegui import ui
from nicegui.element import Element

from web.model import Model
from web.page.desk import Desk, Parts
from web.page.elements import Attention, Board, Figures, Link, MomentChart, SymbolTable, Text, TickChart
from web.page.listing import COLUMNS
from web.page.since import Since

EVERY_SECONDS: Final = 1.0
STORE_HEADINGS: Final = (
    "Store", "Breaker", "Spooled", "Stored", "Rejected", "Shed", "Dead letter", "In flight",
)  # fmt: skip
RATES: Final = {"ticks_per_second": "Ticks/s"}
LATENCIES: Final = {
    "signal_p50_ms": "signal p50", "signal_p99_ms": "signal p99", "stored_p50_ms": "stored p50",
    "stored_p99_ms": "stored p99",
}  # fmt: skip


@lru_cache
def _style() -> str:
    # Some style sheets come from the framework in layers; this one has none and so counts for more.
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def lay_out(model: Model, since: Since) -> None:
    """Build the page for one client and keep it up to date."""
    ui.add_head_html(
        f'<meta name="description" content="The live state of Tapeline"><style>{_style()}</style>'
    )
    with ui.header(fixed=False, wrap=False, add_scroll_padding=False).classes("top"):
        with Element("div").classes("brand"):
            Text("h1", "Tapeline")
            state = Text("span", "", "state")
        head = Figures("How the pipeline runs", "head")
        link = Link()
    with Element("div").classes("page").props("id=content") as content:
        attention = Attention()
        parts = _main(head, state, link, attention)
    ui.skip_link("Skip to the state of the pipeline", target=content)
    desk = Desk(model, since, parts)
    desk.refresh()
    ui.timer(EVERY_SECONDS, desk.live)
    ui.timer(EVERY_SECONDS, desk.draw)


def _main(head: Figures, state: Text, link: Link, attention: Attention) -> Parts:
    ledger = _ledger()
    with Element("div").classes("left"), Element("div").classes("stack"):
        with _panel("Symbols", "market"):
            symbols = SymbolTable(COLUMNS)
        history = _history()
    chosen = _chosen()
    with Element("div").classes("half"):
        with _panel("Lines", "lines"):
            lines_text = Text("p", "", "summary")
            lines = Board("Lines", ("Line", "State", "For", "Next try", "Why"), "No lines yet", "llrrw")
        with _panel("Supervision", "supervision"):
            headings = ("Actor", "State", "Mailbox", "Restarts", "Why")
            actors = Board("Supervision tree", headings, "No actors yet", "llrrw")
    with Element("div").classes("half"):
        with _panel("Stores", "stores"):
            stores = Board("Stores", STORE_HEADINGS, "No stores yet", "llrrrrrr")
        with _panel("Alerts", "alerts") as log:
            log.props("aria-live=polite aria-relevant=additions")
            columns = ("Time (UTC)", "Kind", "Where", "What")
            alerts = Board("Alerts, the newest first", columns, "None yet", "lllw")
    return Parts(
        link, head, state, attention, *ledger, symbols, *chosen, *history, lines_text, lines, stores, actors,
        alerts,
    )  # fmt: skip


def _ledger() -> tuple[Text, Text, Figures, Figures, Figures, Figures, Figures]:
    with _panel("Ledger", "ledger"):
        with Element("div").classes("balance"):
            verdict, equation = Text("p", "", "verdict"), Text("p", "", "equation")
        with Element("div").classes("sides"):
            sources = _figures("Where records come from", "sources")
            places = _figures("Where records are", "places")
        with Element("div").classes("beside"):
            frames = _figures("Frames", "frames")
            reasons = _figures("Reasons", "reasons")
            events = _figures("Events", "events")
    return verdict, equation, sources, places, frames, reasons, events


def _chosen() -> tuple[Text, Figures, TickChart, Board]:
    with _panel("Chart", "quote"):
        name = Text("p", "", "name")
        figures = Figures("The chosen symbol", "of-symbol")
        ticks = TickChart()
        headings = ("Time (UTC)", "Verdict", "Price", "z", "Reason")
        marks = Board("Marked ticks, the newest first", headings, "No tick in sight is marked", "llrrw")
    return name, figures, ticks, marks


def _history() -> tuple[Text, MomentChart, Text, MomentChart]:
    with _panel("Throughput", "throughput"):
        throughput_text = Text("p", "", "summary")
        throughput = MomentChart("Ticks per second, the last minutes", "ticks/s", RATES)
    with _panel("Latency", "latency"):
        latency_text = Text("p", "", "summary")
        latency = MomentChart("Latency percentiles, the last minutes", "ms", LATENCIES, logarithmic=True)
    return throughput_text, throughput, latency_text, latency


@contextmanager
def _panel(heading: str, name: str) -> Iterator[Element]:
    with Element("section").classes(f"panel {name}").props(f'aria-labelledby="heading-{name}"') as panel:
        Text("h2", heading).props(f'id="heading-{name}"')
        yield panel


def _figures(heading: str, classes: str) -> Figures:
    with Element("div").classes(f"side {classes}"):
        Text("h3", heading)
        return Figures(heading)

"""The page's own elements: each a small component for the browser beside this file, and what feeds it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import events, ui
from nicegui.element import Element

from web.page.cells import Row


class Text(Element):
    """A piece of text in an element of its own; sent where it changes."""

    def __init__(self, tag: str, text: str = "", classes: str = "") -> None:
        super().__init__(tag)
        self.classes(classes)
        self._text = text
        self._said = (text, "")

    def say(self, text: str, tone: str = "") -> None:
        """Show another text."""
        if self._said != (text, tone):
            self._said = (text, tone)
            self._text = text
            self.props["data-tone"] = tone


class _Fed(Element):
    """An element whose content is a property, sent where it changes."""

    def _feed(self, name: str, content: Any) -> None:
        held: dict[str, Any] = self.__dict__.setdefault("held", {})
        if held.get(name) != content:
            held[name] = content
            self.props[name] = content


class Figures(_Fed, component="figures.js"):
    """A list of figures with what they count."""

    def __init__(self, label: str, classes: str = "") -> None:
        super().__init__()
        self.props["label"] = label
        self.props["items"] = []
        self.classes(classes)

    def show(self, items: Sequence[Mapping[str, str]]) -> None:
        """Show these figures."""
        self._feed("items", list(items))


class Board(_Fed, component="board.js"):
    """A table that is read, with a caption for those who hear it."""

    def __init__(self, caption: str, headings: Sequence[str], nothing: str, numeric: str = "") -> None:
        """Show a table; of `numeric` each character is a column's: `r` stands right, all else left."""
        super().__init__()
        self.props["caption"] = caption
        self.props["headings"] = list(headings)
        self.props["nothing"] = nothing
        self.props["sides"] = numeric
        self.props["rows"] = []

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows."""
        self._feed("rows", list(rows))


class Attention(_Fed, component="attention.js"):
    """What needs attention, and the banner over it; told to those who hear the page."""

    def __init__(self) -> None:
        super().__init__()
        self.props["items"] = []
        self.props["banner"] = ""

    def show(self, banner: str, items: Sequence[tuple[str, str]]) -> None:
        """Show the banner, if any, and what needs attention."""
        self._feed("banner", banner)
        self._feed("items", [list(item) for item in items])


class Link(Element, component="link.js"):
    """The page's own end of the connection: theme, visibility, and whether the server answers."""

    def on_seen(self, handler: Callable[[bool, Mapping[str, Any]], Any]) -> None:
        """Call with whether the tab is looked at, and with the symbol that was chosen before."""

        def handle(event: events.GenericEventArguments) -> None:
            asked = event.args if isinstance(event.args, dict) else {}
            handler(asked.get("visible") is not False, asked)

        self.on("seen", handle)

    def remember(self, feed: str, symbol: str) -> None:
        """Have the browser keep which symbol is chosen, for when the page is loaded anew."""
        self.run_method("remember", feed, symbol)

    def beat(self) -> None:
        """Tell that the server is there."""
        self.run_method("beat")


class SymbolTable(Element, component="symbols.js"):
    """The table of symbols, which holds the rows in sight only."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        super().__init__()
        self.props["columns"] = [{"name": name, "label": label} for name, label in columns.items()]

    def on_wanted(self, handler: Callable[[Mapping[str, Any]], Any]) -> None:
        """Call with what the page wants to see."""
        self.on("wanted", lambda event: handler(event.args if isinstance(event.args, dict) else {}))

    def on_chosen(self, handler: Callable[[Mapping[str, Any]], Any]) -> None:
        """Call with the feed and the symbol that was chosen."""
        self.on("chosen", lambda event: handler(event.args if isinstance(event.args, dict) else {}))

    def show(self, changes: Mapping[str, Any]) -> None:
        """Show what has changed."""
        self.run_method("show", dict(changes))

    def mark_chosen(self, feed: str, symbol: str) -> None:
        """Mark the symbol whose chart is shown."""
        self.run_method("mark", feed, symbol)


class _Chart(Element):
    """A chart that keeps what it was told, and is told what is new."""

    def add(self, changes: Mapping[str, Any]) -> None:
        """Draw what is new."""
        self.run_method("add", dict(changes))


class TickChart(_Chart, component="tick_chart.js"):
    """One symbol's price, spread and z."""

    def choose(self, feed: str, symbol: str) -> None:
        """Show another symbol, of which nothing is known yet."""
        self.run_method("choose", feed, symbol)

    def draw_thresholds(self, warn_z: float | None, critical_z: float | None) -> None:
        """Draw where z is remarkable."""
        self.run_method("thresholds", warn_z, critical_z)


class MomentChart(_Chart, component="moment_chart.js"):
    """Throughput or latency over the last minutes."""

    def __init__(
        self, label: str, unit: str, series: Mapping[str, str], *, logarithmic: bool = False
    ) -> None:
        super().__init__()
        self.props["label"] = label
        self.props["logarithmic"] = logarithmic
        self.props["unit"] = unit
        self.props["series"] = [{"name": name, "label": text} for name, text in series.items()]


def load_charts() -> None:
    """Have the charts' library among what every page can import; it comes with NiceGUI."""
    _ = ui.echart

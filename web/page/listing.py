"""The table of symbols: searched, sorted and cut to what the page has in sight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.wording import amount, count, decimals_of, number, part, plain, rate, whole
from web.page.cells import Cell, figure

BASIS_POINTS: Final = 1e4
MOST_ROWS: Final = 200
"""In sight at once; more than a screen holds."""
COLUMNS: Final[Mapping[str, str]] = {
    "symbol": "Symbol", "last": "Last", "bid": "Bid", "ask": "Ask", "spread_mean": "Spread", "vwap": "VWAP",
    "momentum": "Mom. bps", "z": "z", "ticks_per_second": "Ticks/s", "rejects": "Rejects",
}  # fmt: skip
"""What can be sorted by, and its heading."""
Symbol = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the page wants to see of the symbols."""

    search: str = ""
    sort: str = "symbol"
    descending: bool = False
    first: int = 0
    n: int = 40

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "Wanted":
        """Read what a browser sent; whatever makes no sense becomes its default."""
        sort = asked.get("sort")
        return cls(
            plain(asked.get("search"), 60).strip().casefold(),
            sort if isinstance(sort, str) and sort in COLUMNS else "symbol",
            asked.get("descending") is True,
            max(0, whole(asked.get("first"))),
            min(MOST_ROWS, max(1, whole(asked.get("n")))),
        )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where z is remarkable; None: not known."""

    warn_z: float | None = None
    critical_z: float | None = None

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> "Thresholds":
        """Read the detector's settings of a status."""
        detector = part(part(status, "settings"), "detector")
        return cls(number(detector.get("warn_z")), number(detector.get("critical_z")))


def ordered(symbols: Sequence[Symbol], wanted: Wanted) -> list[Symbol]:
    """Give the symbols that match, in order; those without a value come last either way."""
    words = wanted.search.split()
    found = [symbol for symbol in symbols if all(word in _text(symbol) for word in words)]
    if wanted.sort == "symbol":
        return sorted(found, key=_name, reverse=wanted.descending)
    known = [symbol for symbol in found if number(symbol.get(wanted.sort)) is not None]
    known.sort(key=lambda symbol: number(symbol.get(wanted.sort)) or 0.0, reverse=wanted.descending)
    return known + [symbol for symbol in found if number(symbol.get(wanted.sort)) is None]


def _text(symbol: Symbol) -> str:
    return f"{_raw(symbol, 'symbol')} {_raw(symbol, 'feed')}".casefold()


def _name(symbol: Symbol) -> tuple[str, str]:
    return _raw(symbol, "symbol"), _raw(symbol, "feed")


def _raw(symbol: Symbol, name: str) -> str:
    value = symbol.get(name)
    return value if isinstance(value, str) else ""


def names_of(symbol: Symbol) -> tuple[str, str]:
    """Give feed and symbol as the page knows them: what cannot be printed is written out."""
    return plain(symbol.get("feed")), plain(symbol.get("symbol"))


def found_by_names(symbols: Sequence[Symbol], names: tuple[str, str]) -> Symbol | None:
    """Give the symbol that the page knows by these names."""
    like = [symbol for symbol in symbols if (_raw(symbol, "feed"), _raw(symbol, "symbol")) == names]
    # Only then is it worth while to write out thousands of them.
    return like[0] if like else next((symbol for symbol in symbols if names_of(symbol) == names), None)


def cells_of(symbol: Symbol, thresholds: Thresholds) -> list[Cell]:
    """Give a symbol's cells but its name; prices in its own decimals."""
    decimals = decimals_of(symbol.get("last"), symbol.get("bid"), symbol.get("ask"))
    prices: list[Cell] = [(amount(symbol.get(name), decimals), "") for name in ("last", "bid", "ask")]
    momentum, rejects = number(symbol.get("momentum")), whole(symbol.get("rejects"))
    return [
        *prices,
        (amount(symbol.get("spread_mean"), decimals + 1), ""),
        (amount(symbol.get("vwap"), decimals), ""),
        (signed(None if momentum is None else momentum * BASIS_POINTS), ""),
        z_cell(number(symbol.get("z")), thresholds),
        (rate(symbol.get("ticks_per_second")), ""),
        (count(rejects), "" if rejects else "muted"),
    ]


def signed(value: float | None) -> str:
    """Write a number with its sign."""
    written = amount(value, 2)
    return f"+{written}" if value is not None and value > 0 and written.strip("0.,") else written


def z_cell(z: float | None, thresholds: Thresholds) -> Cell:
    """Write a z with the tone that it deserves."""
    written = amount(z, 2)
    if z is not None and thresholds.critical_z is not None and z >= thresholds.critical_z:
        return written, "bad"
    if z is not None and thresholds.warn_z is not None and z >= thresholds.warn_z:
        return written, "warn"
    return written, ""


def quote_figures(symbol: Symbol, thresholds: Thresholds) -> list[dict[str, str]]:
    """Give the figures of one symbol."""
    cells = dict(zip(list(COLUMNS)[1:], cells_of(symbol, thresholds), strict=True))
    return [figure(COLUMNS[name], *cells[name]) for name in cells]


@dataclass(slots=True)
class Listing:
    """What one open page has of the table, so that only changes are sent."""

    wanted: Wanted = field(default_factory=Wanted)
    _sent: dict[int, list[Any]] = field(default_factory=dict)
    _matching: int = -1
    _total: int = -1

    def want(self, wanted: Wanted) -> None:
        """Take what the page wants to see next."""
        if (wanted.search, wanted.sort, wanted.descending) != (
            self.wanted.search, self.wanted.sort, self.wanted.descending,
        ):  # fmt: skip
            self._sent.clear()
        self.wanted = wanted

    def changes(self, symbols: Sequence[Symbol], thresholds: Thresholds) -> dict[str, Any] | None:
        """Give what is new in sight since the last call; None: nothing.

        `rows` are [feed, symbol, cells] by their place in the order.
        """
        found = ordered(symbols, self.wanted)
        last = self.wanted.first + self.wanted.n
        rows = {
            place: [*names_of(symbol), cells_of(symbol, thresholds)]
            for place, symbol in enumerate(found[self.wanted.first : last], self.wanted.first)
        }
        several = len({symbol.get("feed") for symbol in symbols if isinstance(symbol.get("feed"), str)}) > 1
        fresh = {place: row for place, row in rows.items() if self._sent.get(place) != row}
        if not fresh and (self._matching, self._total) == (len(found), len(symbols)):
            return None
        self._sent, self._matching, self._total = rows, len(found), len(symbols)
        return {
            "matching": len(found), "total": len(symbols), "first": self.wanted.first, "several": several,
            "rows": fresh,
        }  # fmt: skip

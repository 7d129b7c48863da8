"""What the live view is put together from: one function a part, each from the status to lines or a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from rich import box
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.wording import (
    NOTHING,
    amount,
    count,
    decimals_of,
    duration,
    number,
    part,
    plain,
    rate,
    recovering,
    rows,
    time_of_day,
    whole,
)
from core.ledger import FRAME_PLACES, PLACES, SOURCES

FULL_WIDTH: Final = 92
"""Below, the symbols' averages are left out."""
BASIS_POINTS: Final = 1e4
FULLEST: Final = 3
STYLES: Final = {
    "up": "green", "dialing": "cyan", "waiting": "yellow", "closed": "dim",
    "running": "green", "starting": "cyan", "restarting": "yellow", "parked": "red", "failed": "red",
}  # fmt: skip
BREAKER_STYLES: Final = {"closed": "green", "half-open": "yellow", "open": "bold red"}
ALERT_STYLES: Final = {"breaker": "red", "parked": "red", "shed": "red", "reject": "magenta", "warn": "dim"}
LABEL_CHARACTERS: Final = 8
LEDGER_WIDTH: Final = 44
FRAME_LABELS: Final = {"shed_frames": "  shed", "in_flight_frames": "  in flight"}


def header(status: Mapping[str, Any], seconds_running: float | None) -> Text:
    """Give the first line: what runs, for how long, and how fast."""
    symbols, lines = rows(status, "symbols"), rows(status, "lines")
    per_second = sum(number(row.get("ticks_per_second")) or 0.0 for row in symbols)
    up = sum(row.get("state") == "up" for row in lines)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(" Tapeline ", "bold reverse")
    if seconds_running is not None:
        text.append(f"  running {duration(seconds_running)}")
    text.append(f"   {rate(per_second)} ticks/s", "bold")
    text.append(f"   {len(symbols):,} symbols")
    text.append(f"   lines {up}/{len(lines)} up", "green" if up == len(lines) else "yellow")
    recovery = part(status, "recovery")
    if recovery and recovery.get("ended") is False:
        text.append(f"   {recovering(recovery)}", "yellow")
    return text


def symbol_table(symbols: Sequence[Mapping[str, Any]], width: int, warn_z: float, critical_z: float) -> Table:
    """Give one row a symbol."""
    averages = width >= FULL_WIDTH
    several = len({plain(row.get("feed"), 40) for row in symbols}) > 1
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="bright_black")
    for name in ("feed", "symbol") if several else ("symbol",):
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=18)
    headings = [
        "last",
        "bid",
        "ask",
        *(["spread", "VWAP"] if averages else []),
        "mom bps",
        "z",
        "ticks/s",
        "rejects",
    ]
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True, overflow="ellipsis")
    for row in symbols:
        cells = _symbol_cells(row, averages, warn_z, critical_z)
        names = [Text(plain(row.get("symbol"), 40) or NOTHING, "bold")]
        table.add_row(*([Text(plain(row.get("feed"), 40)), *names] if several else names), *cells)
    if not symbols:
        table.add_row(Text("none yet", "dim"))
    return table


def _symbol_cells(row: Mapping[str, Any], averages: bool, warn_z: float, critical_z: float) -> list[Text]:
    decimals = decimals_of(row.get("last"), row.get("bid"), row.get("ask"))
    prices = [Text(amount(row.get(name), decimals)) for name in ("last", "bid", "ask")]
    means = [Text(amount(row.get("spread_mean"), decimals + 1)), Text(amount(row.get("vwap"), decimals))]
    momentum, rejects = number(row.get("momentum")), whole(row.get("rejects"))
    return [
        *prices,
        *(means if averages else []),
        _signed(None if momentum is None else momentum * BASIS_POINTS),
        _z(number(row.get("z")), warn_z, critical_z),
        Text(rate(row.get("ticks_per_second"))),
        Text(count(rejects), "yellow" if rejects else "dim"),
    ]


def _signed(value: float | None) -> Text:
    written = amount(value, 2)
    rising = value is not None and value > 0
    return Text(f"+{written}" if rising else written, "green" if rising else "red" if value else "")


def _z(z: float | None, warn_z: float, critical_z: float) -> Text:
    if z is None:
        return Text(NOTHING, "dim")
    return Text(amount(z, 2), "bold red" if z >= critical_z else "yellow" if z >= warn_z else "")


def pipeline_rows(status: Mapping[str, Any]) -> list[Text]:
    """Give lines, stores and actors, one row each; what is in trouble comes first among its kind."""
    lines = sorted(rows(status, "lines"), key=lambda row: row.get("state") == "up")
    actors = rows(status, "actors")
    return [
        *(_supervision(actors)),
        *(_reload(part(status, "reload"))),
        *(_store(row) for row in rows(status, "stores")),
        *(_line(row) for row in lines),
    ] or [Text("nothing known yet", "dim")]


def _supervision(actors: Sequence[Mapping[str, Any]]) -> list[Text]:
    if not actors:
        return []
    states = Counter(plain(row.get("state"), 20) for row in actors)
    restarts = sum(whole(row.get("restarts")) for row in actors)
    text = _labelled("actors")
    for state, n in sorted(states.items()):
        text.append(f"{n:,} {state}  ", STYLES.get(state, ""))
    text.append(f"{restarts:,} restarts", "yellow" if restarts else "dim")
    troubled = [_trouble(row) for row in actors if row.get("state") in ("restarting", "parked", "failed")]
    fullest = sorted(actors, key=lambda row: -whole(row.get("waiting")))[:FULLEST]
    return [text, *troubled, *(_waiting(row) for row in fullest if whole(row.get("waiting")))]


def _reload(row: Mapping[str, Any]) -> list[Text]:
    """Say what has become of the last reload of the configuration, if there was one."""
    if not whole(row.get("number")):
        return []
    text = _labelled("reload", time_of_day(row.get("at_ns")))
    if row.get("error"):
        return [text.append(" refused", "yellow").append(f": {plain(row['error'])}", "dim")]
    changed, later = (row.get(name) for name in ("changed", "next_start"))
    text.append(f" {_length(changed)} changed", "green")
    return [text.append(f", {_length(later)} at the next start", "yellow" if later else "dim")]


def _length(listed: object) -> str:
    return count(len(listed) if isinstance(listed, list | tuple) else 0)


def _trouble(row: Mapping[str, Any]) -> Text:
    state = plain(row.get("state"), 20)
    text = _labelled("actor", plain(row.get("child"), 60)).append(f" {state}", STYLES.get(state, ""))
    return text.append(f": {plain(row['text'])}", "dim") if row.get("text") else text


def _waiting(row: Mapping[str, Any]) -> Text:
    text = _labelled("mailbox", plain(row.get("child"), 60))
    return text.append(f" {count(row.get('waiting'))} waiting", "cyan")


def _store(row: Mapping[str, Any]) -> Text:
    state, spooled = plain(row.get("state"), 20), whole(row.get("spooled_rows"))
    text = _labelled("store", plain(row.get("store"), 40))
    text.append(f" breaker {state}", BREAKER_STYLES.get(state, ""))
    return text.append(f", {spooled:,} rows spooled", "yellow" if spooled else "dim")


def _line(row: Mapping[str, Any]) -> Text:
    state, why, seconds = plain(row.get("state"), 20), plain(row.get("text")), number(row.get("wait_seconds"))
    text = _labelled("line", plain(row.get("line"), 60)).append(f" {state}", STYLES.get(state, ""))
    if state == "waiting" and seconds is not None:
        text.append(f" {amount(seconds, 1)} s", STYLES[state])
    return text.append(f": {why}", "dim") if why else text


def _labelled(label: str, name: str = "") -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append(label.ljust(LABEL_CHARACTERS), "bright_black").append(name)


def ledger_panel(status: Mapping[str, Any], height: int) -> Panel:
    """Give the ledger, as wide as its numbers ask for: sources and frames left, places right."""
    ledger = part(status, "ledger")
    total, frames = part(ledger, "total"), part(ledger, "frames")
    left = [(name.replace("_", " "), count(total.get(name))) for name in SOURCES]
    left += [("frames", count(frames.get("frames")))]
    left += [(FRAME_LABELS.get(name, f"  {name}"), count(frames.get(name))) for name in FRAME_PLACES]
    right = [(name.replace("_", " "), count(total.get(name))) for name in PLACES]
    grid = Table.grid(expand=True, padding=(0, 1))
    for justify in ("left", "right", "left", "right"):
        grid.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
    for pairs in zip_longest(left, right, fillvalue=("", "")):
        grid.add_row(*(Text(cell) for pair in pairs for cell in pair))
    # A border and a space on either side, and one between the columns.
    width = 7 + sum(max(len(pair[i]) for pair in side) for side in (left, right) for i in (0, 1))
    return Panel(
        grid if ledger else Text("nothing counted yet", "dim"), title=_verdict(ledger), title_align="left",
        box=box.ROUNDED, border_style="bright_black", height=height, width=max(LEDGER_WIDTH, width),
    )  # fmt: skip


def _verdict(ledger: Mapping[str, Any]) -> Text:
    text = Text("Ledger", "bold")
    if not ledger:
        return text
    balanced = ledger.get("balanced") is True
    return text.append(" BALANCED" if balanced else " NOT BALANCED", "bold green" if balanced else "bold red")


def alert_rows(status: Mapping[str, Any]) -> list[Text]:
    """Give the alerts, the newest first."""
    return [_alert(row) for row in reversed(rows(status, "alerts"))]


def _alert(row: Mapping[str, Any]) -> Text:
    kind, held_back = plain(row.get("kind"), 20), whole(row.get("held_back"))
    what = plain(row.get("text"))
    # Most alerts name their place themselves.
    places = [place for name in ("feed", "symbol") if (place := plain(row.get(name), 40)) not in what]
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(time_of_day(row.get("ts_ns")), "bright_black").append(
        f" {kind}", ALERT_STYLES.get(kind, "yellow")
    )
    text.append(f" {' '.join(places)}" if places else "", "bold")
    if held_back:
        text.append(f" (and {held_back:,} more like it)", "dim")
    return text.append(f" {what}")

"""Draws the throughput of the subjects beside the limit, and latency by load, as SVG."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any, Final
from xml.sax.saxutils import escape

WIDTH: Final = 720
_BAR: Final = 22
_LEFT: Final = 230
_PLOT: Final = 300
_COLOURS: Final = ("#1f6f8b", "#c05b2e", "#5a8f3c", "#7b4fa3")

Document = Mapping[str, Any]
Point = tuple[float, float]


def picture(documents: Sequence[Document]) -> str:
    """Draw what there is of both; "" where there is nothing to draw."""
    parts: list[str] = []
    height = 20
    for benchmark, draw in (("throughput", _bars), ("latency", _lines)):
        rows = [
            row
            for document in documents
            if document["benchmark"] == benchmark
            for table in document["tables"]
            for row in table["rows"]
        ]
        drawn, taken = draw(rows, height)
        parts += drawn
        height += taken
    if not parts:
        return ""
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *parts, "</svg>", ""])


def _bars(rows: Sequence[Document], top: int) -> tuple[list[str], int]:
    """Draw a bar a subject, as long as its share of the limit, with min and max."""
    shown = [row for row in rows if row.get("of the limit")]
    parts = []
    for number, row in enumerate(shown):
        share, rate = row["of the limit"], row["messages/s"]
        y = top + 24 + number * _BAR
        long, low, high = (min(share[name], 1.2) * (WIDTH - _LEFT - 150) for name in ("median", "min", "max"))
        parts += [
            _text(_LEFT - 8, y + 12, row["subject"], "end"),
            f'<rect x="{_LEFT}" y="{y}" width="{long:.1f}" height="{_BAR - 7}" fill="{_COLOURS[0]}"/>',
            f'<path d="M{_LEFT + low:.1f} {y + 7}H{_LEFT + high:.1f}" stroke="black"/>',
            _text(_LEFT + max(long, high) + 6, y + 12, f"{rate['median']:,.0f}/s = {share['median']:.2g}"),
        ]
    if not shown:
        return [], 0
    return [_text(10, top + 10, "Messages a second, as a share of the limit"), *parts], 50 + len(shown) * _BAR


def _lines(rows: Sequence[Document], top: int) -> tuple[list[str], int]:
    """Draw latency over load, both logarithmic: a line for each quantile of each stage."""
    series: dict[str, list[Point]] = {}
    for row in rows:
        for head, value in row.items():
            if head.startswith(("signal", "stored")) and head.endswith(("p50, µs", "p99, µs")) and value:
                series.setdefault(head, []).append((row["ticks/s"], value["median"]))
    points = [point for line in series.values() for point in line]
    if not points:
        return [], 0
    xs, ys = [log10(x) for x, _ in points], [log10(y) for _, y in points]
    across = _Scale(min(xs), max(xs), 70, WIDTH - 220)
    up = _Scale(float(int(min(ys))), float(int(max(ys)) + 1), top + 30 + _PLOT, top + 30)
    parts = [_text(10, top + 10, "Latency in µs by ticks a second (open loop)")]
    for power in range(int(min(ys)), int(max(ys)) + 2):
        y = up.at(power)
        parts += [
            f'<path d="M70 {y:.1f}H{WIDTH - 220}" stroke="#ddd"/>',
            _text(64, y + 4, f"{10**power:,}", "end"),
        ]
    parts += [_text(across.at(x), top + _PLOT + 50, f"{10**x:,.0f}", "middle") for x in sorted(set(xs))]
    for number, (name, line) in enumerate(series.items()):
        path = " ".join(f"{across.at(log10(x)):.1f},{up.at(log10(y)):.1f}" for x, y in sorted(line))
        colour = _COLOURS[number % len(_COLOURS)]
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            _text(WIDTH - 205, top + 40 + 18 * number, name, colour=colour),
        ]
    return parts, _PLOT + 70


class _Scale:
    """Maps values to places."""

    def __init__(self, low: float, high: float, start: float, stop: float) -> None:
        self._low, self._start = low, start
        self._per = (stop - start) / ((high - low) or 1.0)

    def at(self, value: float) -> float:
        """Give a value's place."""
        return self._start + (value - self._low) * self._per


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'

"""A plot as PNG, by matplotlib, without a display."""

import io
from typing import Any

from cli.plot_frame import COLOURS, CRITICAL, WARN, instants, marks, price_range
from cli.plot_points import Points


def png(points: Points, warn_z: float, critical_z: float) -> bytes:
    """Draw price, spread and z, one below the other; 1,600 by 1,000 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 10), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(5, 1.5, 2))
    # A dollar sign is none of TeX's here.
    figure.suptitle(points.title(), fontsize=12, parse_math=False)
    for axis, names in zip(axes, (("bid", "ask", "vwap", "price"), ("spread",), ("z",)), strict=True):
        for name in names:
            _line(axis, points, name)
    _prices(axes[0], points)
    axes[1].set_ylabel("spread")
    _scores(axes[2], points, warn_z, critical_z)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _line(axis: Any, points: Points, name: str) -> None:
    times, values = points.lines[name].points()
    if len(times):
        # Points stand alone where a line would need two.
        marker = "." if len(times) == 1 else None
        axis.plot(instants(times), values, color=COLOURS[name], linewidth=0.9, marker=marker, label=name)
    axis.grid(alpha=0.25)


def _prices(axis: Any, points: Points) -> None:
    low, high = price_range(points)
    axis.set_ylim(low, high)
    axis.set_ylabel("price")
    for each in marks(points):
        axis.scatter(
            each.times, each.heights, s=46, marker="X", color=each.colour, linewidths=0, zorder=5,
            clip_on=False, label=f"rejected: {each.reason} ({len(each.heights)})",
        )  # fmt: skip
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left", fontsize=9, framealpha=0.85)


def _scores(axis: Any, points: Points, warn_z: float, critical_z: float) -> None:
    axis.axhline(warn_z, color=WARN, linestyle="--", linewidth=1)
    axis.axhline(critical_z, color=CRITICAL, linestyle="--", linewidth=1)
    for each in marks(points):
        axis.scatter(each.times, each.z, s=30, marker="X", color=each.colour, linewidths=0, zorder=5)
    axis.set_ylabel("z")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("UTC")

"""A plot as one HTML file, by plotly: its script is inside, and nothing is fetched from anywhere."""

from typing import Any, Final

from cli.plot_frame import COLOURS, CRITICAL, WARN, instants, marks, price_range
from cli.plot_points import Points

_ROWS: Final = {"bid": 1, "ask": 1, "vwap": 1, "price": 1, "spread": 2, "z": 3}
_CONFIG: Final = {"displaylogo": False, "responsive": True, "showSendToCloud": False}


def html(points: Points, warn_z: float, critical_z: float) -> bytes:
    """Draw price, spread and z, one below the other, to zoom into and hover over."""
    import plotly.graph_objects as go  # type: ignore[import-untyped]
    from plotly.subplots import make_subplots  # type: ignore[import-untyped]

    figure: Any = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=[0.6, 0.16, 0.24]
    )
    for name, row in _ROWS.items():
        times, values = points.lines[name].points()
        if len(times):
            trace = go.Scatter(
                x=instants(times), y=values, name=name, mode="lines+markers" if len(times) == 1 else "lines",
                line={"color": COLOURS[name], "width": 1.2},
            )  # fmt: skip
            figure.add_trace(trace, row=row, col=1)
    for each in marks(points):
        for row, heights in ((1, each.heights), (3, each.z)):
            trace = go.Scatter(
                x=each.times, y=heights, mode="markers", text=each.texts, hoverinfo="x+text",
                name=f"rejected: {each.reason} ({len(each.heights)})", legendgroup=each.reason,
                showlegend=row == 1, marker={"symbol": "x", "size": 10, "color": each.colour},
                cliponaxis=False,
            )  # fmt: skip
            figure.add_trace(trace, row=row, col=1)
    figure.add_hline(warn_z, line={"color": WARN, "dash": "dash"}, row=3, col=1)
    figure.add_hline(critical_z, line={"color": CRITICAL, "dash": "dash"}, row=3, col=1)
    figure.update_yaxes(title_text="price", range=list(price_range(points)), row=1, col=1)
    figure.update_yaxes(title_text="spread", row=2, col=1)
    figure.update_yaxes(title_text="z", rangemode="tozero", row=3, col=1)
    figure.update_xaxes(title_text="UTC", row=3, col=1)
    figure.update_layout(title=_escaped(points.title()), template="plotly_white", hovermode="closest")
    text: str = figure.to_html(include_plotlyjs=True, include_mathjax=False, config=_CONFIG)
    return text.encode()


def _escaped(text: str) -> str:
    """Keep a symbol from being taken for plotly's little markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

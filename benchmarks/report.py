"""Turn figures into tables and a plot: `report FILE.json ... -o PAGE` fills the page's generated parts.

A generated part lies between `<!-- NAME: generated -->` and `<!-- end of NAME -->`, where NAME is a
benchmark's, `machine` or `plot`; a page that has none of a name gets it at its end. All other text stays.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot import picture

Document = Mapping[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what may be chosen."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE")


def write(options: argparse.Namespace) -> None:
    """Fill the page, and write the plot beside it."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in options.files]
    page: Path = options.output
    text = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
    for document in documents:
        text = filled(text, document["benchmark"], as_markdown(document))
    text = filled(text, "machine", machine_line(documents))
    drawn = picture(documents)
    if drawn:
        drawing = page.with_suffix(".svg")
        drawing.write_text(drawn, encoding="utf-8")
        text = filled(text, "plot", f"![Throughput beside the limit; latency by load]({drawing.name})")
    page.write_text(text, encoding="utf-8")


def filled(page: str, name: str, content: str) -> str:
    """Put content into a page's generated part of a name."""
    begin, end = f"<!-- {name}: generated -->", f"<!-- end of {name} -->"
    part = f"{begin}\n{content}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda _: part, page)
    return f"{page.rstrip()}\n\n{part}\n"


def machine_line(documents: Sequence[Document]) -> str:
    """Say what was measured on; every machine once."""
    lines = []
    for document in documents:
        of = document["machine"]
        packages = ", ".join(f"{name} {version}" for name, version in of["packages"].items())
        hardware = f"{of['cpu']}, {of['cores']} cores, {of['memory_gb']} GB, {of['kernel']}"
        line = f"{hardware}, Python {of['python']}; {packages}."
        if line not in lines:
            lines.append(line)
    return "\n\n".join(lines)


def as_markdown(document: Document) -> str:
    """Give a benchmark's tables and notes."""
    parts = []
    for table in document["tables"]:
        heads, cells = _cells(table["rows"])
        if not heads:
            continue
        marks = ["---", *("---:" for _ in heads[1:])]
        lines = [f"| {' | '.join(line)} |" for line in (heads, marks, *cells)]
        parts.append(f"**{table['title']}**\n\n" + "\n".join(lines))
    options = ", ".join(f"{name} {_figure(value)}" for name, value in document["options"].items())
    return "\n\n".join([*parts, f"({options})", *(f"- {note}" for note in document["notes"])])


def as_text(document: Document) -> str:
    """Give the same for a terminal."""
    parts = []
    for table in document["tables"]:
        heads, cells = _cells(table["rows"])
        widths = [max(len(line[i]) for line in (heads, *cells)) for i in range(len(heads))]
        lines = ["  ".join(_padded(line, widths)).rstrip() for line in (heads, *cells)]
        parts.append("\n".join([table["title"], *lines]))
    return "\n\n".join([*parts, *(f"note: {note}" for note in document["notes"])])


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]


def _cells(rows: Sequence[Document]) -> tuple[list[str], list[list[str]]]:
    heads = list(dict.fromkeys(head for row in rows for head in row))
    heads = [head for head in heads if any(row.get(head) is not None for row in rows)]
    return heads, [[_figure(row.get(head)) for head in heads] for row in rows]


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        median, low, high = (_figure(value[name]) for name in ("median", "min", "max"))
        return median if value.get("runs") == 1 else f"{median} ({low} to {high})"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"

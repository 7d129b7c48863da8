"""Write docs/tables.md from the schemas: `python docs/generate_tables.py`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python looks for modules beside the script only.
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from stores.schema import BARS, DERIVED, SCHEMA_VERSION, TABLES  # noqa: E402

PAGE = ROOT / "docs" / "tables.md"

HEAD = f"""\
# Tables

<!-- Written by docs/generate_tables.py; change stores/schema.py and run it again. -->

What `query` gives, and what a store keeps (tables of version {SCHEMA_VERSION}).

- Times are UTC epoch nanoseconds. What is absent is NULL; zero is a value.
- Rows come ordered by time (the event time, and the receive time where that is NULL), then by
  `session`, `line`, `frame`, `item`, which together name a record for ever. Ranges go by the same
  time; the start is part of a range, the end is not.
- Text that is not valid Unicode has U+FFFD in the place of each fault.
- In the lake, every table has one column more, `date`: the date (UTC) of a row's time, by which its
  files are kept apart.
"""

SECTIONS = {
    "ticks": "Accepted ticks.",
    "rejects": "Records that were refused: ticks with their scores, and what could not become a tick.",
    "gaps": "What is known to be missing.",
    "alerts": "What an operator was told, each at least once.",
    "dead_letters": "Records that their handler or the store could not take.",
}


def page() -> str:
    """Give the page as it should be."""
    tables = (_section(f"`{name}`", SECTIONS[name], schema) for name, schema in TABLES.items())
    derived = _section("Derived columns", "A query of `ticks` adds these; NULL where undefined.", DERIVED)
    bars = _section(
        "`bars`",
        "Computed when asked for, at any interval, from the accepted trades (`kind` is `trade` or `both`), "
        "ordered by\ntime and origin. Bars are always whole: a range is one of their starts.",
        BARS,
    )
    return HEAD + "".join(tables) + derived + bars


def _section(heading: str, text: str, schema: pa.Schema) -> str:
    columns: Iterable[Any] = schema
    rows = "".join(
        f"| `{field.name}` | {_type(field.type)} | {field.metadata[b'comment'].decode()} |\n"
        for field in columns
    )
    return f"\n## {heading}\n\n{text}\n\n| column | type | meaning |\n|---|---|---|\n{rows}"


def _type(kind: pa.DataType) -> str:
    return {"string": "text", "double": "float64", "binary": "bytes"}.get(str(kind), str(kind))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

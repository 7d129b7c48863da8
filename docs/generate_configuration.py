"""Write docs/configuration.md from the models: `python docs/generate_configuration.py`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python looks for modules beside the script only.
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from core.secret import Secret  # noqa: E402
from core.settings import TABLES, Settings, Table  # noqa: E402
from core.settings_text import toml  # noqa: E402

PAGE = ROOT / "docs" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by docs/generate_configuration.py; change the models in core/ and run it again. -->

Tapeline reads one TOML file, named with `--config`; without it, everything below has its default,
which is what `config.toml` spells out. A table or key that is left out has its default too: without
`[[feeds]]` there is the demo feed, without `[[stores]]` the lake.

- `python supervisor.py check` says what is wrong, all of it at once, or prints the settings in effect.
- `--set table.key=value` counts for more than the file and may be repeated. Entries of a list are
  addressed by position, from 0: `--set feeds.0.url=ws://127.0.0.1:9000`. A value that is not TOML is
  a string; to set a string that looks like a number, quote it twice: `--set 'feeds.0.name="1"'`.
- **Secrets** do not belong in a file. Where the type says *secret*, `"env:NAME"` stands for what the
  environment variable `NAME` holds when Tapeline starts. Wherever settings are shown, such a value
  is written `env:NAME` again, a URL loses its credentials and its query, and any other secret is
  `***`.
- Types are strict: `"5"` is not 5, and `true` is not 1. Where a number is wanted, an integer will do.
- Units are part of the names: `_seconds`, `_ms` (thousandths of a second), `_mb` (2^20 bytes), `_bps`
  (hundredths of a percent).

| key | type | default | bounds | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """Give the page as it should be."""
    top = (_row(key, field) for key, field in Settings.model_fields.items() if key not in TABLES)
    return HEAD + "".join(top) + "".join(_section(name, table) for name, table in TABLES.items())


def _section(name: str, table: type[Table]) -> str:
    heading = f"[[{name}]]" if get_origin(Settings.model_fields[name].annotation) is tuple else f"[{name}]"
    rows = "".join(_row(key, field) for key, field in table.model_fields.items())
    columns = "| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n"
    return f"\n## `{heading}`\n\n{table.__doc__}\n\n{columns}{rows}"


def _row(key: str, field: FieldInfo) -> str:
    cells = (f"`{key}`", _type(field.annotation), _default(field), _bounds(field), field.description or "")
    return f"| {' | '.join(cells)} |\n"


def _default(field: FieldInfo) -> str:
    if "default" in (extra := _extra(field)):
        return str(extra["default"])
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Path | Secret):
        default = str(default)
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return f"`{toml(default)}`"


def _bounds(field: FieldInfo) -> str:
    if "bounds" in (extra := _extra(field)):
        return str(extra["bounds"])
    low = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in field.metadata if isinstance(limit, Le)), None)
    return "" if low is None else f"{low:,} to {high:,}"


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _type(annotation: Any) -> str:
    origin: Any = get_origin(annotation)
    inner = get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " or ".join(f"`{toml(word)}`" for word in inner)
    if origin in (Union, UnionType):
        # A backtick sorts before letters, so that words to be written come before types.
        return " or ".join(sorted(map(_type, inner)))
    if origin is tuple:
        return f"list of: {_type(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of: {_type(inner[1])}"
    return {bool: "`true` or `false`", int: "integer", float: "number", Secret: "string, *secret*"}.get(
        annotation, "string"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Write settings as TOML."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from core.settings import Settings

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def effective(settings: Settings) -> str:
    """Give the settings as TOML that can be loaded again, but for secrets, which are masked.

    What came from the environment is written `env:NAME`, as it was.
    """
    dump = settings.model_dump()
    tables = {key: value for key, value in dump.items() if isinstance(value, dict | tuple)}
    parts = ["".join(_lines({key: value for key, value in dump.items() if key not in tables}))]
    for name, value in tables.items():
        header, entries = (f"[{name}]", [value]) if isinstance(value, dict) else (f"[[{name}]]", value)
        parts += ["".join([f"{header}\n", *_lines(entry)]) for entry in entries]
    return "\n".join(parts)


def toml(value: Any) -> str:
    """Write one value: a boolean, number or string, or a list or inline table of them."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}" if abs(value) >= 10_000 else str(value)
        case float():
            return repr(value)
        case str():
            return f'"{"".join(map(_escaped, value))}"'
        case Mapping():
            pairs = ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
    return f"[{', '.join(map(toml, value))}]"


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if value is None:
            # It says what another key says.
            continue
        yield f"{_key(key)} = {toml(value)}\n"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml(key)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    # A path may hold bytes that are no UTF-8; TOML has no way to write them.
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return f"\\U{ord(character):08x}"

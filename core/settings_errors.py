"""Put what pydantic found wrong into lines that a user can act on: path, value, bound, nearest known key."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.settings import SECRET_KEYS, TABLES, Settings
from core.suggest import did_you_mean, nearest, quote

Location = tuple[int | str, ...]

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_INTEGER: Final = 2**63
_WANTED: Final = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "path_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
}


def lines(error: ValidationError) -> tuple[str, ...]:
    """Give one line for each thing that is wrong; secrets are not repeated."""
    return tuple(
        f"{path_of(_place(item))}: {_complaint(item)}"
        for item in error.errors(include_url=False)
        # A default that follows from another field, which is reported itself.
        if item["type"] != "default_factory_not_called"
    )


def path_of(location: Location) -> str:
    """Write a place in the configuration as `feeds[0].stale_seconds`."""
    return "".join(_steps(location)).removeprefix(".")


def _steps(location: Location) -> Iterator[str]:
    for part in location:
        if isinstance(part, int):
            yield f"[{part}]"
        else:
            yield f".{part if _BARE_KEY.fullmatch(part) else quote(part)}"


def _place(item: ErrorDetails) -> Location:
    location = item["loc"]
    # Pydantic marks errors of a key, as against its value, behind the key; but a key may be spelled so.
    is_marked = item["type"] != "extra_forbidden" and location[-2:] == (item["input"], "[key]")
    return location[:-1] if is_marked else location


def _complaint(item: ErrorDetails) -> str:
    kind, place, context = item["type"], _place(item), item.get("ctx", {})
    value = _shown(item["input"], secret=not SECRET_KEYS.isdisjoint(place))
    match kind:
        case "extra_forbidden":
            return f"unknown key{_hint(place)}"
        case "greater_than_equal":
            return f"{value} is too low; at least {_shown(context['ge'])}"
        case "less_than_equal":
            return f"{value} is too high; at most {_shown(context['le'])}"
        case "finite_number":
            return f"must be a finite number, not {value}"
        case "literal_error":
            known = re.findall(r"'([^']*)'", context["expected"])
            return f"{value} is not known{did_you_mean(str(item['input']), known)}"
        case "value_error":
            return str(context["error"])
        case "tuple_type" if place in (("feeds",), ("stores",)):
            return f"must be a list of tables, written [[{place[0]}]], not {value}"
        case _ if kind in _WANTED:
            return f"must be {_WANTED[kind]}, not {value}"
    return item["msg"]


def _hint(place: Location) -> str:
    """Point from an unknown key to the nearest known one, in its own table or else in another."""
    *_, key = place
    table = TABLES.get(str(place[0])) if len(place) > 1 else Settings
    known = tuple(table.model_fields) if table else ()
    if nearest(str(key), known) is None:
        for name, other in TABLES.items():
            if key in other.model_fields:
                return f'; did you mean "{name}.{key}"?'
    return did_you_mean(str(key), known)


def _shown(value: Any, *, secret: bool = False) -> str:
    """Show a value that TOML can hold: in full if it is short and no secret, else its kind."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= _LARGEST_INTEGER:
            return "an integer of more than 64 bits"
        case int() | float():
            return "a number" if secret else str(value)
        case str():
            return "a string" if secret else quote(value)
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"

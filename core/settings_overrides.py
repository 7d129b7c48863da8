"""Apply `--set table.key=value` to a configuration that was read but not yet checked."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from core.settings import CHANNELS, DEMO_SYMBOLS
from core.suggest import quote

MAX_POSITION_DIGITS = 9


def override(document: dict[str, Any], assignments: Iterable[str]) -> list[str]:
    """Apply each assignment to the document, in place and in order; give one line for each that cannot be.

    Lists are addressed by position, from 0. A value that is not TOML is a string.
    """
    errors = []
    for assignment in assignments:
        try:
            _assign(document, assignment)
        except ValueError as error:
            errors.append(str(error))
    return errors


def _assign(document: dict[str, Any], assignment: str) -> None:
    key, equals, text = assignment.partition("=")
    if not equals:
        raise ValueError(f"--set {quote(assignment)}: write it as table.key=value")
    path = _parts(key.strip())
    place: Any = document
    for depth, part in enumerate(path[:-1]):
        if isinstance(place, dict) and part not in place:
            place[part] = _left_out(path[: depth + 1], place)
        place = place[_key(place, part, path[:depth])]
    place[_key(place, path[-1], path[:-1])] = _value(text)


def _parts(key: str) -> list[str]:
    """Split a dotted key as TOML does, so that parts may be quoted."""
    try:
        place: Any = tomllib.loads(f"{key} = 0") if key.isprintable() else {}
    except (ValueError, RecursionError):
        place = {}
    path = []
    while isinstance(place, dict):
        if len(place) != 1:
            raise ValueError(f"--set {quote(key)}: is not a key; write it as table.key=value")
        ((part, place),) = place.items()
        path.append(part)
    return path


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    # A line feed in the text can begin another key.
    return parsed["value"] if len(parsed) == 1 else text


def _key(place: Any, part: str, path: list[str]) -> str | int:
    name = quote(".".join(path))
    if isinstance(place, dict):
        return part
    if not isinstance(place, list):
        raise ValueError(f"--set {quote('.'.join([*path, part]))}: {name} is neither a table nor a list")
    if not (part.isascii() and part.isdigit()):
        raise ValueError(
            f"--set {quote('.'.join([*path, part]))}: {name} is a list; write a position, from 0 on"
        )
    if len(part) > MAX_POSITION_DIGITS or int(part) >= len(place):
        last = f"; the last position is {len(place) - 1}" if place else ""
        raise ValueError(f"--set {quote('.'.join([*path, part]))}: {name} has {len(place)} entries{last}")
    return int(part)


def _left_out(path: list[str], table: Mapping[str, Any]) -> Any:
    """Give what a key that was left out stands for, so that its parts can be set one by one."""
    match path:
        case ["feeds" | "stores"]:
            return [{}]
        case ["feeds", _, "symbols"]:
            return list(DEMO_SYMBOLS) if table.get("venue", "demo") == "demo" else []
        case ["feeds", _, "channels"]:
            return list(CHANNELS)
        case _:
            return {}

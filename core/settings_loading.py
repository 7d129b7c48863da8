"""Read a configuration: file, then overrides, then checks. All that is wrong is told at once."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from core.errors import SettingsError
from core.settings import Settings
from core.settings_errors import lines
from core.settings_overrides import override
from core.suggest import quote

MAX_FILE_BYTES: Final = 1 << 20


def load(path: Path | None, overrides: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Give the settings of a configuration file, or of no file: all defaults.

    `overrides` are of the form `table.key=value` and count for more than the file. Values written
    `"env:NAME"` are looked up in `environ`. A relative `data_dir` is relative to the directory of the
    file, without one to the working directory; it comes out absolute. Raises SettingsError.
    """
    document = {} if path is None else _read(path)
    errors = override(document, overrides)
    context = {"environ": environ, "base": _base(path)}
    try:
        settings = Settings.model_validate(document, context=context)
    except ValidationError as error:
        errors += lines(error)
    errors += shared(document)
    # Raised here and not in the handler above, whose exception holds secrets.
    if errors:
        raise SettingsError(tuple(errors))
    return settings


def _base(path: Path | None) -> Path:
    try:
        return (path.parent if path else Path()).absolute()
    except OSError as error:
        raise SettingsError((f"the working directory is gone: {error.strerror}",)) from None


def _read(path: Path) -> dict[str, Any]:
    name = quote(str(path), at_most=len(str(path)))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError((f"{name}: cannot be read: {error.strerror or 'I/O error'}",)) from None
    except ValueError:
        raise SettingsError((f"{name}: is not a file name",)) from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError((f"{name}: is larger than 1 MiB, which no configuration is",))
    try:
        return _parse(content)
    except ValueError as error:
        raise SettingsError((f"{name}: {error}",)) from None


def _parse(content: bytes) -> dict[str, Any]:
    try:
        # Some editors put a byte order mark first, which TOML does not know.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 (at line {line})") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error).replace("at end of document", f"at {_end(text)}")) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError:
        # Python converts no decimal integer of more than 4,300 digits.
        raise ValueError("an integer has too many digits") from None


def _end(text: str) -> str:
    return f"line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}, the end"


def shared(document: Mapping[str, Any]) -> Iterator[str]:
    """Tell of names and paths that two entries share.

    Looks at the document and not at the models, so that it has its say even if something else is wrong.
    """
    for table, key, default in (
        ("feeds", "name", ("venue", "demo")),
        ("stores", "name", ("kind", "lake")),
        ("stores", "path", ("path", "lake")),
    ):
        entries = document.get(table)
        seen: dict[str, int] = {}
        for at, entry in enumerate(entries if isinstance(entries, list) else ()):
            value = entry.get(key, entry.get(*default)) if isinstance(entry, dict) else None
            if not isinstance(value, str) or (key == "path" and entry.get("kind", "lake") != "lake"):
                continue
            # Names become parts of paths, and not every file system tells upper from lower case.
            first = seen.setdefault(value.casefold(), at)
            if first != at:
                yield f"{table}[{at}].{key}: {quote(value)} is already the {key} of {table}[{first}]"

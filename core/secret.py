"""Settings that may hold a secret: read from the environment, and masked wherever they are shown.

The validators here give a `Secret` for what the configuration says: `"env:NAME"` is looked up in the
`environ` mapping of the validation context, anything else is taken as written. None of their errors
repeats the value.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

MASK: Final = "***"
ENV: Final = "env:"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret:
    """A text that is only given away on request; `str`, `repr` and dumps show the masked form.

    `shown` is `env:NAME` for what came from the environment, a URL without its credentials and
    query, or `***`.
    """

    __slots__ = ("_value", "shown")

    def __init__(self, value: str, shown: str = MASK) -> None:
        self._value = value
        self.shown = shown

    def reveal(self) -> str:
        """Give the text itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Secret({self.shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


def hidden_text(value: Any, info: ValidationInfo) -> Secret:
    """Take a text that is shown as `***`: a header's value, a storage option."""
    return _take(value, info, _check_text, lambda text: MASK if text else "")


def websocket_url(value: Any, info: ValidationInfo) -> Secret:
    """Take a ws or wss URL, or nothing; credentials and query are masked."""
    return _take(value, info, lambda text: _check_url(text, ("ws", "wss")), mask_url)


def database_url(value: Any, info: ValidationInfo) -> Secret:
    """Take a PostgreSQL or an HTTP URL, or nothing; credentials and query are masked."""
    schemes = ("postgresql", "postgres", "http", "https")
    return _take(value, info, lambda text: _check_url(text, schemes), mask_url)


def webhook_url(value: Any, info: ValidationInfo) -> Secret:
    """Take an http or https URL, or nothing; its path is masked too, since there webhooks keep their keys."""
    return _take(value, info, lambda text: _check_url(text, ("http", "https")), _mask_all_but_host)


def proxy_url(value: Any, info: ValidationInfo) -> Secret:
    """Take `http://[user:password@]host:port`, or nothing; credentials are masked."""
    return _take(value, info, _check_proxy, mask_url)


def mask_url(url: str) -> str:
    """Give a valid URL with its credentials and its query hidden."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{MASK}@{host}" if "@" in parts.netloc else host
    return urlunsplit(parts._replace(netloc=netloc, query=MASK if parts.query else ""))


def _mask_all_but_host(url: str) -> str:
    parts = urlsplit(mask_url(url))
    return urlunsplit(parts._replace(path=f"/{MASK}" if parts.path.strip("/") else parts.path))


def _take(
    value: Any, info: ValidationInfo, check: Callable[[str], object], mask: Callable[[str], str]
) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value.startswith(ENV):
        check(value)
        return Secret(value, mask(value))
    text = _look_up(value.removeprefix(ENV), (info.context or {}).get("environ", {}))
    check(text)
    return Secret(text, value)


def _look_up(name: str, environ: Mapping[str, str]) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError('"env:" must be followed by the name of an environment variable')
    if name not in environ:
        raise ValueError(f"the environment variable {name} is not set")
    if not environ[name]:
        raise ValueError(f"the environment variable {name} is empty")
    return environ[name]


def _check_text(text: str) -> None:
    # A line feed in a header would begin another header.
    if not (text.isascii() and text.isprintable()):
        raise ValueError("may hold printable ASCII characters only")


def _check_url(text: str, schemes: tuple[str, ...]) -> SplitResult | None:
    _check_text(text)
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname or port == 0 or "#" in text or " " in text:
        raise ValueError("must name a host, and may hold no blank, no fragment (#) and no port 0")
    return parts


def _check_proxy(text: str) -> None:
    parts = _check_url(text, ("http",))
    if parts and (parts.port is None or parts.path.strip("/") or parts.query):
        raise ValueError("must have the form http://host:port or http://user:password@host:port")

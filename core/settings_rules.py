"""What single values of the configuration must be like: a rule gives the value back or raises ValueError."""

import re
from collections import Counter
from ipaddress import ip_address
from pathlib import PurePath
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic_core import PydanticKnownError

from core.suggest import quote

MAX_NAME_LENGTH: Final = 64
MAX_SYMBOL_LENGTH: Final = 128
MAX_DETECTORS: Final = 1_000
MIN_TOKEN_LENGTH: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HANDSHAKE: Final = re.compile(r"host|connection|upgrade|sec-websocket-(?!protocol$).*", re.IGNORECASE)
_WEB_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_LAKE_SCHEMES: Final = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
_T = TypeVar("_T")


def check_name(name: str) -> str:
    """Take a name that is safe as part of a path."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"{quote(name)} must be 1 to {MAX_NAME_LENGTH} of letters, digits, _ and -")
    return name


def check_symbol(symbol: str) -> str:
    """Take a symbol of any venue."""
    if symbol != symbol.strip() or len(symbol) > MAX_SYMBOL_LENGTH:
        raise ValueError(f"{quote(symbol)} has blanks around it or more than {MAX_SYMBOL_LENGTH} characters")
    return check_text(symbol)


def check_text(text: str) -> str:
    """Take a text that is neither empty nor holds control characters."""
    if not text or not text.isprintable():
        raise ValueError(f"{quote(text)} is empty or has unprintable characters")
    return text


def check_header_name(name: str) -> str:
    """Take the name of an HTTP header (a token of RFC 9110 section 5.6.2)."""
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{quote(name)} cannot be the name of a header")
    if _HANDSHAKE.fullmatch(name):
        raise ValueError(f"{quote(name)} belongs to the handshake and cannot be set")
    return name


def check_detectors(value: Any) -> Any:
    """Take "per-symbol" or a number of detectors."""
    if value == "per-symbol":
        return value
    if type(value) is not int:
        raise ValueError('must be "per-symbol" or an integer')
    if value < 1:
        raise PydanticKnownError("greater_than_equal", {"ge": 1})
    if value > MAX_DETECTORS:
        raise PydanticKnownError("less_than_equal", {"le": MAX_DETECTORS})
    return value


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached by its own machine only."""
    try:
        return host == "localhost" or ("%" not in host and ip_address(host).is_loopback)
    except ValueError:
        return False


def check_loopback(host: str) -> str:
    """Take an address that only this machine can reach."""
    if not is_loopback(host):
        raise ValueError(f"{quote(host)} is not a loopback address: localhost, ::1 or 127.x.x.x")
    return host


def check_listening(host: str) -> str:
    """Take an address to listen on."""
    try:
        address = None if host == "localhost" else ip_address(host)
    except ValueError:
        raise ValueError(f"{quote(host)} is neither localhost nor an IP address") from None
    if address is not None and "%" in host:
        raise ValueError(f"{quote(host)}: an address with a zone cannot be listened on")
    return host


def check_web_host(host: str) -> str:
    """Take what a `Host` header may say: a name or an address, and perhaps a port."""
    if not _WEB_HOST.fullmatch(host):
        raise ValueError(f"{quote(host)} must be like tape.example.com or tape.example.com:8443")
    return host.lower()


def check_data_dir(path: str) -> str:
    """Take a path that means what it says."""
    if path.startswith(("~", "env:")):
        raise ValueError(f"{quote(path)}: neither ~ nor env: is resolved here; write the path out")
    return check_text(path)


def check_store_path(path: str) -> str:
    """Take a path below the data directory, an absolute one, or a URL without credentials."""
    if is_url(path):
        return _check_store_url(path)
    parts = PurePath(check_data_dir(path)).parts
    if not parts or ".." in parts:
        raise ValueError(f"{quote(path)} must name a directory inside data_dir, or be absolute without ..")
    return path


def _check_store_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if parts.scheme not in _LAKE_SCHEMES:
        raise ValueError(
            f"{quote(parts.scheme)} is none of the known kinds of URL: {', '.join(_LAKE_SCHEMES)}"
        )
    # A message that repeated the URL could repeat a key that was written into it.
    if not parts.netloc or ":" in parts.netloc or "#" in url or "?" in url or not url.isprintable():
        raise ValueError("must be like s3://bucket/path; credentials and the like belong in storage_options")
    return url


def is_url(path: str) -> bool:
    """Tell whether a store's path is a URL."""
    return "://" in path


def check_some(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Take a list that is not empty."""
    if not values:
        raise ValueError("must not be empty")
    return values


def check_each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Take a list that is not empty and has nothing twice."""
    word, count = Counter(check_some(values)).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{quote(word)} is there {count} times")
    return values

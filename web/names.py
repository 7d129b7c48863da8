"""Under which names a server may be asked: what a `Host` header may say, and an `Origin`."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

HTTP_PORT: Final = 80
LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Names:
    """A web page can have its own name lead to our address (DNS rebinding), but not ask under one of ours."""

    port: int
    allowed: frozenset[str]
    """As in `Host` headers."""
    any_address: bool
    """Whether all of the machine's addresses are listened on."""

    @classmethod
    def of(cls, host: str, port: int, more: Iterable[str] = ()) -> "Names":
        """Give those of a server that listens on this address; `more` are its other names."""
        any_address = host != "localhost" and ip_address(host).is_unspecified
        names = {*LOOPBACK, *(() if any_address else (_bracketed(host),))}
        allowed = {f"{name}:{port}" for name in (*names, *more)} | {*more}
        return cls(port, frozenset(allowed | (names if port == HTTP_PORT else set())), any_address)

    def has(self, host: str, server: str | None = None) -> bool:
        """Tell whether a `Host` names us; `server` is the address that the client has connected to."""
        named = host.strip(" \t").lower()
        if named in self.allowed:
            return True
        if not self.any_address or not server:
            return False
        address = _bracketed(server.lower())
        return named == f"{address}:{self.port}" or (self.port == HTTP_PORT and named == address)

    def is_origin(self, origin: str, host: str) -> bool:
        """Tell whether an `Origin` is the page that was asked for under this `Host`, which is one of ours."""
        scheme, separator, authority = origin.strip(" \t").lower().partition("://")
        return scheme in ("http", "https") and bool(separator) and authority == host.strip(" \t").lower()


def at(host: str, port: int) -> str:
    """Write an address as it stands in URLs."""
    return f"{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

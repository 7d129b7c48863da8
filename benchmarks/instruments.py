"""The symbols of all benchmarks. It imports nothing, since other programs' clients need it as well."""

from typing import Final

_KNOWN: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT")


def symbols(count: int) -> tuple[str, ...]:
    """Give so many symbols."""
    return (*_KNOWN[:count], *(f"S{number:04}USDT" for number in range(1, count - len(_KNOWN) + 1)))

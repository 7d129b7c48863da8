"""What the page's tables and figures are made of: texts with a tone, as JSON carries them."""

from collections.abc import Mapping
from typing import Any, Final, Literal

Tone = Literal["", "good", "warn", "bad", "muted"]
"""How a text is meant. The page adds a sign to the last three, so that colour alone says nothing."""
Cell = tuple[str, Tone]
Row = dict[str, Any]
"""`key`, which names the row as long as it lasts; `cells`; `kind`, for its looks."""

STATE_TONES: Final[Mapping[str, Tone]] = {
    "up": "good", "dialing": "warn", "waiting": "bad",
    "new": "muted", "starting": "warn", "running": "good", "restarting": "warn", "parked": "bad",
    "failed": "bad", "drained": "muted", "ended": "muted",
}  # fmt: skip
BREAKER_TONES: Final[Mapping[str, Tone]] = {"closed": "good", "half-open": "warn", "open": "bad"}


def row(key: str, *cells: Cell, kind: str = "") -> Row:
    """Give a table's row."""
    return {"key": key, "cells": cells, "kind": kind}


def figure(label: str, value: str, tone: Tone = "") -> dict[str, str]:
    """Give a figure with what it counts."""
    return {"label": label, "value": value, "tone": tone}


def raised(value: int, tone: Tone = "warn") -> Tone:
    """Give the tone where there is anything to count, else none."""
    return tone if value else ""


def moment_ns(value: object) -> int:
    """Read a UTC epoch time in ns; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

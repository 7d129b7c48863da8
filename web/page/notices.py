"""The alerts, as the page lists them."""

from collections.abc import Mapping
from typing import Any, Final

from cli.wording import plain, rows, time_of_day, whole
from web.page.cells import Row, Tone, moment_ns, row

TONES: Final[Mapping[str, Tone]] = {
    "breaker": "bad", "parked": "bad", "shed": "bad", "line": "warn", "restart": "warn", "reject": "warn",
    "gap": "warn",
}  # fmt: skip
MOST_SHOWN: Final = 50


def alert_rows(status: Mapping[str, Any]) -> list[Row]:
    """Give the alerts, the newest first."""
    return [_alert(alert) for alert in reversed(rows(status, "alerts")[-MOST_SHOWN:])]


def _alert(alert: Mapping[str, Any]) -> Row:
    kind, text = plain(alert.get("kind"), 20), plain(alert.get("text"))
    place = " ".join(name for key in ("feed", "symbol") if (name := plain(alert.get(key), 40)))
    held_back = whole(alert.get("held_back"))
    more = f" (and {held_back:,} more like it)" if held_back else ""
    when = time_of_day(alert.get("ts_ns"))
    key = f"{moment_ns(alert.get('ts_ns'))}/{kind}/{place}/{text}"
    return row(key, (when, "muted"), (kind, TONES.get(kind, "muted")), (place, ""), (text + more, ""))

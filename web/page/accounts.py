"""The ledger, as the page shows it."""

from collections.abc import Mapping
from typing import Any, Final

from cli.wording import count, part, plain, whole
from core.ledger import EVENTS, FRAME_PLACES, PLACES, SOURCES
from web.page.cells import Tone, figure, raised

TONES: Final[Mapping[str, Tone]] = {
    "shed": "bad",
    "dead_letter": "bad",
    "spooled": "warn",
    "shed_frames": "bad",
}
FRAME_LABELS: Final = {"shed_frames": "shed", "in_flight_frames": "in flight"}


def verdict(ledger: Mapping[str, Any]) -> tuple[str, Tone]:
    """Give the verdict in words."""
    if not ledger:
        return "Nothing counted yet", "muted"
    return ("BALANCED", "good") if ledger.get("balanced") is True else ("NOT BALANCED", "bad")


def equation(ledger: Mapping[str, Any]) -> str:
    """Say what the two sides of the equation come to."""
    total = part(ledger, "total")
    came_in = sum(whole(total.get(name)) for name in SOURCES)
    found = sum(whole(total.get(name)) for name in PLACES)
    if not ledger:
        return ""
    if came_in == found:
        where = "" if ledger.get("balanced") is True else "; another store's account differs"
        return f"{came_in:,} records came in, {found:,} are accounted for{where}"
    which = "missing" if came_in > found else "too many"
    return f"{came_in:,} records came in, {found:,} are accounted for: {abs(came_in - found):,} {which}"


def sources(ledger: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give where records come from."""
    return _figures(part(ledger, "total"), SOURCES)


def places(ledger: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give where records are."""
    return _figures(part(ledger, "total"), PLACES)


def frames(ledger: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give the frames and where they are."""
    return _figures(part(ledger, "frames"), ("frames", *FRAME_PLACES))


def _figures(counts: Mapping[str, Any], names: tuple[str, ...]) -> list[dict[str, str]]:
    found = [(name, whole(counts.get(name))) for name in names]
    return [figure(_label(name), f"{n:,}", raised(n, TONES.get(name, ""))) for name, n in found]


def _label(name: str) -> str:
    return FRAME_LABELS.get(name, name.replace("_", " ")).capitalize()


def reasons(ledger: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give why records were refused or given up."""
    why = part(ledger, "reasons")
    return [figure(_label(plain(name, 40)), count(why.get(name))) for name in sorted(why)]


def happened(ledger: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give the events that are counted beside the equation."""
    events = part(ledger, "events")
    names = [*EVENTS, *sorted(set(events) - set(EVENTS))] if events else []
    return [figure(_label(plain(name, 40)), count(events.get(name))) for name in names]

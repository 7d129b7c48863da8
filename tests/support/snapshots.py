"""What a pipeline tells the process of its page, in full, for tests of that process."""

from typing import Any

from core.latency import Latencies
from tests.support.statuses import status
from web.wire import Snapshot

AT_NS = 1_700_000_000_000_000_000
COUNTS = [
    [None, "demo", "received", 1_234_567],
    [None, "demo", "shed.overload", 54],
    [None, "demo", "in_flight", 65],
    [None, "demo", "event.gap", 7],
    [None, "demo", "frames", 400_010],
    [None, "demo", "decoded", 400_000],
    [None, "demo", "in_flight_frames", 1],
    ["lake", "demo", "stored", 1_234_147],
    ["lake", "demo", "rejected.critical_z", 76],
    ["lake", "demo", "spooled", 126],
]


def latencies(*nanoseconds: int) -> Latencies:
    """Give these durations."""
    made = Latencies()
    for each in nanoseconds:
        made.add(each)
    return made


def document(**changes: object) -> dict[str, Any]:
    """Give a status in which something of everything is the case, as `/status` tells it."""
    nothing = Latencies().as_json()
    more: dict[str, Any] = {
        "at_ns": AT_NS,
        "session": 3,
        "started_ns": AT_NS - 60 * 10**9,
        "counts": COUNTS,
        "recovery": {"read_bytes": 10, "of_bytes": 10, "frames": 3, "ended": True},
        "reload": {"begun": 2, "number": 2, "error": "", "pid": 1},
        "latency": {"signal": nothing, "signal_from_event": nothing, "stored": {"lake": nothing}},
        "settings": {"feeds": [], "stores": [], "detector": {"warn_z": 2.5, "critical_z": 4.0}},
    }
    return {**status(), **more, **changes}


def snapshot(**changes: object) -> Snapshot:
    """Give what is told once a second."""
    took = latencies(30_000, 1_500_000, 70_000_000)
    names = ("signal", "signal_from_event", "stored/lake")
    return Snapshot(AT_NS, document(**changes), dict.fromkeys(names, took))


def ready() -> dict[str, Any]:
    """Give changes by which all is well."""
    lines = [{"line": "demo/0/A", "state": "up", "text": "", "wait_seconds": 0.0}]
    return {"lines": lines, "stores": [{"store": "lake", "state": "closed", "spooled_rows": 0}]}

"""Threads, descriptors and objects stay as many as they were, however often lines are cut or actors crash."""

import gc
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors.gate import Gate
from actors.port import Port
from actors.transport import SocketTransport
from stores.null import NullWriter
from tests.e2e.feeds import trade
from tests.support.cutting import CuttingExchange
from tests.support.flood import Flood, Phase
from tests.support.processes import eventually
from tests.support.threaded import Threaded, descriptors, threaded

SHORT, LONG = 50, 1_000
WARM_SHARE = 10
"""The first turns of so many fill what is kept to be used again."""
COUNTED = (pykka.Actor, Port, SocketTransport, threading.Thread, Gate)
OFTEN = ("supervision.max_restarts=1000000", "supervision.window_seconds=1", "supervision.restart_delay_ms=1")
TURNS = pytest.mark.parametrize(
    "turns", [SHORT, pytest.param(LONG, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
Record = Callable[[str, object], None]
Census = dict[str, int]

log = logging.getLogger("measured")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_kept_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    """Have nothing logged that pytest would keep: an exception holds the actor that it went through."""
    for name in ("pykka", "tapeline"):
        caplog.set_level(logging.CRITICAL, name)


def live(kind: type, found: list[Any]) -> int:
    """Count objects of a kind; what is a proxy of something else tells lies about its class."""
    return sum(issubclass(type(each), kind) for each in found)


def census(system: Threaded) -> Census:
    """Count what could leak; rubbish is collected first."""
    gc.collect()
    found = gc.get_objects()
    kinds = Counter({kind.__name__: live(kind, found) for kind in COUNTED})
    gates = [each for each in found if type(each) is Gate]
    return {
        "threads": threading.active_count(),
        "descriptors": descriptors(),
        "registered": len(pykka.ActorRegistry.get_all()),
        "gate_listeners": sum(len(gate._listeners) for gate in gates),
        "gate_reasons": sum(len(gate._reasons) for gate in gates),
        "mailbox_listeners": sum(slot.mailbox._listener is not None for slot in system.slots.values()),
        **kinds,
    }


def objects() -> int:
    """Count everything that the collector knows."""
    gc.collect()
    return len(gc.get_objects())


def settled(system: Threaded) -> Census:
    """Give the census of a system at rest: nobody dials, nobody is being restarted."""
    last: list[Census] = [{}]

    def same_twice() -> bool:
        dialling = any(thread.name.startswith("DialerActor") for thread in threading.enumerate())
        restarting = any(str(key).startswith("restart/") for key in list(system.slots["supervisor"].timers))
        last.append({} if dialling or restarting else census(system))
        return bool(last[-1]) and last[-1] == last[-2]

    eventually(same_twice)
    return last[-1]


def check_flat(system: Threaded, turns: int, turn: Callable[[int], None], record: Record, what: str) -> None:
    """Take so many turns, and count before and after; `turn` is told how many there were with it."""
    warm = turns // WARM_SHARE
    for number in range(1, warm + 1):
        turn(number)
    before, objects_before = settled(system), objects()
    for number in range(warm + 1, turns + 1):
        turn(number)
    after, objects_after = settled(system), objects()
    told = {"turns": turns, "before": before, "after": after, "more_objects": objects_after - objects_before}
    record(what, str(told))
    log.info("%s: %s", what, json.dumps(told))
    assert after == before
    # Of the long form one that stays a turn would be more; it is what alerts and timers come and go with.
    assert objects_after - objects_before < turns + 400


@TURNS
def test_a_line_that_is_cut_again_and_again_leaves_nothing_behind(
    turns: int, tmp_path: Path, record_property: Record
) -> None:
    with (
        CuttingExchange(trade("A", 1)) as exchange,
        threaded(tmp_path, exchange.url, ("A", "B"), open_store=lambda terms: NullWriter()) as system,
    ):
        check_flat(system, turns, exchange.cut_until, record_property, "reconnects")
        ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["events"]["reconnect"] == turns


CRASHING = ("connection/f/0/A", "normalizer/f/0", "detector/f/A", "writer/s", "monitor")


@TURNS
def test_actors_that_crash_again_and_again_leave_nothing_behind(
    turns: int, tmp_path: Path, record_property: Record
) -> None:
    with (
        Flood(2) as flood,
        threaded(tmp_path, flood.url, flood.symbols, *OFTEN, open_store=lambda terms: NullWriter()) as system,
    ):

        def turn(number: int) -> None:
            if number % len(CRASHING) == 0:
                system.crash(*CRASHING)

        (first,) = flood.send(Phase(0.2, 1_000))
        check_flat(system, turns, turn, record_property, "restarts")
        (second,) = flood.send(Phase(0.2, 1_000))
        sent = first.frames + second.frames
        eventually(lambda: sum(slot.counts.get(("f", "stored"), 0) for slot in system.slots.values()) == sent)
        ledger = system.drain()
    assert ledger.balanced
    assert ledger.as_json()["total"]["stored"] == sent

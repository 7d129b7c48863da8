"""A report of every actor: what it is at, on which line, and what waits for it."""

import sys
import traceback
from collections.abc import Iterable
from typing import Any, Final

from actors.slot import Slot
from core.describe import described

FRAMES: Final = 12
"""The innermost of a stack; what is further out is the same for all."""


def report(slots: Iterable[Slot[Any]]) -> str:
    """Give a line an actor, with the stack of those that are at something; any thread may call it."""
    stacks = sys._current_frames()
    return "\n".join(line for slot in slots for line in _lines(slot, stacks))


def _lines(slot: Slot[Any], stacks: dict[int, Any]) -> list[str]:
    pulse = slot.pulse
    waiting = f"{len(slot.mailbox)} waiting"
    thread = pulse.thread
    frame = None if thread is None or thread.ident is None else stacks.get(thread.ident)
    if frame is None:
        return [f"{slot.name}: no thread, {waiting}"]
    if pulse.doing is None:
        return [f"{slot.name}: idle, {waiting}"]
    head = f"{slot.name}: in {described(pulse.doing)}, {waiting}"
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=FRAMES)
    places = [f"    {place.filename}:{place.lineno} {place.name}" for place in stack]
    return [head, *places]

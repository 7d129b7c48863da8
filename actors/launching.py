"""Child specs, and how a child is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pykka

from actors.base import Actor
from actors.slot import Slot
from core.children import RestartType
from core.restart import Beyond

RECOVERY: Final = ("recoverer",)
"""The stage that is over when its work is done, not when its child has started."""
STAGES: Final = (
    ("writer",),
    ("webhook", "monitor", "journal"),
    ("detector",),
    ("normalizer",),
    RECOVERY,
    ("connection", "replayer"),
    ("chaos",),
)
"""Kinds of children in the order in which they start: whoever is spoken to, before who speaks."""
DRAIN_STAGES: Final = (
    ("chaos",),
    ("connection", "replayer", "recoverer"),
    ("journal",),
    ("normalizer",),
    ("detector",),
    ("writer",),
    ("monitor",),
    ("writer",),
    ("webhook",),
)
"""The order in which they drain: data flows out behind the last that took it in. Writers drain twice: the
monitor hears of what they did with the data, and its last alerts are rows as well.
"""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What a supervisor needs to start a child, and to start it again."""

    name: str
    kind: str
    """writer, webhook, monitor, detector, normalizer, connection or replayer."""
    slot: Slot[Any]
    actor_class: type[Actor[Any]]
    arguments: dict[str, Any]
    """Of the actor's constructor; the supervisor changes them when the system is tuned."""
    beyond: Beyond
    """What happens beyond its restart intensity."""
    restart: RestartType = RestartType.PERMANENT
    """When it is started again after its end."""


class Launcher(Protocol):
    """Starts actors: on threads, or, in tests, all on one."""

    def start(
        self, actor_class: type[Actor[Any]], slot: Slot[Any], arguments: Mapping[str, Any]
    ) -> pykka.ActorRef[Any]:
        """Start an incarnation; raises what the actor's constructor raises."""


class ThreadLauncher:
    """Starts actors as Pykka does: each on a thread of its own."""

    def start(
        self, actor_class: type[Actor[Any]], slot: Slot[Any], arguments: Mapping[str, Any]
    ) -> pykka.ActorRef[Any]:
        """See Launcher."""
        return actor_class.start(slot, **arguments)

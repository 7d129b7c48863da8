"""The whole actor system on one thread: real actors, real mailboxes, a fake clock, an order from a seed.

Actors are constructed as the supervisor constructs them, but no thread is started: `World.step` lets one
actor, drawn from the seed, handle one message through Pykka's own loop. When nobody has anything to do,
the clock goes on to the next timer.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import pykka

from actors.base import Actor
from actors.slot import Slot
from messages.lane import Resume
from messages.supervision import InjectHang
from tests.support.clock import FakeClock


class Idle(Exception):
    """Raised by a port when there is no message, to leave Pykka's loop."""


class World:
    """A launcher whose actors only run when a test lets them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.clock = FakeClock()
        self.actors: dict[str, Actor[Any]] = {}
        self.replaced: list[Actor[Any]] = []
        """Whose loops may go on: they hang, or have not been told the end."""
        self.slots: dict[str, Slot[Any]] = {}
        self.steps = 0
        self.frozen: set[str] = set()
        """Names of actors that handle nothing, as if their threads got no time."""
        self.hang: dict[str, Callable[[Any], bool]] = {}
        """By name: the actor hangs in the next message of which this is true."""
        self.hanging: dict[Actor[Any], Any] = {}
        """Who hangs, and in which envelope; once fenced, the handler is carried out late, at a drawn time."""
        self.wakes: dict[Actor[Any], float] = {}
        """When those that were fenced go on, in monotonic seconds."""

    def start(
        self, actor_class: type[Actor[Any]], slot: Slot[Any], arguments: Mapping[str, Any]
    ) -> pykka.ActorRef[Any]:
        """See actors.launching.Launcher."""
        actor = actor_class(slot, **arguments)
        if slot.name in self.actors:
            self.replaced.append(self.actors[slot.name])
        self.actors[slot.name] = actor
        self.slots[slot.name] = slot
        actor._actor_loop_setup()
        actor.pulse.thread = _Thread(actor, self)  # type: ignore[assignment]
        return actor.actor_ref

    def step(self) -> bool:
        """Let one actor handle one message, or the clock go on to the next timer; False: nothing is left."""
        for actor in self._shuffled():
            if self._run_once(actor):
                self.steps += 1
                return True
        return self._advance()

    def run(self, until: Callable[[], bool], most: int = 100_000) -> None:
        """Step until something holds; fails with the seed where it never does."""
        for _ in range(most):
            if until():
                return
            if not self.step():
                break
        if not until():
            waiting = {name: len(slot.mailbox) for name, slot in self.slots.items() if len(slot.mailbox)}
            raise AssertionError(f"seed {self.seed}: nothing more happens; waiting: {waiting}")

    def settle(self, most: int = 100_000) -> None:
        """Step until nobody has anything to do, timers aside."""
        for _ in range(most):
            if not any(self._run_once(actor) for actor in self._shuffled()):
                return
        raise AssertionError(f"seed {self.seed}: the system does not come to rest")

    def close(self) -> None:
        """Stop whoever has not been stopped."""
        for actor in (*self.actors.values(), *self.replaced):
            if not actor.actor_stopped.is_set():
                actor._stop()

    def _shuffled(self) -> list[Actor[Any]]:
        self.replaced = [actor for actor in self.replaced if not actor.actor_stopped.is_set()]
        actors = [*self.actors.values(), *self.replaced]
        self.random.shuffle(actors)
        return actors

    def _run_once(self, actor: Actor[Any]) -> bool:
        """Let Pykka's loop handle one message of an actor."""
        if actor.actor_stopped.is_set() or actor.slot.name in self.frozen:
            return False
        inbox: Any = actor.actor_inbox
        if actor in self.hanging:
            if not actor.pulse.fenced.is_set():
                return False
            late = self.random.choice([0.0, 0.2, 3.0])
            if self.clock.monotonic() < self.wakes.setdefault(actor, self.clock.monotonic() + late):
                return False
            envelope = self.hanging.pop(actor)
        else:
            envelope = inbox.poll()
            if envelope is None:
                return False
            if self._hangs(actor, envelope.message):
                actor.pulse.begin(envelope.message)
                self.hanging[actor] = envelope
                return True
        actor.actor_inbox = _OneMessage(envelope)
        try:
            actor._actor_loop_running()
        except Idle:
            pass
        finally:
            actor.actor_inbox = inbox
        return True

    def _hangs(self, actor: Actor[Any], message: Any) -> bool:
        if isinstance(message, InjectHang):
            return True
        found = self.hang.get(actor.slot.name)
        if found is None or not found(actor.slot.current if isinstance(message, Resume) else message):
            return False
        del self.hang[actor.slot.name]
        return True

    def _advance(self) -> bool:
        dues = [
            due
            for name, slot in self.slots.items()
            if (due := slot.next_due()) is not None
            and name not in self.frozen
            and self.actors[name] not in self.hanging
            and not self.actors[name].actor_stopped.is_set()
        ]
        dues += [self.wakes[actor] for actor in self.hanging if actor in self.wakes]
        if not dues:
            return False
        self.clock.advance(max(0.0, min(dues) - self.clock.monotonic()) + 1e-9)
        return True


class _Thread:
    """Stands for an actor's thread, which there is none of."""

    ident = None

    def __init__(self, actor: Actor[Any], world: World) -> None:
        self._actor = actor
        self._world = world

    def is_alive(self) -> bool:
        """Whether the actor's loop goes on, or hangs."""
        return self._actor in self._world.hanging or not self._actor.actor_stopped.is_set()


class _OneMessage:
    """An inbox of one message."""

    def __init__(self, envelope: Any) -> None:
        self._envelope = envelope

    def get(self) -> Any:
        """Give it, then no more."""
        if self._envelope is None:
            raise Idle
        envelope, self._envelope = self._envelope, None
        return envelope

    def put(self, envelope: Any) -> None:
        """Never asked."""
        raise AssertionError("put into an inbox of one message")

    def empty(self) -> bool:
        """See actors.port.Port."""
        return True


@contextmanager
def telling_seed(seed: int) -> Iterator[None]:
    """Put the seed into whatever fails inside."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise

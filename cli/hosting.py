"""Hosts a supervisor on this process's main thread: starts it, hears it, stops it."""

import gc
import logging
import os
import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any, Final

from actors.assembly import Assembly
from actors.launching import ThreadLauncher
from actors.slot import Slot
from actors.stacks import report
from actors.supervisor import SupervisorActor
from actors.supervisor_state import SupervisorState
from cli.notifying import Notifier
from cli.reloading import Reloading
from cli.signals import HANGUP, REPORT, Inbox, TerminalGone
from core.describe import described
from core.watch import Sight, Watch
from messages.retuning import Retuned
from messages.supervision import BeginDrain, SupervisorEnded, SupervisorStarted

SIGNAL_SECONDS: Final = 0.2
"""A signal that comes while the wait is about to begin does not interrupt it: a wait is never longer."""
COLLECT_AFTER: Final = 50_000
"""Objects that must be new before the garbage collector looks for cycles among them."""
SUPERVISOR_SECONDS: Final = 30.0
"""The supervisor is at one message for longer: it hangs, and nobody is there to restart it."""
ANSWER_SECONDS: Final = 5.0
"""The supervisor is at one message for longer: the service manager's watchdog is not fed."""

log = logging.getLogger("tapeline")


class Host:
    """Waits for what the supervisor says, for signals, and for the time to be up."""

    def __init__(
        self,
        assembly: Assembly,
        duration_seconds: float | None = None,
        reloading: Reloading | None = None,
        inbox: Inbox | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """Without `reloading`, settings stay as they are. `inbox` may hold signals that came earlier."""
        self._notifier = notifier or Notifier()
        self._assembly = assembly
        self._duration = duration_seconds
        self._reloading = reloading
        self._ends_at: float | None = None
        self._stops = 0
        self._inbox: Inbox = queue.SimpleQueue() if inbox is None else inbox
        self._slot: Slot[SupervisorState] = Slot(
            "supervisor", SupervisorState(), assembly.supervisor.mailbox, assembly.clock,
            monitor=assembly.monitor,
        )  # fmt: skip
        self._watch = Watch()

    def run(self, every_seconds: float, show: Callable[[], None]) -> SupervisorEnded:
        """Run the supervisor to its end; `show` is called about so often."""
        spare_the_collector()
        stay_on(self._assembly.settings.actors.cpus)
        self._start()
        next_show = monotonic() + every_seconds
        while True:
            match self._wait(next_show):
                case SupervisorEnded() as ended:
                    self._notifier.stopping(ended.text or "has drained")
                    return ended
                case SupervisorStarted():
                    log.info("every actor has started")
                    self._notifier.ready("running")
                    self._ends_at = None if self._duration is None else monotonic() + self._duration
                    if self._reloading is not None:
                        self._reloading.begin()
                case Retuned() as retuned if self._reloading is not None:
                    self._reloading.hear(retuned)
                case signal.Signals() as number if number == HANGUP:
                    self._reload()
                case signal.Signals() as number if number == REPORT:
                    log.warning("asked by %s for a report\n%s", number.name, report(self._slots()))
                case TerminalGone() if not self._stops:
                    self._stop("its terminal is gone")
                case signal.Signals() as number:
                    self._stop(f"stopped by {number.name}")
                case None if self._ends_at is not None and monotonic() >= self._ends_at:
                    self._ends_at = None
                    self._stop("the time is up")
            if self._supervisor_hangs():
                return self._given_up()
            if self._supervisor_answers():
                self._notifier.alive()
            if monotonic() >= next_show:
                show()
                next_show = monotonic() + every_seconds

    def _start(self) -> None:
        SupervisorActor.start(
            self._slot, assembly=self._assembly, launcher=ThreadLauncher(), random=Random(),
            tell_host=self._inbox.put,
        )  # fmt: skip

    def _slots(self) -> Iterator[Slot[Any]]:
        yield self._slot
        yield from (spec.slot for spec in list(self._assembly.specs.values()))

    def _supervisor_hangs(self) -> bool:
        """Watch the supervisor as it watches its children."""
        pulse = self._slot.pulse
        sights = [] if pulse.doing is None else [Sight("supervisor", pulse.beats, SUPERVISOR_SECONDS)]
        self._watch, hung = self._watch.look(sights, monotonic(), SIGNAL_SECONDS)
        return bool(hung)

    def _supervisor_answers(self) -> bool:
        """Whether it has not been at one message for long, at the last look."""
        return all(seconds < ANSWER_SECONDS for _, seconds in self._watch.seen.values())

    def _given_up(self) -> SupervisorEnded:
        what = described(self._slot.pulse.doing)
        log.error("the supervisor hangs in %s\n%s", what, report(self._slots()))
        text = f"the supervisor hangs: it was at {what} for more than {SUPERVISOR_SECONDS:g} s"
        self._notifier.stopping(text)
        return SupervisorEnded(70, text, None, hanging=("supervisor",))

    def _wait(self, next_show: float) -> object:
        until = next_show if self._ends_at is None else min(next_show, self._ends_at)
        try:
            return self._inbox.get(timeout=min(max(0.0, until - monotonic()), SIGNAL_SECONDS))
        except queue.Empty:
            return None

    def _stop(self, reason: str) -> None:
        self._stops += 1
        self._notifier.stopping(reason)
        self._assembly.supervisor.tell(BeginDrain(reason, now=self._stops > 1))
        if self._reloading is not None:
            self._reloading.end()

    def _reload(self) -> None:
        if self._reloading is None:
            log.warning("SIGHUP: the settings of a replay stay as they are")
        else:
            self._reloading.ask()


def spare_the_collector() -> None:
    """Have the garbage collector leave alone what is there to stay, and look less often.

    It took 7 percent of the time of a busy run; what flows through holds no cycles for it to find.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def stay_on(count: int) -> None:
    """Have this thread, and those that it starts, run on so many processors; 0: on any.

    Threads let go of the interpreter's lock at every larger operation of numpy. Where another one wakes up on
    another processor for it, each waits for the other to be woken, dozens of times a block; on one processor
    whoever runs has the lock again before anybody else has seen that it was free. Which one it is follows
    from the process's number, so that two of them seldom meet on one.
    """
    if not count or not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    first = os.getpid() % len(allowed)
    chosen = [allowed[(first + i) % len(allowed)] for i in range(min(count, len(allowed)))]
    # Where the kernel or a container does not let us choose, things go on as they are.
    with suppress(OSError):
        os.sched_setaffinity(0, chosen)

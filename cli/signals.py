"""The signals that a run takes: they become messages to its host."""

import os
import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

HANGUP: Final = getattr(signal, "SIGHUP", None)
"""Read the settings again. None where the system has no such signal."""
REPORT: Final = getattr(signal, "SIGUSR1", None)
"""Log what every actor is at."""
TERMINAL: Final = "/dev/tty"
Inbox = queue.SimpleQueue[object]
"""Safe to put to from a signal handler, whatever the main thread is doing."""


class TerminalGone:
    """In the inbox: SIGHUP has come because the terminal that this process ran on was closed."""


class StoppedEarly(KeyboardInterrupt):
    """A stop was asked for before there was anything to drain; unwinds what has been prepared."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} before anything was taken")
        self.status = 128 + number
        """The exit status that shells give a program ended by the signal."""


class Signals:
    """Where signals go: before the host takes messages a stop ends the start, from then on it is one."""

    def __init__(self) -> None:
        self.inbox: Inbox = queue.SimpleQueue()
        self.hosted = False
        """The host is there: it drains at the first stop, and ends at once at the second."""

    def stop(self, number: int, frame: Any) -> None:
        """Take SIGINT or SIGTERM."""
        if not self.hosted:
            raise StoppedEarly(number)
        self.inbox.put(signal.Signals(number))

    def note(self, number: int, frame: Any) -> None:
        """Take a signal that never ends anything."""
        self.inbox.put(signal.Signals(number))


@contextmanager
def taking_signals() -> Iterator[Signals]:
    """Take SIGINT, SIGTERM, SIGHUP and SIGUSR1 for a while.

    Where SIGHUP comes from the terminal's end it is a stop, unless the process was started to outlive its
    terminal (nohup).
    """
    signals = Signals()
    on_terminal = HANGUP is not None and signal.getsignal(HANGUP) is not signal.SIG_IGN and _in_foreground()

    def hang_up(number: int, frame: Any) -> None:
        gone = on_terminal and not _has_terminal()
        signals.inbox.put(TerminalGone() if gone else signal.Signals(number))

    handlers = {signal.SIGINT: signals.stop, signal.SIGTERM: signals.stop}
    handlers |= {number: handler for number, handler in ((HANGUP, hang_up), (REPORT, signals.note)) if number}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield signals
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _in_foreground() -> bool:
    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _has_terminal() -> bool:
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True

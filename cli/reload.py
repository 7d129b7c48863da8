"""`reload`: has the supervisor that runs read its configuration anew, and says what has become of it."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep, time_ns
from typing import Any, Final

from cli.status import NoStatusError, fetch, told_address
from cli.wording import plain, whole
from core.errors import UsageError
from core.settings import Settings
from core.settings_loading import load
from stores.data_dir import holder

PATIENCE_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.1
LINE_CHARACTERS: Final = 4_000


def run(arguments: argparse.Namespace, patience_seconds: float = PATIENCE_SECONDS) -> int:
    """Send SIGHUP and wait for the outcome: 0 if what can change has changed, 1 if it was refused."""
    # The file is checked here first: a mistake in it need not go further.
    settings, asked_ns = load(arguments.config, arguments.set, os.environ), time_ns()
    pid = _process(settings.data_dir)
    give_up = monotonic() + patience_seconds
    try:
        before = _standing(settings, pid, give_up, asked_ns)
        # The first answer may have been begun for somebody else, before we asked.
        before = _standing(settings, pid, give_up, asked_ns)
        _say_which_file(before, pid, arguments.config)
        _signal(pid)
        outcome = _outcome(settings, pid, whole(before.get("begun")), give_up)
    except NoStatusError as error:
        print(f"tapeline: {error}", file=sys.stderr)
        return 1
    return _show(outcome, pid)


def _process(data_dir: Path) -> int:
    try:
        pid = holder(data_dir)
    except OSError as error:
        raise UsageError(f"{data_dir / 'lock'} cannot be read: {error.strerror}") from None
    if pid is None:
        raise UsageError(f"no supervisor uses the data directory {data_dir}; is it running?")
    return pid


def _standing(settings: Settings, pid: int, give_up: float, since_ns: int = 0) -> Mapping[str, Any]:
    """Give what a process says of its reloads; one that has only just started is waited for.

    So is an answer that was taken before `since_ns`. Nothing may be sent to a process that does not say so:
    SIGHUP ends one that does not expect it.
    """
    data_dir = settings.data_dir
    while True:
        why = f"process {pid} uses the data directory {data_dir}, but is no run that can be tuned"
        try:
            status = fetch(*told_address(settings), settings.monitor.token.reveal())
            told, at_ns = status.get("reload"), status.get("at_ns")
            is_old = isinstance(at_ns, int) and at_ns < since_ns
            if isinstance(told, Mapping) and told.get("pid") == pid and not is_old:
                return told
        except NoStatusError as error:
            why = str(error)
        if _has_ended(data_dir, pid):
            raise NoStatusError(f"process {pid} has ended")
        if monotonic() >= give_up:
            raise NoStatusError(why)
        sleep(RETRY_SECONDS)


def _has_ended(data_dir: Path, pid: int) -> bool:
    try:
        return holder(data_dir) != pid
    except OSError:
        return False


def _say_which_file(standing: Mapping[str, Any], pid: int, ours: Path | None) -> None:
    theirs = standing.get("file")
    if not isinstance(theirs, str):
        print(f"process {pid} was started without a configuration file", flush=True)
        return
    other = (
        "" if ours is not None and _is_same(ours, theirs) else f", not {_shown(str(ours))}" if ours else ""
    )
    print(f"process {pid} reads {_shown(theirs)}{other}", flush=True)


def _is_same(ours: Path, theirs: str) -> bool:
    try:
        return ours.resolve() == Path(theirs).resolve()
    except (OSError, RuntimeError, ValueError):
        return False


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        raise UsageError(f"process {pid} has ended") from None
    except PermissionError:
        raise UsageError(f"process {pid} is somebody else's; reload as the user who started it") from None


def _outcome(settings: Settings, pid: int, begun: int, give_up: float) -> Mapping[str, Any]:
    """Wait for the end of a reload that began after our signal."""
    while whole((told := _standing(settings, pid, give_up)).get("number")) <= begun:
        if monotonic() >= give_up:
            raise NoStatusError(f"process {pid} is not done with it yet; see: python supervisor.py status")
        sleep(RETRY_SECONDS)
    return told


def _show(outcome: Mapping[str, Any], pid: int) -> int:
    if outcome.get("error"):
        print(f"tapeline: process {pid} has refused: {_shown(outcome['error'])}", file=sys.stderr)
        return 1
    lines = [_shown(line) for name in ("changed", "next_start") for line in _listed(outcome.get(name))]
    print("\n".join(lines or ["nothing has changed"]), flush=True)
    return 0


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _shown(text: object) -> str:
    return plain(text, LINE_CHARACTERS)

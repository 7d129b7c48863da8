"""Reads the configuration anew while the pipeline runs, and has the supervisor bring it into effect."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time_ns
from typing import Any

from actors.address import Address
from cli.notifying import Notifier
from core.errors import SettingsError
from core.retuning import Change, changes, merged
from core.settings import Settings
from core.suggest import quote
from messages.retuning import Retune, Retuned

log = logging.getLogger("tapeline.reload")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of the last reload."""

    file: str | None
    """Which file is read; None where there is none and everything has its default."""
    pid: int
    """Of the process that reads it."""
    begun: int = 0
    """Reloads that have begun. One with a higher number reads the file later than this was told."""
    number: int = 0
    """Of the last one that is over; 0: there was none, and what follows says nothing."""
    at_ns: int = 0
    """When it was over, in UTC epoch nanoseconds."""
    changed: Sequence[str] = ()
    """What has changed, a line each."""
    next_start: Sequence[str] = ()
    """What takes effect at the next start."""
    error: str = ""
    """Why it was refused; else empty."""


class Reloading:
    """One reload at a time, from a request to what the supervisor has made of it.

    Belongs to the main thread, but for `status`. Requests that come while one is under way make one more.
    """

    def __init__(
        self,
        load: Callable[[], Settings],
        file: Path | None,
        settings: Callable[[], Settings],
        supervisor: Address[Any],
        clock: Callable[[], int] = time_ns,
        notifier: Notifier | None = None,
    ) -> None:
        """`load` reads `file` as at the start, and raises SettingsError; `settings` gives those in effect."""
        self._load = load
        self._file = file
        self._settings = settings
        self._supervisor = supervisor
        self._clock = clock
        self._notifier = notifier or Notifier()
        self._asked = self._started = self._ending = False
        self._under_way: tuple[Change, ...] | None = None
        self._outcome = Outcome(None if file is None else str(file.absolute()), os.getpid())

    @property
    def status(self) -> Mapping[str, Any]:
        """What `/status` tells; may be asked by any thread."""
        return asdict(self._outcome)

    def ask(self) -> None:
        """Read the configuration anew, as soon as that can be done."""
        self._asked = True
        self._go_on()

    def begin(self) -> None:
        """Every actor has started."""
        self._started = True
        self._go_on()

    def end(self) -> None:
        """The run is ending: nothing changes any more."""
        self._ending = True
        self._go_on()

    def hear(self, retuned: Retuned) -> None:
        """The supervisor has changed what was to change, or says why not."""
        found, self._under_way = self._under_way or (), None
        if retuned.refused:
            self._refuse((retuned.refused,))
        else:
            self._conclude(found)
        self._go_on()

    def _go_on(self) -> None:
        if self._asked and self._under_way is None and (self._started or self._ending):
            self._asked = False
            self._outcome = replace(self._outcome, begun=self._outcome.begun + 1)
            self._notifier.reloading()
            self._reload()

    def _reload(self) -> None:
        if self._ending:
            self._refuse(("the run is ending",))
            return
        try:
            before, after = self._settings(), self._load_again()
            found, target = changes(before, after), merged(before, after)
        except SettingsError as error:
            self._refuse(error.errors)
            return
        for change in found:
            log.info("%s", change)
        if any(change.live for change in found):
            self._under_way = found
            self._supervisor.tell(Retune(target))
        else:
            self._conclude(found)

    def _load_again(self) -> Settings:
        # A pipe gives what it gave once, and is then empty: all settings would fall back to their defaults.
        # Not asked of Path, which raises where a directory on the way may not be searched.
        if self._file is not None and os.path.exists(self._file) and not os.path.isfile(self._file):
            name = quote(str(self._file), at_most=len(str(self._file)))
            raise SettingsError((f"{name}: is no file that can be read again",))
        return self._load()

    def _conclude(self, found: tuple[Change, ...]) -> None:
        live = tuple(str(change) for change in found if change.live)
        later = tuple(str(change) for change in found if not change.live)
        log.info("reloaded: %d settings have changed, %d change at the next start", len(live), len(later))
        self._over(changed=live, next_start=later, error="")

    def _refuse(self, errors: Sequence[str]) -> None:
        for error in errors:
            log.warning("not reloaded: %s", error)
        self._over(changed=(), next_start=(), error="; ".join(errors))

    def _over(self, **told: Any) -> None:
        self._outcome = replace(self._outcome, number=self._outcome.begun, at_ns=self._clock(), **told)
        error = told["error"]
        self._notifier.ready(f"running; not reloaded: {error}" if error else "running; reloaded")

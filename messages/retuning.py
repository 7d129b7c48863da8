"""Changing a running system: between the host, the supervisor and those whose settings change."""

from dataclasses import dataclass

from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Retune:
    """From the host to the supervisor: bring these settings into effect without losing a tick.

    They are those in effect now, but for what may change while the system runs.
    """

    settings: Settings


@dataclass(frozen=True, slots=True)
class Retuned:
    """From the supervisor to its host: the answer to `Retune`, once everything has changed."""

    settings: Settings
    """Those in effect now."""
    refused: str = ""
    """Why nothing changed, in one line; empty where all did."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """From a child to the supervisor: it has carried out a command of the retuning under way."""

    child: str


@dataclass(frozen=True, slots=True)
class PauseCuts:
    """From the supervisor to the monitor: begin no consistent cut while actors come and go."""

    paused: bool
    """False: go on."""

"""From the chaos actor to those that it troubles, and its own timer; crashes and hangs are in supervision."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InjectNext:
    """Timer of the chaos actor: the next fault of its plan is due."""

    number: int
    """Which one, counted from 0."""


@dataclass(frozen=True, slots=True)
class DropLine:
    """From the chaos actor to a connection: lose the transport as if the network had gone.

    A line that is down stays as it is.
    """


@dataclass(frozen=True, slots=True)
class GarbleLine:
    """From the chaos actor to a connection: take this as if the venue had sent it, between real frames.

    A line that is down takes nothing.
    """

    payload: bytes
    """Valid UTF-8, and no message of any venue."""


@dataclass(frozen=True, slots=True)
class StallStore:
    """From the chaos actor to a writer: have the store not answer for a while."""

    seconds: float

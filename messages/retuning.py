"""Changing a running system: between the host, the supervisor and those whose settings change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from core.breaker import Breaker
from core.line import LineTerms
from core.normalize import Terms
from core.scoring import ScoringRules
from core.settings import Settings
from core.symbol_state import SymbolState
from core.tracked import Tracked
from messages.lane import Unshed


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
    """False: go on. True is acknowledged."""


@dataclass(frozen=True, slots=True)
class WritersChanged:
    """From the supervisor to everybody who speaks to writers: these are they from now on; acknowledged."""

    writers: Mapping[str, Any]
    """By store: `Address[WriterMessage]`."""


@dataclass(frozen=True, slots=True)
class SetWriterTerms:
    """From the supervisor to a writer: when a batch is due, and when the store is left alone; acknowledged.

    The breaker keeps its state.
    """

    batch_rows: int
    flush_seconds: float
    max_batch_rows: int
    failure_threshold: int
    cooldown_seconds: float

    def breaker(self, before: Breaker) -> Breaker:
        """Give a breaker its new terms; its state stays."""
        return replace(
            before, failure_threshold=self.failure_threshold, cooldown_seconds=self.cooldown_seconds
        )


@dataclass(frozen=True, slots=True)
class SetAlertTerms:
    """From the supervisor to the monitor: of one kind and place an alert goes out so often; acknowledged."""

    every_seconds: float


@dataclass(frozen=True, slots=True)
class StoreLeft:
    """From the supervisor to the journal's actor: a store was taken out, and its writer has drained.

    Nothing waits for it any more.
    """

    store: str


@dataclass(frozen=True, slots=True)
class CatchUp(Unshed):
    """From the supervisor to any actor, behind all data that it has: say `Acknowledged` when you get here."""

    sender: str = "supervisor"

    feed: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class SetRules:
    """From the supervisor to a detector: judge by these rules from now on; answered with `Acknowledged`."""

    rules: ScoringRules


@dataclass(frozen=True, slots=True)
class Reroute:
    """From the supervisor to a normalizer: these symbols get other detectors, with all that is known of them.

    It takes no data until each new detector has said `DetectorReady`; then it says `Acknowledged`.
    """

    to: Mapping[str, Any]
    """By symbol: the `Address[DetectorMessage]` of the new one."""


@dataclass(frozen=True, slots=True)
class HandOver(Unshed):
    """From a normalizer to a detector, behind all data of these symbols: let go of what you know of them."""

    sender: str
    feed: str
    to: Mapping[str, Any]
    """By symbol: the address of the detector that is told with `TakeOver`."""
    normalizer: Any
    """The sender's address, which the new detector answers."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """From a detector to the one that takes its place for some symbols, before any of their further data.

    It says `DetectorReady` of each to the normalizer.
    """

    feed: str
    symbols: tuple[tuple[str, Tracked | None, SymbolState | None], ...]
    """Symbol, what is known of it, and the state of an earlier run; None: there is none."""
    normalizer: Any
    """Its address."""


@dataclass(frozen=True, slots=True)
class KnowSymbols(Unshed):
    """From the supervisor to a normalizer, behind all data that its lines had put: its symbols are these now.

    Those that are gone are forgotten, also by their detectors. Answered with `Acknowledged`.
    """

    terms: Terms
    detectors: Mapping[str, Any]
    """By symbol that is new: the `Address[DetectorMessage]` of its detector."""
    lines: Mapping[str, Any]
    """By line: the `Address[ConnectionMessage]` of its connection."""
    sources: frozenset[str]
    """The names of those connections."""
    sender: str = "supervisor"

    @property
    def feed(self) -> str:
        """The normalizer's."""
        return self.terms.feed


@dataclass(frozen=True, slots=True)
class ForgetSymbols(Unshed):
    """From a normalizer to a detector, behind all data of these symbols: they are not followed any more."""

    sender: str
    feed: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """From the supervisor to a connection: these are its terms, whatever symbols that adds or removes.

    Answered with `Acknowledged`; not before the venue has confirmed that symbols are left, or
    `acknowledge_seconds` have passed, so that nothing of them is to be expected.
    """

    terms: LineTerms
    start_dialer: Any = None
    """`actors.dialer.StartDialer`: what dials from now on; None: as before."""

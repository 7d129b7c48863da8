"""What `run --chaos` asks for: faults at their times, and a rate of random ones, read from one line of text.

crash=detector:BTC-USD@5s,hang=writer:lake@10s,drop=line@7s,stall=store@12s+2s,rate=0.1/s,seed=7
"""

import re
from dataclasses import dataclass
from typing import Final

from core.durations import SECOND_NS, duration_ns, duration_text
from core.errors import UsageError
from core.suggest import did_you_mean, quote

ACTORS: Final = ("writer", "webhook", "monitor", "journal", "detector", "normalizer", "connection")
"""Kinds of actors that faults are for: those that run as long as the pipeline does."""
TARGETS: Final = {
    "crash": ACTORS,
    "hang": ACTORS,
    "drop": ("line",),
    "garble": ("line",),
    "stall": ("store",),
}
"""By fault, the kinds of what it can befall."""
STALL_NS: Final = 3 * SECOND_NS
HIGHEST_RATE: Final = 1_000.0
LOWEST_RATE: Final = 1e-6
_NOUNS: Final = ("rate", "seed")
_RATE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,20})?(?:e-\d\d)?)/([smh])", re.ASCII)
_SEED: Final = re.compile(r"\d{1,18}", re.ASCII)
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was asked for."""

    kind: str
    """crash, hang, drop, garble or stall."""
    target: str
    """The kind of what it befalls: detector, line, store ..."""
    name: str
    """Which one: all of its name behind the kind, or how that ends. Empty: any, drawn by the seed."""
    at_ns: int
    """Since the lines have started."""
    length_ns: int = 0
    """How long a stall takes; 0 with other faults."""

    def __str__(self) -> str:
        name = f":{self.name}" if self.name else ""
        length = f"+{duration_text(self.length_ns)}" if self.length_ns else ""
        return f"{self.kind}={self.target}{name}@{duration_text(self.at_ns)}{length}"


@dataclass(frozen=True, slots=True)
class Chaos:
    """All that was asked for; `parse` reads back what `str` writes."""

    faults: tuple[Fault, ...] = ()
    rate: float = 0.0
    """Random faults a second, on the average; 0: none."""
    seed: int = 0

    def __str__(self) -> str:
        rate = [f"rate={self.rate!r}/s"] if self.rate else []
        return ",".join([*map(str, self.faults), *rate, f"seed={self.seed}"])


def parse(text: str) -> Chaos:
    """Read what was asked for; UsageError, in one line, where it cannot be understood."""
    faults: list[Fault] = []
    given: dict[str, str] = {}
    for item in map(str.strip, text.split(",")):
        word, _, value = item.partition("=")
        if word in TARGETS:
            faults.append(_fault(item, word, value))
        elif word not in _NOUNS:
            raise UsageError(f"{quote(word)} is no fault{did_you_mean(word, (*TARGETS, *_NOUNS))}")
        elif word in given:
            raise UsageError(f"{word} is given twice")
        else:
            given[word] = value
    rate = _rate(given["rate"]) if "rate" in given else 0.0
    if not faults and not rate:
        raise UsageError("nothing would happen: name a fault, as in crash=detector@5s, or a rate=0.1/s")
    return Chaos(tuple(faults), rate, _seed(given.get("seed", "0")))


def _fault(item: str, kind: str, value: str) -> Fault:
    to, at, when = value.rpartition("@")
    if not at:
        raise UsageError(f"{quote(item)} does not say when; write it like {kind}={TARGETS[kind][-1]}@5s")
    target, colon, name = to.partition(":")
    if target not in TARGETS[kind]:
        known = did_you_mean(target, TARGETS[kind])
        raise UsageError(f"{quote(item)}: {quote(target)} is nothing that a {kind} can befall{known}")
    if colon and not name:
        raise UsageError(f"{quote(item)}: no name behind {target}:")
    time, plus, length = when.partition("+")
    if plus and kind != "stall":
        raise UsageError(f"{quote(item)}: only a stall has a length")
    length_ns = _duration(item, length) if plus else STALL_NS if kind == "stall" else 0
    return Fault(kind, target, name, _duration(item, time), length_ns)


def _duration(item: str, text: str) -> int:
    try:
        return duration_ns(text)
    except ValueError as error:
        raise UsageError(f"{quote(item)}: {error}") from None


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text)
    rate = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UsageError(
            f"rate={quote(text)} must be a number of faults a second, minute or hour, like 0.1/s or 6/m, "
            f"and at most {HIGHEST_RATE:g}/s"
        )
    return rate


def _seed(text: str) -> int:
    if not _SEED.fullmatch(text):
        raise UsageError(f"seed={quote(text)} must be a whole number of at most 18 digits")
    return int(text)

"""Which fault befalls what, and when: worked out from the text, the targets and the seed alone.

A target is written as a path whose first part is its kind: `detector/demo/BTC-USD`, `line/demo/0/A`,
`store/lake`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from random import Random
from typing import Final

from core.chaos import STALL_NS, TARGETS, Chaos, Fault
from core.durations import SECOND_NS
from core.errors import UsageError
from core.suggest import SHOWN_CHARACTERS, nearest, quote

DEEPEST: Final = 20_000
LONGEST_NUMBER: Final = 5_000
_SHOWN_NAMES: Final = 8
_ODD: Final = "\x00\x01\x1b\x7f\x80\xa0\xad\u2028\ud7ff\ue000\ufeff\ufffd\uffff\U0001f4a5\U0010ffff"
"""Characters that are valid text and seldom meant."""
_TICK: Final = '{"type":"ticker","symbol":"?","price":"64000.10","size":0.25,"time":"2026-01-15T14:30:00Z"}'


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault, with its victim."""

    seconds: float
    """Since the lines have started."""
    fault: str
    """crash, hang, drop, garble or stall."""
    target: str
    """As the module says."""
    length_seconds: float = 0.0
    """Of a stall."""
    payload: bytes = b""
    """What a garbled line is to take: valid UTF-8, and no message of any venue."""


def check(chaos: Chaos, targets: Sequence[str]) -> None:
    """Raise UsageError where something is asked for of a target that is not there."""
    for fault in chaos.faults:
        if not _meant(fault, targets):
            raise UsageError(f"--chaos: {quote(str(fault))}: {_missing(fault, targets)}")


def plan(chaos: Chaos, targets: Sequence[str]) -> Iterator[Injection]:
    """Give the faults in the order of their times, without end where there is a rate.

    The same text and targets, in whatever order, give the same.
    """
    known = sorted(targets)
    return merge(_asked(chaos, known), _drawn(chaos, known), key=attrgetter("seconds"))


def rubbish(random: Random) -> bytes:
    """Draw a text that no dialect takes for a message."""
    form = random.choice((_cut, _nested, _odd, _huge, _page))
    return form(random).encode()


def _asked(chaos: Chaos, targets: Sequence[str]) -> Iterator[Injection]:
    random = Random(f"asked {chaos.seed}")
    faults = [(fault, random.choice(_meant(fault, targets))) for fault in chaos.faults]
    for fault, target in sorted(faults, key=lambda pair: pair[0].at_ns):
        yield _injection(fault.at_ns / SECOND_NS, fault.kind, target, fault.length_ns, random)


def _drawn(chaos: Chaos, targets: Sequence[str]) -> Iterator[Injection]:
    """Draw a Poisson process: exponential gaps; of what may happen, evenly; to whom it may happen, evenly."""
    random = Random(f"drawn {chaos.seed}")
    by_fault = {fault: [each for each in targets if _kind(each) in kinds] for fault, kinds in TARGETS.items()}
    faults = [fault for fault, some in by_fault.items() if some]
    seconds = 0.0
    while chaos.rate and faults:
        seconds += random.expovariate(chaos.rate)
        fault = random.choice(faults)
        yield _injection(seconds, fault, random.choice(by_fault[fault]), STALL_NS, random)


def _injection(seconds: float, fault: str, target: str, length_ns: int, random: Random) -> Injection:
    length = length_ns / SECOND_NS if fault == "stall" else 0.0
    return Injection(seconds, fault, target, length, rubbish(random) if fault == "garble" else b"")


# Targets


def _kind(target: str) -> str:
    return target.partition("/")[0]


def _name(target: str) -> str:
    return target.partition("/")[2]


def _meant(fault: Fault, targets: Sequence[str]) -> list[str]:
    """Give the targets that a fault may befall: those whose name is the one given, or ends with it."""
    some = [target for target in targets if _kind(target) == fault.target]
    exact = [target for target in some if _name(target) == fault.name]
    return exact or [
        target for target in some if not fault.name or f"/{_name(target)}".endswith(f"/{fault.name}")
    ]


def _missing(fault: Fault, targets: Sequence[str]) -> str:
    names = sorted(_name(target) for target in targets if _kind(target) == fault.target)
    if not names:
        return f"there is no {fault.target} in this run"
    if names == [""]:
        return f"there is one {fault.target}, and it has no name"
    near = nearest(fault.name, [*names, *(name.rpartition("/")[2] for name in names)])
    shown = ", ".join([*names[:_SHOWN_NAMES], *(["..."] if len(names) > _SHOWN_NAMES else [])])
    hint = f"did you mean {quote(near)}?" if near else f"known are {shown}"
    return f"there is no {fault.target} {quote(fault.name, SHOWN_CHARACTERS)}; {hint}"


# Rubbish


def _cut(random: Random) -> str:
    """Cut an object off: whatever is left of one is none."""
    return _TICK[: random.randrange(len(_TICK))]


def _nested(random: Random) -> str:
    return random.choice(("[", '{"a":', '[{"symbol":')) * random.randint(1_000, DEEPEST)


def _odd(random: Random) -> str:
    return "\x00" + "".join(random.choices(_ODD, k=random.randint(0, 200)))


def _huge(random: Random) -> str:
    digits = "9" * random.randint(400, LONGEST_NUMBER)
    return random.choice((digits, f"-{digits}", f"1e{digits}", f"0.{digits}", f'{{"price":{digits}'))


def _page(random: Random) -> str:
    """Give what a proxy answers in a venue's place."""
    status = random.choice(("502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"))
    return f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"

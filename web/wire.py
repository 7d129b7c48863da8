"""What the pipeline and the process of its page say to each other: a line of JSON each, through pipes.

To the child's stdin go a `Hello`, then a `Snapshot` a second, and an `Answer` to each `Question`, which comes
from its stdout.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from core.latency import Latencies
from web.model import Recent

MOST_QUESTION_BYTES: Final = 4_096


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """From the parent, first: how to serve."""

    descriptor: int
    """Of the listening socket, which is inherited."""
    host: str
    port: int
    pid: int
    """Of the pipeline."""
    hosts: Sequence[str] = ()
    token: str = ""
    """Empty: nobody is asked for it."""
    cpus: Sequence[int] = ()
    """Processors to run on: the pipeline itself may keep to fewer. None: wherever it was started."""
    log_level: int = 30
    log_format: str = "text"


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """From the parent, once a second: how everything stands."""

    at_ns: int
    """UTC epoch ns."""
    status: Mapping[str, Any] | None
    """The document of `/status`; None where the monitor did not answer in time."""
    latencies: Mapping[str, Latencies] = {}
    """`signal`, `signal_from_event`, and `stored/` with each store's name; since the start."""


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """From the parent: what was asked for."""

    id: int
    recent: Recent | None
    """None: unknown, or no answer in time."""


class Question(msgspec.Struct, frozen=True):
    """From the child: give the newest ticks of a symbol."""

    id: int
    recent: tuple[str, str, int]
    """Feed, symbol, how many."""


Told = Hello | Snapshot | Answer
_TORN: Final = re.compile("[\ud800-\udfff]")
_TOLD: Final[msgspec.json.Decoder[Told]] = msgspec.json.Decoder(Told)
_QUESTION: Final = msgspec.json.Decoder(Question)


def line(message: Told | Question) -> bytes:
    """Write a message as one line; NaN and infinity, which JSON has not, become null.

    Text that is no valid Unicode has a U+FFFD in the place of each fault.
    """
    try:
        return msgspec.json.encode(message) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(_valid(msgspec.to_builtins(message, str_keys=True))) + b"\n"


def told(text: bytes) -> Told:
    """Read what the parent says. Raises msgspec.DecodeError where it is something else."""
    return _TOLD.decode(text)


def question(text: bytes) -> Question:
    """Read what the child asks. Raises msgspec.DecodeError where it is something else."""
    return _QUESTION.decode(text)


def document(value: Any) -> bytes:
    """Write plain values as JSON."""
    return msgspec.json.encode(value) + b"\n"


def _valid(value: Any) -> Any:
    match value:
        case str():
            return _TORN.sub("\ufffd", value)
        case Mapping():
            return {_valid(key): _valid(item) for key, item in value.items()}
        case list() | tuple():
            return [_valid(item) for item in value]
    return value

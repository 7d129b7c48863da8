"""Typed decoding of what venues send, and the reason when a message does not fit its type.

The fields' types below let msgspec refuse in its one pass what a venue may not send; only a message
that was refused is read a second time, to say why.
"""

import sys
from math import inf
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from venues.parsing import Unreadable, number

Number = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A JSON number or a decimal string (decode with `strict=False`); the bounds refuse NaN and infinities."""
Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""An id."""
EpochTime = Annotated[int, Meta(ge=0, le=2**63 - 1, title="time")]
IsoTime = Annotated[str, Meta(title="time")]

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec's JSON decoder raises; a message that is JSON of another type is a DecodeError too."""

_TIMES: Final = (EpochTime, IsoTime, EpochTime | None, IsoTime | None)
_NUMBERS: Final = (Number, Number | None)
# Untyped, msgspec refuses 1e400 as out of range: the hook makes it infinite, which has a reason of its own.
_ANYTHING: Final = msgspec.json.Decoder(float_hook=float)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def check_utf8(frame: bytes) -> None:
    """Raise UnicodeDecodeError where bytes are not UTF-8; msgspec does not look into fields it skips."""
    if not frame.isascii():
        frame.decode()


def parse(frame: bytes) -> Any:
    """Give a frame's JSON value; Unreadable where it is none. A number too large for Python is infinite."""
    try:
        check_utf8(frame)
        return _parse(frame)
    except UNDECODABLE:
        raise Unreadable("malformed_json") from None


def _parse(text: bytes | Raw, levels: int = 2) -> Any:
    try:
        return _ANYTHING.decode(text)
    except msgspec.ValidationError:
        # Without a type, nothing is refused but an integer of more digits than Python reads. It must not
        # hide the rest of an event in its envelope; what lies deeper is of no use.
        kind = bytes(text).lstrip()[:1]
        if kind == b"{" and levels:
            return {name: _parse(value, levels - 1) for name, value in _OBJECT.decode(text).items()}
        return [] if kind == b"[" else {} if kind == b"{" else inf


def parse_object(frame: bytes) -> dict[str, Any]:
    """Give a frame's JSON object; Unreadable where it is anything else."""
    value = parse(frame)
    if not isinstance(value, dict):
        raise Unreadable("bad_type")
    return value


def fault(wanted: type[msgspec.Struct], record: dict[str, Any]) -> str:
    """Say why a JSON object is not a message of the wanted type: one of `core.records.REASONS`."""
    fields = msgspec.structs.fields(wanted)
    if any(field.required and record.get(field.encode_name) is None for field in fields):
        return "missing_field"
    reasons = (
        value_fault(field.type, record[field.encode_name]) for field in fields if field.encode_name in record
    )
    return next((reason for reason in reasons if reason), "bad_type")


def value_fault(wanted: Any, value: object) -> str | None:
    """Say why a JSON value is not of a field's type; None where it is."""
    try:
        msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError:
        if wanted in _TIMES:
            return "bad_timestamp"
        return _number_fault(value) if wanted in _NUMBERS else "bad_type"
    return None


def _number_fault(value: object) -> str:
    try:
        number(value)
    except Unreadable as unreadable:
        return unreadable.reason
    return "bad_type"

"""How far our clock is from a venue's, seen in a short look at live ticks."""

import os
import select
import time
from collections.abc import Iterator
from statistics import median
from typing import Final

from actors.transport import Ended, Transport
from cli.findings import Finding, ok
from core.frames import TEXT, FrameState, Reading, answer, encode, read
from core.memory import FeedMemory
from core.normalize import FrameSink, Terms, normalize
from core.records import NO_TIME
from core.runs import Run
from core.settings import Feed
from venues.dialect import Dialect

ASKED_SYMBOLS: Final = 10
FAR_NS: Final = 500_000_000
"""Receive times that lie so far behind the venue's, or at all before them, are worth a word."""
_MS: Final = 1_000_000
_READ_BYTES: Final = 1 << 18


def offset(subject: str, delays: list[int]) -> Finding:
    """Judge how far behind the venue's own times ticks are received, in ns: transport and clocks together."""
    if not delays:
        text = "no tick with a venue's time came within a few seconds"
        return Finding(subject, "warn", text, "look at symbols and channels; quiet markets have few ticks")
    middle = int(median(delays))
    text = f"ticks come {middle / _MS:,.1f} ms after the venue's own time (median of {len(delays):,})"
    if middle < 0:
        return Finding(subject, "warn", text, "the clock here is behind, or the venue's ahead: look at NTP")
    if middle > FAR_NS:
        return Finding(subject, "warn", text, "the clock here is ahead, or the way is long: look at NTP")
    return ok(subject, text)


def delays(feed: Feed, dialect: Dialect, transport: Transport, look_seconds: float) -> list[int]:
    """Subscribe to some symbols for some seconds; give how long after the venue's times ticks came, in ns."""
    for request in dialect.subscribe(feed.symbols[:ASKED_SYMBOLS]):
        _write(transport, TEXT, request.text.encode())
    terms = Terms(feed.name, feed.venue, None, one_channel=dialect.one_channel, live=False)
    sink = FrameSink(terms, FeedMemory(), 1, "doctor")
    found: list[int] = []
    state, frames = FrameState(), 0
    for data, now_ns in _received(transport, look_seconds):
        reading = read(state, data, feed.max_message_mb << 20)
        state = reading.state
        _answer(transport, reading)
        if reading.texts:
            numbered = enumerate(reading.texts, frames)
            run = Run.of((number, payload, now_ns) for number, payload in numbered)
            frames += len(reading.texts)
            for block in normalize(run, dialect.decode, sink).blocks:
                times = block.ts_event_ns[block.ts_event_ns != NO_TIME].tolist()
                found += [now_ns - at for at in times]
        if state.ended:
            break
    return found


def _answer(transport: Transport, reading: Reading) -> None:
    """Send what the protocol asks for, so that a venue which pings does not hang up."""
    for event in reading.controls:
        answered = answer(event)
        if answered is not None:
            _write(transport, *answered)


def _write(transport: Transport, opcode: int, payload: bytes) -> None:
    transport.write(encode(opcode, payload, os.urandom(4)))


def _received(transport: Transport, look_seconds: float) -> Iterator[tuple[bytes, int]]:
    """Give what comes until the time is up, each with the time at which it came."""
    until = time.monotonic() + look_seconds
    while (left := until - time.monotonic()) > 0:
        if not transport.pending():
            writing = [transport.fileno()] if transport.wants_write else []
            ready, writable, _ = select.select([transport.fileno()], writing, [], left)
            if writable:
                transport.flush()
            if not ready:
                continue
        data = transport.read(_READ_BYTES)
        if isinstance(data, Ended):
            return
        if data:
            yield data, time.time_ns()

"""The limit of one core: `python -m benchmarks.limit URL FRAMES SYMBOLS [--discard]`.

Frames are split by hand out of 256 KiB reads, and each is decoded by a typed msgspec decoder; nothing else.
With --discard the bytes are only read, until the load closes: that is the load generator's own limit. Prints
a line of JSON.
"""

import argparse
import socket
import time
from typing import Final

import msgspec

from benchmarks import instruments
from benchmarks.client_side import subscribed
from benchmarks.load import tell

READ_BYTES: Final = 256 * 1024


class Trade(msgspec.Struct, gc=False):
    """What a pipeline needs of a trade."""

    s: str
    a: int
    p: float
    q: float
    T: int
    m: bool


class Combined(msgspec.Struct, gc=False):
    """A combined frame."""

    data: Trade


def decode(connected: socket.socket, frames: int) -> None:
    """Split and decode so many frames, each of 126 to 65,535 bytes."""
    decoded = msgspec.json.Decoder(Combined, strict=False).decode
    held = b""
    while frames:
        content = held + connected.recv(READ_BYTES)
        pos, end = 0, len(content)
        if end == len(held):
            raise EOFError("the load ended early")
        while pos + 4 <= end:
            stop = pos + 4 + (content[pos + 2] << 8 | content[pos + 3])
            if stop > end:
                break
            decoded(content[pos + 4 : stop])
            frames -= 1
            pos = stop
        held = content[pos:]


def discard(connected: socket.socket) -> None:
    """Read bytes until the load closes."""
    room = memoryview(bytearray(READ_BYTES))
    while connected.recv_into(room):
        pass


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limit", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("frames", type=int)
    parser.add_argument("symbols", type=int)
    parser.add_argument("--discard", action="store_true")
    options = parser.parse_args()
    connected = subscribed(options.url, instruments.symbols(options.symbols))
    used = time.process_time()
    if options.discard:
        discard(connected)
    else:
        decode(connected, options.frames)
    ended = time.monotonic_ns()
    tell(ended_ns=ended, frames=options.frames, cpu_seconds=time.process_time() - used)


if __name__ == "__main__":
    main()

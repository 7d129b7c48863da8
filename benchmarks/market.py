"""The market that all benchmarks hear of: Binance's combined trades, prebuilt as WebSocket frames.

Prices are seeded random walks, ids of a symbol are contiguous: nothing is a duplicate, nothing is missing.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SEED: Final = 20_240_506
CHUNK_BYTES: Final = 256 * 1024
_TICKS: Final = (6_400_010, 310_000, 14_520, 52_417, 40_333)
"""What they cost at first, in hundredths."""
_FIRST_ID: Final = 10_000


def trades(names: Sequence[str], times: Sequence[int], seed: int = SEED) -> Iterator[bytes]:
    """Give a frame a time; each is a trade of one of the symbols. Times are epoch ms or us."""
    random = np.random.default_rng(seed)
    which = random.integers(0, len(names), len(times)).tolist()
    steps = random.integers(-1, 2, len(times)).tolist()
    lots = random.integers(1, 100_000, len(times)).tolist()
    streams = [name.lower() for name in names]
    prices = [_TICKS[number % len(_TICKS)] for number in range(len(names))]
    ids = [_FIRST_ID] * len(names)
    for symbol, step, lot, time in zip(which, steps, lots, times, strict=True):
        price = prices[symbol] = prices[symbol] + step
        number = ids[symbol] = ids[symbol] + 1
        maker = "true" if lot & 1 else "false"
        yield text_frame(
            f'{{"stream":"{streams[symbol]}@aggTrade","data":{{"e":"aggTrade","E":{time},"s":"{names[symbol]}",'
            f'"a":{number},"p":"{price // 100}.{price % 100:02}","q":"{lot // 1000}.{lot % 1000:03}",'
            f'"f":{number},"l":{number},"T":{time},"m":{maker},"M":true}}}}'.encode()
        )


def text_frame(payload: bytes) -> bytes:
    """Give a server's text frame; what is at most 65,535 bytes long."""
    if len(payload) < 126:
        return b"\x81" + bytes((len(payload),)) + payload
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def flood_times(count: int, now_ms: int) -> list[int]:
    """Give times in ms that lie close together, so that no tick seems old."""
    return [now_ms + number // 1000 for number in range(count)]


def poisson_offsets_ns(count: int, per_second: float, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Give when each of so many arrivals is due, in ns from the start: an open-loop load."""
    gaps = np.random.default_rng(seed).exponential(1e9 / per_second, count)
    return np.cumsum(gaps).astype(np.int64)


def chunks(frames: Iterator[bytes]) -> list[bytes]:
    """Join frames to pieces that one call sends."""
    joined: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for frame in frames:
        waiting.append(frame)
        size += len(frame)
        if size >= CHUNK_BYTES:
            joined.append(b"".join(waiting))
            waiting, size = [], 0
    return [*joined, b"".join(waiting)] if waiting else joined

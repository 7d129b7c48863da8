"""websockets: `python -m benchmarks.peer_websockets URL FRAMES SYMBOLS`."""

import asyncio

import websockets

from benchmarks.peer_common import Count


async def main() -> None:
    """Measure once."""
    count = Count()
    async with websockets.connect(count.url, ping_interval=None, compression=None) as connection:
        await connection.send(count.subscription)
        await connection.recv()
        while count.left:
            await connection.recv()
            count.left -= 1
        count.tell()


if __name__ == "__main__":
    asyncio.run(main())

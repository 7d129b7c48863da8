"""aiohttp: `python -m benchmarks.peer_aiohttp URL FRAMES SYMBOLS`."""

import asyncio

import aiohttp

from benchmarks.peer_common import Count


async def main() -> None:
    """Measure once."""
    count = Count()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(count.url, max_msg_size=0) as connection,
    ):
        await connection.send_str(count.subscription)
        await connection.receive()
        while count.left:
            await connection.receive()
            count.left -= 1
        count.tell()


if __name__ == "__main__":
    asyncio.run(main())

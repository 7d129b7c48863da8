"""picows: `python -m benchmarks.peer_picows URL FRAMES SYMBOLS`."""

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect  # type: ignore[import-not-found]

from benchmarks.peer_common import Count


class Listener(WSListener):  # type: ignore[misc]
    """Counts text messages."""

    def __init__(self, count: Count) -> None:
        super().__init__()
        self._count = count
        # The acknowledgement is a message, too.
        self._left = count.left + 1

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribe."""
        transport.send(WSMsgType.TEXT, self._count.subscription.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count."""
        self._left -= 1
        if not self._left:
            self._count.left = 0
            transport.disconnect()


async def main() -> None:
    """Measure once."""
    count = Count()
    transport, _ = await ws_connect(lambda: Listener(count), count.url)
    await transport.wait_disconnected()
    count.tell()


if __name__ == "__main__":
    asyncio.run(main())

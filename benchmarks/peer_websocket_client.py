"""websocket-client, as it comes: `python -m benchmarks.peer_websocket_client URL FRAMES SYMBOLS`."""

import websocket

from benchmarks.peer_common import Count


def main() -> None:
    """Measure once."""
    count = Count()
    connection = websocket.create_connection(count.url)
    connection.send(count.subscription)
    connection.recv()
    while count.left:
        connection.recv()
        count.left -= 1
    count.tell()


if __name__ == "__main__":
    main()

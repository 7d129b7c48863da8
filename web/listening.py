"""The socket that the operator's view is reached through."""

import errno
import os
import socket
from typing import Final

from core.errors import UsageError

BACKLOG: Final = 64


def listen(host: str, port: int) -> socket.socket:
    """Listen; port 0 takes any free one. Raises UsageError where that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # On Windows this option would let another program take over the port.
        if os.name != "nt":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageError(why_not(host, port, error)) from None
    return listening


def why_not(host: str, port: int, error: OSError) -> str:
    """Say in a line why an address cannot be listened on."""
    where = f"monitor.port: {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is in use, perhaps by another supervisor; stop that one, or set monitor.port to "
            "another port (0 picks a free one)"
        )
    return f"{where} cannot be listened on: {error.strerror or error}; set monitor.port or monitor.host"

"""The process of the operator's page: `python -m web.server`, started and fed by the pipeline.

It has an interpreter, and so a lock, of its own: whatever browsers do costs the pipeline nothing but the
telling. It ends when its standard input does, which is when the pipeline has ended, however that was.
"""

import asyncio
import logging
import os
import socket
import sys
from functools import partial
from threading import Event, Thread
from typing import BinaryIO, Final

import msgspec
import uvicorn

from cli.logs import log_to_stderr
from web.client_protocol import MOST_CLIENTS, MOST_HEAD_BYTES, ClientProtocol
from web.newest import Newest
from web.serving import application
from web.wire import Hello, Snapshot, told

GRACE_SECONDS: Final = 1
"""For answers that are under way when the pipeline ends."""
WEBSOCKET_BYTES: Final = 2**20

log = logging.getLogger("tapeline.page")


def main() -> int:
    """Serve until the pipeline ends."""
    pipeline, say = sys.stdin.buffer, _take_stdout()
    try:
        hello = told(pipeline.readline())
    except msgspec.DecodeError:
        hello = None
    if not isinstance(hello, Hello):
        sys.stderr.write("tapeline: web.server is a part of `run`, and is started by it\n")
        return 2
    if hello.cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, hello.cpus)
    log_to_stderr(hello.log_level, hello.log_format)
    asyncio.run(_serve(hello, pipeline, say))
    # A thread may still be reading, which the interpreter's own end would wait for.
    sys.stderr.flush()
    os._exit(0)


def _take_stdout() -> BinaryIO:
    """Keep standard output for questions; what libraries print goes to stderr."""
    say = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # A pipeline that does not listen holds nobody up; a question is lost then.
    os.set_blocking(say.fileno(), False)
    return say


async def _serve(hello: Hello, pipeline: BinaryIO, say: BinaryIO) -> None:
    model = Newest(partial(_say, say))
    server = uvicorn.Server(
        uvicorn.Config(
            application(model, hello),
            http=ClientProtocol,
            ws="websockets-sansio",
            ws_max_size=WEBSOCKET_BYTES,
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            limit_concurrency=MOST_CLIENTS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            log_config=None,
            access_log=False,
            # Nobody's word is taken for who the client is.
            proxy_headers=False,
            server_header=False,
        )
    )
    loop = asyncio.get_running_loop()
    Thread(target=_listen, args=(pipeline, loop, model, server), name="pipeline", daemon=True).start()
    with socket.socket(fileno=hello.descriptor) as listening:
        await server.serve([listening])


def _say(pipe: BinaryIO, text: bytes) -> None:
    pipe.write(text)


def _listen(
    pipeline: BinaryIO, loop: asyncio.AbstractEventLoop, model: Newest, server: uvicorn.Server
) -> None:
    """Take in what the pipeline says, to its end; then end the process, even if the server hangs."""
    for text in pipeline:
        try:
            message = told(text)
        except msgspec.DecodeError as error:
            log.error("the pipeline says what cannot be understood: %s", error)
            continue
        if isinstance(message, Snapshot):
            loop.call_soon_threadsafe(model.take, message)
        elif not isinstance(message, Hello):
            loop.call_soon_threadsafe(model.hear, message)
    server.should_exit = True
    Event().wait(GRACE_SECONDS + 1.0)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

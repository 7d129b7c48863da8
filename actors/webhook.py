"""Posts alerts to an HTTP endpoint, in an actor of its own since that blocks."""

import logging
from dataclasses import asdict
from typing import Any, assert_never

import msgspec
import urllib3

from actors.address import Address
from actors.base import Actor
from actors.slot import Slot, Transaction
from messages.observation import Post, Posted
from messages.supervision import Drain, Drained

WebhookMessage = Post | Drain

# Its warnings quote the URL.
# On the loggers themselves: influxdb-client sets the level of their parent.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class WebhookActor(Actor[None]):
    """One POST at a time, `{"alerts": [...]}` as JSON; a failed one is told and not repeated."""

    def __init__(self, slot: Slot[None], *, url: str, timeout_seconds: float, monitor: Address[Any]) -> None:
        super().__init__(slot)
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=timeout_seconds), retries=urllib3.Retry(0), maxsize=1
        )
        self._monitor = monitor

    def on_stop(self) -> None:
        """Close the connection."""
        super().on_stop()
        self._pool.clear()

    def receive(self, message: WebhookMessage, tx: Transaction) -> None:
        """Handle one message."""
        match message:
            case Post(alerts):
                # To connect and to be answered may take the whole time each.
                self.pulse.allow(2 * self._timeout_seconds + 5.0)
                body = msgspec.json.encode({"alerts": [asdict(alert) for alert in alerts]})
                tx.tell(self._monitor, Posted(self._send(body)))
            case Drain():
                if self.slot.supervisor is not None:
                    tx.tell(self.slot.supervisor, Drained(self.slot.name))
            case _:
                assert_never(message)

    def _send(self, body: bytes) -> str:
        """Post; the text of a failure names its kind only, since the URL may hold a secret."""
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers={"content-type": "application/json"},
                preload_content=False,
            )
            # What it says besides its status may be broken or never end; nobody reads it.
            answer.close()
        except urllib3.exceptions.HTTPError as error:
            cause = getattr(error, "reason", None) or error
            return f"the alert could not be posted: {type(cause).__name__}"
        return "" if answer.status < 400 else f"the receiver answered with HTTP status {answer.status}"

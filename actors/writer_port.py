"""The port of a writer: it lets rows gather before it takes them."""

from typing import Final

from actors.port import Port

LINGER_SECONDS: Final = 0.01
"""Little beside the time after which rows are written; yet a writer that woke for every block would take the
interpreter from whoever makes the next."""


class WriterPort(Port):
    """The common port, but for a pause before it waits for data."""

    def rest(self) -> None:
        """Look at control only for a moment, unless a timer is due before."""
        due = self.slot.next_due()
        left = LINGER_SECONDS if due is None else due - self.slot.clock.monotonic()
        if left > 0.0:
            self.slot.mailbox.linger(min(left, LINGER_SECONDS))
        if not self.slot.mailbox.has_data():
            super().rest()

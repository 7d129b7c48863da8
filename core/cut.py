"""One actor's side of a consistent cut of the ledger.

After Chandy and Lamport, "Distributed Snapshots" (1985): on the first marker of a cut the actor's
counts are copied; what still arrives from senders whose marker has not come was on its way at the
cut, and is in flight; with the last marker the actor's side is complete.
"""

from dataclasses import dataclass, replace

from core.ledger import Counts, add


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut in progress. Immutable but for `in_flight`, which `passed` replaces."""

    number: int
    waiting_for: frozenset[str]
    counts: Counts
    in_flight: Counts

    @property
    def complete(self) -> bool:
        """Whether a marker has come from every sender."""
        return not self.waiting_for

    def marked(self, sender: str) -> "Cut":
        """Count the marker of a sender."""
        return replace(self, waiting_for=self.waiting_for - {sender})

    def passed(self, sender: str, feed: str, records: int, frames: int) -> "Cut":
        """Count a message that was on its way if its sender's marker has not come."""
        if sender not in self.waiting_for or not (records or frames):
            return self
        in_flight = dict(self.in_flight)
        add(in_flight, feed, "in_flight", records)
        add(in_flight, feed, "in_flight_frames", frames)
        return replace(self, in_flight=in_flight)


def begin(number: int, senders: frozenset[str], counts: Counts, held: Counts) -> Cut:
    """Begin an actor's side: its counts and what it holds, as they are now."""
    return Cut(number, senders, dict(counts), dict(held))

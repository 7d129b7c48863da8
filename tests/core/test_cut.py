"""Consistent cuts of a small network, with its messages delivered in any order that channels allow.

Three connections, two normalizers, three detectors, two writers: every message is a number of
records of one feed. Whatever the order, the ledger of a cut balances to the record.
"""

from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import cut as cuts
from core.cut import Cut
from core.ledger import Counts, add
from core.overview import cut_ledger

FEED = "f"
CONNECTIONS = ("c0", "c1", "c2")
NORMALIZERS = ("n0", "n1")
DETECTORS = ("d0", "d1", "d2")
WRITERS = {"w0": "first", "w1": "second"}
ROUTES = {
    "c0": ("n0",),
    "c1": ("n1",),
    "c2": ("n0",),
    "n0": (*DETECTORS, *WRITERS),
    "n1": (*DETECTORS, *WRITERS),
    **dict.fromkeys(DETECTORS, tuple(WRITERS)),
    **dict.fromkeys(WRITERS, ()),
}


@dataclass(frozen=True)
class Load:
    """Records on their way, or the frames that they are still in; or a marker."""

    records: int = 0
    frames: int = 0
    marker: int | None = None


@dataclass
class Node:
    """One actor: what it counted, what it holds, and its side of the cut."""

    name: str
    counts: Counts = field(default_factory=dict)
    held: int = 0
    cut: Cut | None = None
    done: dict[int, tuple[Counts, Counts]] = field(default_factory=dict)

    @property
    def senders(self) -> frozenset[str]:
        return frozenset(name for name, onward in ROUTES.items() if self.name in onward)


class Network:
    """Channels are first-in, first-out; which one is served next is for chance to say."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.nodes = {name: Node(name) for name in ROUTES}
        self.channels: dict[tuple[str, str], deque[Load]] = {
            (sender, to): deque() for sender, onward in ROUTES.items() for to in onward
        }

    def count(self, name: str, what: str, n: int) -> None:
        add(self.nodes[name].counts, FEED, what, n)

    def send(self, sender: str, to: str, load: Load) -> None:
        self.channels[sender, to].append(load)

    # What connections do of themselves

    def receive_frames(self) -> None:
        name, frames = self.random.choice(CONNECTIONS), self.random.randint(1, 3)
        self.count(name, "frames", frames)
        self.send(name, ROUTES[name][0], Load(frames=frames))

    def take_cut(self, number: int) -> None:
        for name in CONNECTIONS:
            self.begin_cut(self.nodes[name], number)

    # What everybody does with what comes

    def deliver(self) -> bool:
        """Hand over the head of any channel; False when all are empty."""
        waiting = [ends for ends, loads in self.channels.items() if loads]
        if not waiting:
            return False
        sender, to = self.random.choice(waiting)
        load = self.channels[sender, to].popleft()
        node = self.nodes[to]
        if load.marker is not None:
            self.mark(node, sender, load.marker)
            return True
        if node.cut is not None and not node.cut.complete:
            node.cut = node.cut.passed(sender, FEED, load.records, load.frames)
        self.handle(node, load)
        return True

    def handle(self, node: Node, load: Load) -> None:
        if node.name in NORMALIZERS:
            self.normalize(node, load.frames)
        elif node.name in DETECTORS:
            self.detect(node, load.records)
        else:
            self.write(node, load.records)

    def normalize(self, node: Node, frames: int) -> None:
        """Records of any number, one of them a duplicate now and then, some malformed."""
        records, malformed = self.random.randint(0, 4), self.random.randint(0, 1)
        self.count(node.name, self.random.choice(["decoded", "control", "shed_frames"]), frames)
        self.count(node.name, "received", records + malformed + 1)
        self.count(node.name, "duplicate.repeated", 1)
        self.send(node.name, self.random.choice(DETECTORS), Load(records))
        for writer in WRITERS:
            self.send(node.name, writer, Load(malformed))

    def detect(self, node: Node, records: int) -> None:
        """Some records become dead letters, the others go to every store."""
        dead = self.random.randint(0, min(1, records))
        self.count(node.name, "dead_letter", dead)
        for writer in WRITERS:
            self.send(node.name, writer, Load(records - dead))

    def write(self, node: Node, records: int) -> None:
        """Hold them for a while, then store them."""
        node.held += records
        if self.random.random() < 0.4:
            self.count(node.name, self.random.choice(["stored", "rejected.critical_z", "spooled"]), node.held)
            node.held = 0

    # Cuts, as an actor takes them

    def mark(self, node: Node, sender: str, number: int) -> None:
        if node.cut is None or node.cut.number < number:
            self.begin_cut(node, number)
        assert node.cut is not None
        if node.cut.number == number:
            node.cut = node.cut.marked(sender)
            self.finish_cut(node)

    def begin_cut(self, node: Node, number: int) -> None:
        held: Counts = {(FEED, "in_flight"): node.held}
        node.cut = cuts.begin(number, node.senders, node.counts, held)
        for to in ROUTES[node.name]:
            self.send(node.name, to, Load(marker=number))
        self.finish_cut(node)

    def finish_cut(self, node: Node) -> None:
        assert node.cut is not None
        if node.cut.complete:
            node.done[node.cut.number] = (node.cut.counts, node.cut.in_flight)

    def reports(self, number: int) -> dict[str, tuple[Counts, Counts]]:
        return {name: node.done[number] for name, node in self.nodes.items() if number in node.done}


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 60), st.integers(1, 3))
def test_the_ledger_of_a_cut_balances_whatever_the_order(
    seed: int, before: int, after: int, number_of_cuts: int
) -> None:
    network = Network(Random(seed))
    for number in range(1, number_of_cuts + 1):
        for _ in range(before):
            network.random.choice([network.receive_frames, network.deliver])()
        network.take_cut(number)
        for _ in range(after):
            network.random.choice([network.receive_frames, network.deliver])()
        while network.deliver():
            pass
        reports = network.reports(number)
        assert reports.keys() == ROUTES.keys()
        ledger = cut_ledger(reports, WRITERS)
        assert ledger.balanced, ledger.as_json()


def test_the_cut_of_a_busy_network_finds_records_in_flight() -> None:
    """Otherwise the property above would hold for nothing."""
    network = Network(Random(1))
    for _ in range(40):
        network.receive_frames()
        network.deliver()
    network.take_cut(1)
    while network.deliver():
        pass
    account = cut_ledger(network.reports(1), WRITERS).as_json()
    assert account["total"]["in_flight"] > 0
    assert account["frames"]["in_flight_frames"] > 0
    assert account["balanced"]


def test_whoever_hears_from_nobody_is_complete_at_once() -> None:
    counts: Counts = {(FEED, "frames"): 3}
    cut = cuts.begin(1, frozenset(), counts, {})
    add(counts, FEED, "frames")
    assert cut.complete
    assert cut.counts == {(FEED, "frames"): 3}


def test_only_what_was_on_its_way_is_in_flight() -> None:
    """Of a sender whose marker has come, everything is behind the cut."""
    cut = cuts.begin(4, frozenset({"a", "b"}), {}, {(FEED, "in_flight"): 5}).marked("a")
    assert not cut.complete
    cut = (
        cut.passed("a", FEED, 100, 100)
        .passed("b", FEED, 2, 1)
        .passed("b", FEED, 0, 0)
        .passed("c", FEED, 9, 9)
    )
    cut = cut.marked("b").passed("b", FEED, 100, 0)
    assert cut.complete
    assert cut.in_flight == {(FEED, "in_flight"): 7, (FEED, "in_flight_frames"): 1}


@pytest.mark.parametrize("sender", ["a", "stranger"])
def test_a_marker_that_comes_twice_or_from_a_stranger_changes_nothing(sender: str) -> None:
    cut = cuts.begin(1, frozenset({"a", "b"}), {}, {}).marked("a")
    assert cut.marked(sender) == cut

"""A whole live system in a World: supervisor and all, with a scripted line and a store in memory."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from actors.assembly import Assembly
from actors.chaos import add_chaos
from actors.dialer import StartDialer
from actors.launching import Launcher
from actors.slot import Failpoint, Slot
from actors.supervisor import SupervisorActor
from actors.supervisor_state import SupervisorState
from actors.transport import Ended
from actors.wiring import add_feed, add_journal, add_monitor, add_writers
from cli.past import Past
from core import frames
from core.chaos import parse
from core.children import Phase
from core.ledger import Ledger
from core.settings import Feed, Settings
from core.settings_loading import load
from messages.ingestion import Dialed, DialFailed
from messages.retuning import Retune, Retuned
from messages.supervision import BeginDrain, SupervisorEnded, SupervisorStarted
from stores.registry import StoreTerms
from stores.stalling import StallingStore
from stores.store import Store
from tests.support.harness import World
from tests.support.memory_store import MemoryStore, MemoryTables

SESSION = 7


class ScriptedLine:
    """A venue's side of the line: what it will send, connection by connection."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.diallings = 0
        self.begun = 0
        """How much had been sent when the present connection began."""
        self.failures: deque[str] = deque()
        """Texts with which the next diallings fail."""
        self.transport: ScriptedTransport | None = None

    def say(self, *messages: object) -> None:
        """Have it send JSON messages, each in a frame and a read of its own."""
        for message in messages:
            text = message if isinstance(message, bytes) else msgspec.json.encode(message)
            self.waiting.append(server_frame(frames.TEXT, text))

    def cut(self) -> None:
        """End the connection behind what was sent."""
        self.waiting.append(b"")

    def dialer(self, token: int, connection: Any) -> None:
        """See actors.dialer.StartDialer; answers at once."""
        self.diallings += 1
        if self.failures:
            connection.tell(DialFailed(token, self.failures.popleft(), 0.0))
            return
        self.transport, self.begun = ScriptedTransport(self), len(self.sent)
        connection.tell(Dialed(token, self.transport))


class ScriptedTransport:
    """See actors.transport.Transport."""

    wants_write = False
    unsent_bytes = 0

    def __init__(self, line: ScriptedLine) -> None:
        self._line = line
        self.closed = False

    def fileno(self) -> int:
        """It has none."""
        return -1

    def pending(self) -> bool:
        """Tell whether something is there to read."""
        return bool(self._line.waiting)

    def read(self, budget_bytes: int) -> bytes | Ended:
        """Give what one `say` put there."""
        if not self._line.waiting:
            return b""
        return self._line.waiting.popleft() or Ended("cut by the script", clean=False)

    def write(self, frames: bytes) -> None:
        """Note it."""
        self._line.sent.append(frames)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Note it."""
        self.closed = True


class System:
    """The actors of a live run, their line, their store, and what they told their host."""

    def __init__(
        self,
        world: World,
        directory: Path,
        overrides: Sequence[str] = (),
        *,
        failpoint: Failpoint | None = None,
        launcher: Launcher | None = None,
        clock: Any = None,
        tables: MemoryTables | None = None,
        publish_seconds: float = 1.0,
        journalled: bool = False,
        session: int = SESSION,
        chaos: str = "",
    ) -> None:
        self.world = world
        self.tables = tables or MemoryTables()
        self.others: dict[str, MemoryTables] = {}
        """Those of further stores, by the name of their path."""
        self.lines: list[ScriptedLine] = []
        """In order of the connections."""
        self.told: list[Any] = []
        self.settings = settings_for(directory, overrides)
        venues = {feed.name: feed.venue for feed in self.settings.feeds}
        blocking = frozenset(feed.name for feed in self.settings.feeds if feed.overload == "block")
        self.assembly = Assembly(self.settings, session, clock or world.clock, blocking, venues, failpoint)
        self.past = Past(self.settings, session) if journalled else None
        add_writers(
            self.assembly, directory, world.random,
            check_sessions=self.past.unrecovered.since() if self.past is not None else {},
            open_store=lambda terms: self._open_store(terms, stalling=bool(chaos)),
        )  # fmt: skip
        add_monitor(self.assembly, publish_seconds=publish_seconds, symbols_shown=10)
        journal = add_journal(self.assembly, directory) if journalled else None
        for feed in self.settings.feeds:
            add_feed(self.assembly, feed, "ws://scripted", self._make_dialer, world.random, journal)
        if self.past is not None:
            self.past.attach(self.assembly)
        if chaos:
            add_chaos(self.assembly, parse(chaos))
        self.slot: Slot[SupervisorState] = Slot(
            "supervisor", SupervisorState(), self.assembly.supervisor.mailbox, self.assembly.clock,
            monitor=self.assembly.monitor,
        )  # fmt: skip
        self.launcher = launcher or world
        self.launcher.start(
            SupervisorActor,
            self.slot,
            {
                "assembly": self.assembly,
                "launcher": self.launcher,
                "random": Random(world.seed),
                "tell_host": self.told.append,
            },
        )

    def tables_of(self, store: str) -> MemoryTables:
        """Give the tables of a store whose path is its name; those of the first one are `tables`."""
        return self.tables if store == "s" else self.others.setdefault(store, MemoryTables())

    def _open_store(self, terms: StoreTerms, *, stalling: bool) -> Store:
        path = Path(terms.path).name
        store = MemoryStore(self.tables if path == "lake" else self.tables_of(path))
        # Whoever waits on this thread would wait for itself.
        return StallingStore(store, self.assembly.clock.monotonic, call_seconds=0.0) if stalling else store

    def _make_dialer(self, feed: Feed, url: str) -> StartDialer:
        self.lines.append(ScriptedLine())
        return self.lines[-1].dialer

    @property
    def line(self) -> ScriptedLine:
        """The first connection's."""
        return self.lines[0]

    def slot_of(self, name: str) -> Slot[Any]:
        """Give a child's slot."""
        return self.assembly.specs[name].slot

    def begin(self) -> None:
        """Run until every child runs and the line is up."""
        self.world.run(lambda: any(isinstance(told, SupervisorStarted) for told in self.told))
        self.world.run(lambda: self.line.diallings > 0)
        self.world.settle()

    def retune(self, settings: Settings) -> None:
        """Have these settings brought into effect, while the rest goes on."""
        self.assembly.supervisor.tell(Retune(settings))

    @property
    def retuned(self) -> list[Retuned]:
        """What the supervisor told its host of such changes."""
        return [told for told in self.told if isinstance(told, Retuned)]

    def quiet(self) -> bool:
        """Whether every message was handled, by an actor that is well."""
        over = {name for name, child in self.slot.state.children.items() if child.phase is Phase.ENDED}
        slots = [spec.slot for name, spec in self.assembly.specs.items() if name not in over]
        restarting = any(key.startswith("restart/") for key in self.slot.timers)
        busy = any(len(slot.mailbox) or slot.current is not None or slot.redo for slot in slots)
        waiting = any(line.waiting for line in self.lines)
        return not (waiting or restarting or busy)

    def drain(self) -> Ledger:
        """Drain, conclude as a run does, and give the final ledger."""
        self.assembly.supervisor.tell(BeginDrain("the test is over"))
        self.world.run(lambda: self.ended is not None)
        assert self.ended is not None
        assert self.ended.ledger is not None
        if self.past is not None:
            self.past.conclude(self.assembly, self.ended)
        return self.ended.ledger

    @property
    def ended(self) -> SupervisorEnded | None:
        """What the supervisor told its host at the end."""
        return next((told for told in self.told if isinstance(told, SupervisorEnded)), None)


def settings_for(directory: Path, overrides: Sequence[str] = ()) -> Settings:
    """Give settings of one generic feed of the symbols A and B."""
    config = directory / "config.toml"
    config.write_text(
        'data_dir = "."\n'
        '[[feeds]]\nname = "f"\nvenue = "generic"\nurl = "ws://127.0.0.1:9"\nsymbols = ["A", "B"]\n'
        '[writer]\nbatch_rows = 5\n[[stores]]\nname = "s"\nbatch_rows = 5\nflush_ms = 100\n'
    )
    return load(config, overrides, {})


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Make an unmasked frame, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def trade(symbol: str, price: float, seq: int, **more: object) -> dict[str, object]:
    """Give a generic trade, identified by its sequence number."""
    return {"symbol": symbol, "price": price, "size": 1, "id": seq, "seq": seq, **more}

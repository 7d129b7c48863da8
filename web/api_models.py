"""What the API answers with."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class Answer(BaseModel):
    """One object of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(Answer):
    """Why there is no answer."""

    error: str


class Page(Answer):
    """A part of a list."""

    total: Count = Field(description="How many there are that fit, on all pages.")
    limit: Count
    offset: Count


class Percentiles(Answer):
    """How long something took, since the start; microseconds, each at most 3 percent too long."""

    count: Count
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float


class Latency(Answer):
    """How long ticks took."""

    signal: Percentiles = Field(description="From our receiving a tick to its signal.")
    signal_from_event: Percentiles = Field(description="From the venue's time of a tick to its signal.")
    stored: Mapping[str, Percentiles] = Field(
        description="From our receiving a tick to its commit, by store."
    )


class Recovery(Answer):
    """How far the journal of a killed run is read."""

    read_bytes: Count
    of_bytes: Count
    frames: Count
    ended: bool


class Lines(Answer):
    """How many lines there are."""

    up: Count
    total: Count


class Overview(Answer):
    """How the pipeline stands, in short."""

    connected: bool = Field(description="Whether the pipeline was heard of in the last few seconds.")
    at_ns: int = Field(description="When what follows was taken; UTC epoch ns.")
    session: int
    started_ns: int = Field(description="UTC epoch ns.")
    ready: bool
    not_ready_because: list[str]
    ticks_per_second: float
    symbols: Count = Field(description="That any tick came of.")
    lines: Lines
    balanced: bool | None = Field(description="Whether the ledger balances; null before the first cut.")
    recovery: Recovery | None = Field(description="Null where there was nothing to recover.")
    reload: Mapping[str, Any] = Field(description="What became of the last reload of the settings.")
    latency: Latency
    settings: Mapping[str, Any] = Field(description="Some of those in effect.")


class Ledger(Answer):
    """Where every record is, at one consistent cut."""

    balanced: bool
    total: Mapping[str, int] = Field(description="All feeds, against the first store.")
    reasons: Mapping[str, int]
    frames: Mapping[str, int]
    feeds: Mapping[str, Mapping[str, Any]]
    stores: Mapping[str, Mapping[str, int]]
    events: Mapping[str, int]


class Line(Answer):
    """A connection to a venue."""

    line: str
    state: str = Field(description="`dialing`, `up`, `waiting` or `closed`.")
    text: str = Field(description="Why, in words; empty when up.")
    wait_seconds: float = Field(description="Backoff until the next attempt.")


class Store(Answer):
    """A store's breaker and spool."""

    store: str
    state: str = Field(description="Of its breaker: `closed`, `open` or `half-open`.")
    spooled_rows: Count


class Actor(Answer):
    """An actor, as its supervisor has it."""

    child: str
    state: str = Field(description="`starting`, `running`, `restarting`, `parked` or `drained`.")
    restarts: Count
    text: str
    waiting: Count = Field(description="Messages in its mailbox.")


class Actors(Page):
    """Some of the actors."""

    actors: list[Actor]


class Symbol(Answer):
    """How a symbol stands; null where a value is not defined yet."""

    feed: str
    symbol: str
    last: float | None
    bid: float | None
    ask: float | None
    spread_mean: float | None
    vwap: float | None
    momentum: float | None
    z: float | None
    ticks: Count
    rejects: Count
    ticks_per_second: float


class Symbols(Page):
    """Some of the symbols."""

    symbols: list[Symbol]


class RecentColumns(Answer):
    """The newest ticks of one symbol, oldest first, refused ones among them; null where a value is absent."""

    feed: str
    symbol: str
    ts_ns: list[int] = Field(description="The venue's time, else ours; UTC epoch ns.")
    price: list[float | None] = Field(description="Trade price, else mid.")
    bid: list[float | None]
    ask: list[float | None]
    vwap: list[float | None]
    spread: list[float | None]
    z: list[float | None]
    verdict: list[str] = Field(description="`ok`, `warn` or `reject`.")
    reason: list[str | None] = Field(description="Of a rejected one.")


class Alert(Answer):
    """Something that an operator was told."""

    ts_ns: int = Field(description="UTC epoch ns.")
    kind: str
    feed: str | None
    symbol: str | None
    actor: str
    text: str
    held_back: Count = Field(description="How many of its kind and place were kept back before it.")

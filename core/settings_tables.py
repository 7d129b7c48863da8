"""The settings of everything but feeds.

A validator may look only at fields declared above its own; one that was refused is not there, so
that a mistake is reported once.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from core.secret import Secret, database_url, webhook_url
from core.settings_rules import (
    MIN_TOKEN_LENGTH,
    check_detectors,
    check_listening,
    check_store_path,
    check_web_host,
    is_loopback,
)
from core.settings_types import (
    ChildKind,
    FilledText,
    Flag,
    HiddenText,
    Name,
    ReadOnly,
    ReadOnlyNumbers,
    Real,
    Seconds,
    Table,
    Text,
    Whole,
)


class Actors(Table):
    """How many actors share the work, and how much may wait between them."""

    detectors: Annotated[int | Literal["per-symbol"], BeforeValidator(check_detectors)] = Field(
        default="per-symbol",
        description="One detector a symbol, or so many that share the symbols.",
        json_schema_extra={"bounds": "1 to 1,000"},
    )
    normalizers: Whole = Field(default=1, ge=1, le=64, description="Normalizers of each feed.")
    mailbox_ticks: Whole = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="How many ticks of a symbol may wait for its detector.",
    )
    mailbox_total_mb: Whole = Field(
        default=256, ge=1, le=1_048_576, description="How much may wait in all mailboxes together."
    )
    frames_mb: Whole = Field(
        default=32, ge=1, le=65_536, description="How much may wait for a normalizer, not yet decoded."
    )
    recent_ticks: Whole = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="How many of the last validated ticks of a symbol are kept in memory.",
    )
    recent_total_mb: Whole = Field(
        default=256, ge=1, le=1_048_576, description="How much the recent ticks of all symbols may take."
    )
    cpus: Whole = Field(
        default=1,
        ge=0,
        le=1_024,
        description="On how many processors the process runs (Linux): on one, since threads that hand the "
        "interpreter's lock to and fro between processors wait for it most of the time; 0 for any.",
    )


class Detector(Table):
    """What makes a price suspicious, and what refuses it."""

    window: Whole = Field(
        default=200,
        ge=2,
        le=100_000,
        description="How many prices of a symbol, the newest among them, a price is held against.",
    )
    min_history: Whole = Field(
        default=30,
        ge=2,
        le=100_000,
        description="Below so many prices in the window nothing is judged; at most `window`.",
    )
    warn_z: Real = Field(
        default=2.5,
        ge=0.1,
        le=1_000,
        description="From this z-score on a tick is kept with the verdict `warn`.",
    )
    critical_z: Real = Field(
        default=4.0,
        ge=0.1,
        le=1_000,
        description="From this z-score on a tick is rejected; at least `warn_z`, and at most "
        "sqrt(`window` - 1), since none can be higher.",
    )
    epsilon: Real = Field(
        default=1e-8, ge=1e-12, le=1, description="Added to the standard deviation, so that it is never zero."
    )
    min_std_bps: Real = Field(
        default=0.0,
        ge=0,
        le=10_000,
        description="The least standard deviation, in hundredths of a percent of the mean price; "
        "0 for no such floor.",
    )

    @field_validator("min_history")
    @classmethod
    def _fits_the_window(cls, history: int, info: ValidationInfo) -> int:
        if history > info.data.get("window", history):
            raise ValueError(f"{history} is above window = {info.data['window']}")
        return history

    @field_validator("critical_z")
    @classmethod
    def _can_be_reached(cls, z: float, info: ValidationInfo) -> float:
        if z < info.data.get("warn_z", z):
            raise ValueError(f"{z} is below warn_z = {info.data['warn_z']}")
        # n values that include the judged one cannot put it further than sqrt(n - 1) population standard
        # deviations from their mean (Samuelson's inequality).
        highest = math.sqrt(info.data.get("window", math.inf) - 1)
        if z > highest:
            useful = math.floor(highest * 10) / 10
            raise ValueError(
                f"{z} is above sqrt(window - 1) = {useful}, which no tick could reach; at most {useful}"
            )
        return z


class Writer(Table):
    """When a batch is written. A store may have numbers of its own, as the lake has."""

    batch_rows: Whole = Field(default=200, ge=1, le=1_000_000, description="So many rows make a batch.")
    flush_ms: Whole = Field(
        default=250, ge=1, le=3_600_000, description="A batch is written after so long, however few its rows."
    )
    max_batch_rows: Whole = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="No batch of any store has more rows; at least `batch_rows`.",
    )

    @field_validator("max_batch_rows")
    @classmethod
    def _holds_a_batch(cls, rows: int, info: ValidationInfo) -> int:
        if rows < info.data.get("batch_rows", rows):
            raise ValueError(f"{rows} is below batch_rows = {info.data['batch_rows']}")
        return rows


class Breaker(Table):
    """When a failing store is left alone for a while; its batches then go to the spool."""

    failure_threshold: Whole = Field(
        default=5, ge=1, le=1_000_000, description="So many failures in a row open the breaker."
    )
    cooldown_seconds: Seconds = Field(
        default=30, description="How long it stays open before one batch is tried."
    )


class Supervision(Table):
    """How actors are started, restarted and stopped."""

    max_restarts: Whole = Field(
        default=5,
        ge=0,
        le=1_000_000,
        description="An actor that needs more restarts than this within the window is given up.",
    )
    window_seconds: Seconds = Field(default=30, description="The period over which restarts are counted.")
    restart_delay_ms: Whole = Field(
        default=100,
        ge=1,
        le=60_000,
        description="About how long to wait before a restart; the wait is drawn at random around it.",
    )
    start_seconds: Seconds = Field(
        default=30, description="How long an actor may take to report that it has started."
    )
    handler_seconds: Seconds = Field(
        default=5,
        description="An actor that is at one message for longer hangs: it is reported, fenced and replaced.",
    )
    writer_seconds: Seconds = Field(
        default=10, description="The same for actors that wait for stores and disks: writers and the journal."
    )
    handler_seconds_of: Annotated[Mapping[ChildKind, Seconds], *ReadOnlyNumbers] = Field(
        default_factory=dict,
        description="The same for other kinds of actor: `{ detector = 2, monitor = 20 }`.",
        json_schema_extra={
            "bounds": f"kinds: {', '.join(f'`{kind}`' for kind in get_args(ChildKind))}; seconds as above"
        },
    )
    drain_seconds: Seconds = Field(
        default=10,
        description="How long a stop may take to work off what is in flight; what is left then "
        "is counted as shed.",
    )

    def deadline_seconds(self, kind: str) -> float:
        """Give how long a handler of this kind of actor may take."""
        waits_for_disks = kind in ("writer", "journal")
        default = self.writer_seconds if waits_for_disks else self.handler_seconds
        return {str(of): seconds for of, seconds in self.handler_seconds_of.items()}.get(kind, default)


class Journal(Table):
    """The raw frames on disk, from which a run that was killed is recovered."""

    enabled: Flag = Field(default=True, description="Whether frames are journalled before they are decoded.")
    sync_ms: Whole = Field(
        default=100,
        ge=1,
        le=60_000,
        description="How often the journal is synced: what the machine's sudden end may cost.",
    )
    retention_mb: Whole = Field(
        default=1_024,
        ge=1,
        le=1_048_576,
        description="How much disk the journal may take; the oldest sessions that are stored go first.",
    )


class Spool(Table):
    """The batches kept on disk while a store does not take them."""

    max_mb: Whole = Field(default=4_096, ge=1, le=1_048_576, description="How much disk the spool may take.")


class Store(Table):
    """Where ticks are kept. Repeat the table for more stores."""

    kind: Literal["lake", "postgres", "influx", "null"] = Field(
        default="lake", description="What kind of store it is; `null` takes every row and keeps none."
    )
    name: Name = Field(
        default_factory=lambda earlier: earlier["kind"],
        description="What the store is called in commands and the ledger; no two stores share one.",
        json_schema_extra={"default": "the kind's", "bounds": "letters, digits, `_`, `-`; at most 64"},
    )
    path: Annotated[Text, AfterValidator(check_store_path)] = Field(
        default="lake",
        description="`lake`: the lake's directory, under `data_dir` unless absolute; or a URL such as "
        "`s3://bucket/ticks`. No two lakes share one.",
    )
    storage_options: Annotated[Mapping[FilledText, HiddenText], *ReadOnly] = Field(
        default_factory=dict, description="`lake`: what access to a URL needs: region, endpoint, keys."
    )
    url: Annotated[Secret, BeforeValidator(database_url)] = Field(
        default=Secret("", ""),
        description="`postgres` and `influx`: where the database is.",
        json_schema_extra={"bounds": "`postgresql://user:password@host/database`; `http://host:8086`"},
    )
    org: Text = Field(default="", description="`influx`: the organisation.")
    bucket: Text = Field(default="", description="`influx`: the bucket, which is made where it is missing.")
    token: HiddenText = Field(default=Secret("", ""), description="`influx`: the token that may write to it.")
    timeout_seconds: Seconds = Field(
        default=4, description="`postgres` and `influx`: how long a database may take to answer."
    )
    retention_days: Whole = Field(
        default=0,
        ge=0,
        le=36_500,
        description="After so many days rows are deleted, by their own time; from a lake a whole date (UTC) "
        "at once; 0 for never.",
    )
    batch_rows: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = Field(
        default_factory=lambda earlier: 10_000 if earlier.get("kind", "lake") == "lake" else None,
        description="In place of `writer.batch_rows`.",
        json_schema_extra={"default": "`lake`: 10_000; else `writer.batch_rows`", "bounds": "1 to 1_000_000"},
    )
    flush_ms: Annotated[int, Field(strict=True, ge=1, le=3_600_000)] | None = Field(
        default_factory=lambda earlier: 1_000 if earlier.get("kind", "lake") == "lake" else None,
        description="In place of `writer.flush_ms`.",
        json_schema_extra={"default": "`lake`: 1_000; else `writer.flush_ms`", "bounds": "1 to 3_600_000"},
    )
    compact_files: Whole = Field(
        default=100,
        ge=2,
        le=100_000,
        description="`lake`: so many small files of a partition are merged into one.",
    )

    @field_validator("url")
    @classmethod
    def _fits_the_kind(cls, url: Secret, info: ValidationInfo) -> Secret:
        kind = info.data.get("kind", "lake")
        schemes = {"postgres": ("postgresql://", "postgres://"), "influx": ("http://", "https://")}.get(kind)
        if schemes and not url.reveal().startswith(schemes):
            raise ValueError(f"a store of kind {kind} needs one that begins with {schemes[0]}")
        return url

    @field_validator("bucket")
    @classmethod
    def _influx_needs_a_bucket(cls, bucket: str, info: ValidationInfo) -> str:
        if not bucket and info.data.get("kind") == "influx":
            raise ValueError("a store of kind influx needs one")
        return bucket


class Monitor(Table):
    """Where the operator's page, the API and the status command find the running pipeline."""

    host: Annotated[Text, AfterValidator(check_listening)] = Field(
        default="127.0.0.1",
        description="The address to listen on.",
        json_schema_extra={
            "bounds": "`localhost` or an IP address; one that others can reach needs a `token`"
        },
    )
    port: Whole = Field(
        default=8321, ge=0, le=65_535, description="The port to listen on; 0 for any free one."
    )
    page: Flag = Field(
        default=True,
        description="Whether a process of its own serves the page, the API and the metrics; else there are "
        "only /status and /healthz, on this machine.",
    )
    hosts: tuple[Annotated[Text, AfterValidator(check_web_host)], ...] = Field(
        default=(),
        description="Other names that the page is asked for under, as in `Host` headers: those of a proxy.",
        json_schema_extra={"bounds": "`name` or `name:port`"},
    )
    token: HiddenText = Field(
        default=Secret("", ""),
        description="What to say to be let in, as `Authorization: Bearer` or in the page's form; empty: "
        "nobody is asked.",
        json_schema_extra={"bounds": f"at least {MIN_TOKEN_LENGTH} characters; better `env:NAME`"},
    )

    @field_validator("page")
    @classmethod
    def _only_the_page_can_ask(cls, page: bool, info: ValidationInfo) -> bool:
        if not page and not is_loopback(info.data.get("host", "localhost")):
            raise ValueError(f"without it monitor.host must be a loopback address, not {info.data['host']}")
        return page

    @field_validator("token")
    @classmethod
    def _keeps_others_out(cls, token: Secret, info: ValidationInfo) -> Secret:
        if token and len(token.reveal()) < MIN_TOKEN_LENGTH:
            raise ValueError(f"needs at least {MIN_TOKEN_LENGTH} characters")
        if not token and not is_loopback(info.data.get("host", "localhost")):
            raise ValueError(f"is needed: others can reach monitor.host = {info.data['host']}")
        return token


class Alerts(Table):
    """Who is told when something needs attention. Alerts are logged and stored in any case."""

    webhook: Annotated[Secret, BeforeValidator(webhook_url)] = Field(
        default=Secret("", ""),
        description="Where to post each alert as JSON; empty for nowhere.",
        json_schema_extra={"bounds": "`http://` or `https://`"},
    )
    every_seconds: Seconds = Field(
        default=60,
        description="Alerts of one kind and place come no faster than this; those held back are counted.",
    )
    webhook_timeout_seconds: Seconds = Field(default=5, description="How long a post may take.")


class Demo(Table):
    """The built-in exchange that the venue `demo` connects to when its feed has no url."""

    seed: Whole = Field(default=1, ge=0, le=2**63 - 1, description="The same seed makes the same market.")
    ticks_per_second: Whole = Field(
        default=400, ge=1, le=1_000_000, description="How many ticks it sends, all symbols together."
    )
    faults: Flag = Field(
        default=True,
        description="Whether it also sends what real venues do: bad prices, gaps, repeats, cuts.",
    )

"""The settings of a feed."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from core.secret import Secret, proxy_url, websocket_url
from core.settings_rules import check_each_once, check_symbol
from core.settings_types import (
    FilledText,
    HeaderName,
    HiddenText,
    Name,
    ReadOnly,
    Seconds,
    Table,
    Text,
    Whole,
)

Venue = Literal["demo", "generic", "coinbase", "binance", "binance_futures"]
VENUES: Final[tuple[str, ...]] = get_args(Venue)
DEMO_SYMBOLS: Final = ("BTC-USD", "ETH-USD", "SOL-USD")
CHANNELS: Final = ("trades", "quotes")
Column = Literal[
    "symbol", "price", "size", "bid", "ask", "bid_size", "ask_size", "side", "timestamp", "id", "seq"
]


class Feed(Table):
    """A stream of market data: one venue, some symbols. Repeat the table for more feeds."""

    venue: Venue = Field(default="demo", description="Whose dialect is spoken.")
    name: Name = Field(
        default_factory=lambda earlier: earlier["venue"],
        description="What the feed is called in lines, tables and the ledger; no two feeds share one.",
        json_schema_extra={"default": "the venue's", "bounds": "letters, digits, `_`, `-`; at most 64"},
    )
    url: Annotated[Secret, BeforeValidator(websocket_url)] = Field(
        default=Secret("", ""),
        description="Where to connect to; empty for the venue's own address, which `generic` has not.",
        json_schema_extra={"bounds": "`ws://` or `wss://`"},
    )
    symbols: tuple[Annotated[Text, AfterValidator(check_symbol)], ...] = Field(
        default=(),
        description="The instruments, as the venue spells them.",
        json_schema_extra={
            "default": f"`demo`: {', '.join(DEMO_SYMBOLS)}",
            "bounds": "at least one, each once",
        },
    )
    channels: Annotated[tuple[Literal["trades", "quotes"], ...], AfterValidator(check_each_once)] = Field(
        default=CHANNELS,
        description="What is subscribed to.",
        json_schema_extra={"bounds": "at least one, each once"},
    )
    connections: Whole = Field(
        default=1,
        ge=1,
        le=1_000,
        description="How many connections the symbols are spread over; no more than there are symbols.",
    )
    overload: Literal["shed_oldest", "block"] = Field(
        default="shed_oldest",
        description="What gives way when ticks come faster than they are worked off: the oldest are "
        "dropped and counted, or reading stops until there is room.",
    )
    stale_seconds: Seconds = Field(
        default=60, description="A line that brings no market data for so long is connected anew."
    )
    headers: Annotated[Mapping[HeaderName, HiddenText], *ReadOnly] = Field(
        default_factory=dict, description="HTTP headers to send with the handshake."
    )
    proxy: Annotated[Secret, BeforeValidator(proxy_url)] = Field(
        default=Secret("", ""),
        description="An HTTP proxy to connect through; empty for none.",
        json_schema_extra={"bounds": "`http://[user:password@]host:port`"},
    )
    fields: Annotated[Mapping[Column, FilledText], *ReadOnly] = Field(
        default_factory=dict,
        description="`generic` only: what the venue's messages call the fields (ours on the left, theirs "
        "on the right); a field left out is called as here.",
        json_schema_extra={"bounds": f"keys: {', '.join(get_args(Column))}"},
    )
    max_message_mb: Whole = Field(
        default=16, ge=1, le=1_024, description="A longer message is refused and ends the connection."
    )
    connect_timeout_seconds: Seconds = Field(
        default=10, description="How long a connection may take to come about."
    )
    acknowledge_seconds: Seconds = Field(
        default=10, description="A subscription that the venue has not confirmed by then raises an alert."
    )

    @field_validator("url")
    @classmethod
    def _generic_needs_a_url(cls, url: Secret, info: ValidationInfo) -> Secret:
        if not url and info.data.get("venue") == "generic":
            raise ValueError("a generic feed needs one")
        return url

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, symbols: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if symbols or "venue" not in info.data:
            return check_each_once(symbols) if symbols else ()
        if info.data["venue"] != "demo":
            raise ValueError(f"a {info.data['venue']} feed needs at least one symbol")
        return DEMO_SYMBOLS

    @field_validator("connections")
    @classmethod
    def _connections(cls, connections: int, info: ValidationInfo) -> int:
        symbols = info.data.get("symbols")
        if symbols and connections > len(symbols):
            raise ValueError(f"{connections} is above the number of symbols, {len(symbols)}")
        return connections

    @field_validator("fields")
    @classmethod
    def _fields(cls, fields: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        if fields and info.data.get("venue", "generic") != "generic":
            raise ValueError(f"only a generic feed names its fields, and this one is {info.data['venue']}")
        return fields

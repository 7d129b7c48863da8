"""What the dialects make of recorded sessions, against a reader of its own that knows only the documents.

The recordings are not part of the project. `TAPELINE_CAPTURES` says where they are; without it they are
looked for in `shared/captures` beside the project.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.records import BUY, NO_TIME, SELL
from tests.venues.recording import CONTROL, comparable, told
from venues.dialect import FeedTerms
from venues.registry import dialect_class

PROJECT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("TAPELINE_CAPTURES", PROJECT.parent / "shared" / "captures"))

Call = tuple[Any, ...]


def frames(name: str) -> list[str]:
    """Give what the venue said in a capture; skips the test where there is no capture."""
    path = CAPTURES / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no recorded session at {path}; TAPELINE_CAPTURES says where they are")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return [entry["data"] for entry in entries if entry["dir"] == "recv"]


def coinbase(message: dict[str, Any]) -> Call | None:
    """Read a Coinbase message; the captured ones have six fraction digits and no sizes in tickers."""
    if message["type"] not in ("match", "last_match", "ticker"):
        return None
    when = datetime.strptime(message["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    ns = int(when.replace(microsecond=0).timestamp()) * 10**9 + when.microsecond * 1000
    product = message["product_id"]
    if message["type"] == "ticker":
        bid, ask = float(message["best_bid"]), float(message["best_ask"])
        return ("quote", product, bid, "nan", ask, "nan", ns, message["sequence"], None)
    side = {"sell": BUY, "buy": SELL}[message["side"]]
    number = message["trade_id"]
    return ("trade", product, float(message["price"]), float(message["size"]), side, ns, number, number)


def binance(message: dict[str, Any]) -> Call | None:
    """Read a combined event of Binance spot or futures."""
    event, kind = message["data"], message["stream"].split("@")[1]
    if kind == "aggTrade":
        side = SELL if event["m"] else BUY
        price, size = float(event["p"]), float(event["q"])
        return ("trade", event["s"], price, size, side, event["T"] * 10**6, event["a"], event["a"])
    if kind == "bookTicker":
        book = [float(event[name]) for name in "bBaA"]
        ns = event["T"] * 10**6 if "T" in event else NO_TIME
        return ("quote", event["s"], *book, ns, event["u"], None)
    return None


def generic(message: dict[str, Any]) -> Call:
    """Read a quote in the generic form; the captured ones have no sizes."""
    bid, ask, ns = message["bid"], message["ask"], message["timestamp"]
    return ("quote", message["symbol"], bid, "nan", ask, "nan", ns, int(message["id"]), None)


@pytest.mark.parametrize(
    ("name", "venue", "read", "trades", "quotes"),
    [
        pytest.param("coinbase", "coinbase", coinbase, 46, 46, marks=pytest.mark.slow),
        ("binance", "binance", binance, 1, 52),
        ("binance_futures", "binance_futures", binance, 58, 378),
        pytest.param("fx_quotes", "generic", generic, 0, 9500, marks=pytest.mark.slow),
    ],
)
def test_a_recorded_session_is_read_field_by_field(
    name: str, venue: str, read: Callable[[dict[str, Any]], Call | None], trades: int, quotes: int
) -> None:
    dialect = dialect_class(venue)(FeedTerms((), ("trades", "quotes")))
    counts: Counter[str] = Counter()
    for frame in frames(name):
        calls = comparable(told(dialect, frame))
        counts[calls[0][0]] += 1
        expected = read(json.loads(frame))
        if expected is None:
            assert calls == [("ignored",)] or calls[0][0] in CONTROL
        else:
            assert calls == [expected]
    assert (counts["trade"], counts["quote"], counts["malformed"]) == (trades, quotes, 0)

"""Recorded sessions, read by nothing but `json`: what a row has to hold of each frame.

The recordings are not part of the project. `TAPELINE_CAPTURES` says where they are; without it they are
looked for in `shared/captures` beside the project.
"""

import gzip
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tapeline import PROJECT, Row

CAPTURES = Path(os.environ.get("TAPELINE_CAPTURES", PROJECT.parent / "shared" / "captures"))
COMPARED = (
    "venue", "symbol", "kind", "ts_event_ns", "ts_recv_ns", "price", "size", "side",
    "bid", "bid_size", "ask", "ask_size", "venue_id", "line", "frame", "item",
)  # fmt: skip
Fields = dict[str, Any]


def path_of(name: str) -> Path:
    """Give a capture; skips the test where there is none."""
    path = CAPTURES / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no recorded session at {path}; TAPELINE_CAPTURES says where they are")
    return path


def frames_of(path: Path) -> list[tuple[int, str]]:
    """Give what the venue said: receive time and text."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return [(entry["ts_recv_ns"], entry["data"]) for entry in entries if entry["dir"] == "recv"]


def rows_in(path: Path, venue: str) -> tuple[list[Row], int]:
    """Give the rows that a capture comes to, in order, and how many records repeat an earlier one."""
    rows: list[Row] = []
    seen: set[tuple[str, str, int]] = set()
    repeated = 0
    for frame, (ts_recv_ns, text) in enumerate(frames_of(path)):
        fields = READERS[venue](json.loads(text))
        if fields is None:
            continue
        name = (fields["symbol"], fields["kind"], fields["venue_id"])
        repeated += name in seen
        if name not in seen:
            seen.add(name)
            origin = {"line": f"{venue}/0/A", "frame": frame, "item": 0}
            row = {"venue": venue, "ts_recv_ns": ts_recv_ns, **origin, **fields}
            rows.append({column: _text(row.get(column)) for column in COMPARED})
    return rows, repeated


def symbols_in(path: Path, venue: str) -> list[str]:
    """Give the symbols that a capture has ticks of."""
    return sorted({row["symbol"] for row in rows_in(path, venue)[0]})


def comparable(row: Row) -> Row:
    """Give a row of a query as `rows_in` has it: numbers by their value, not by how they are written."""
    floats = ("price", "size", "bid", "bid_size", "ask", "ask_size")
    return {
        column: _text(float(row[column])) if column in floats and row[column] else row[column]
        for column in COMPARED
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _coinbase(message: dict[str, Any]) -> Fields | None:
    if message["type"] not in ("match", "last_match", "ticker"):
        return None
    when = datetime.strptime(message["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    seconds = int(when.replace(microsecond=0).timestamp())
    shared = {
        "symbol": message["product_id"],
        "ts_event_ns": seconds * 10**9 + when.microsecond * 1000,
    }
    if message["type"] == "ticker":
        book = {"bid": float(message["best_bid"]), "ask": float(message["best_ask"])}
        return {**shared, **book, "kind": "quote", "venue_id": message["sequence"]}
    aggressor = {"sell": "buy", "buy": "sell"}[message["side"]]
    traded = {"price": float(message["price"]), "size": float(message["size"]), "side": aggressor}
    return {**shared, **traded, "kind": "trade", "venue_id": message["trade_id"]}


def _binance(message: dict[str, Any]) -> Fields | None:
    event, stream = message["data"], message["stream"].split("@")[1]
    if stream == "aggTrade":
        traded = {
            "price": float(event["p"]),
            "size": float(event["q"]),
            "side": "sell" if event["m"] else "buy",
        }
        when = {"ts_event_ns": event["T"] * 10**6}
        return {"symbol": event["s"], "kind": "trade", **when, **traded, "venue_id": event["a"]}
    if stream == "bookTicker":
        names = {"bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"}
        book = {ours: float(event[theirs]) for ours, theirs in names.items()}
        # Spot's tickers have no time.
        when = {"ts_event_ns": event["T"] * 10**6 if "T" in event else None}
        return {"symbol": event["s"], "kind": "quote", **when, **book, "venue_id": event["u"]}
    return None


READERS: dict[str, Callable[[dict[str, Any]], Fields | None]] = {
    "coinbase": _coinbase,
    "binance": _binance,
    "binance_futures": _binance,
}

"""What exchanges really sent, from the capture to the rows that a query gives; and captures made by hand."""

import gzip
import json
import signal
import zlib
from collections.abc import Callable

import pytest
import zstandard

from tests.e2e.captured import COMPARED, comparable, frames_of, path_of, rows_in, symbols_in
from tests.e2e.feeds import feed, quote, send_all, trade
from tests.e2e.tapeline import Row, Tapeline, check_end
from tests.support.exchange import LoopbackExchange

VENUES = pytest.mark.parametrize("venue", ["coinbase", "binance", "binance_futures"])
BEGAN_NS = 1_768_487_400_000_000_000
ALIVE = tuple(column for column in COMPARED if column != "ts_recv_ns")


def cut_to(rows: list[Row], columns: tuple[str, ...]) -> list[Row]:
    """Give these columns of rows."""
    return [{column: row[column] for column in columns} for row in rows]


@pytest.mark.slow
@VENUES
def test_a_replay_stores_what_the_venue_said_field_by_field_and_only_once(
    tapeline: Tapeline, venue: str
) -> None:
    path = path_of(venue)
    expected, repeated = rows_in(path, venue)

    ledger = check_end(tapeline.call("replay", path, "--json"))

    total = ledger["total"]
    assert total["received"] == len(expected) + repeated > 0
    assert total["stored"] + total["rejected"] == len(expected)
    assert ledger["reasons"].keys() <= {"crossed_market", "critical_z", "repeated"}
    assert ledger["reasons"].get("repeated", 0) == repeated
    assert ledger["frames"]["frames"] == len(frames_of(path))

    again = check_end(tapeline.call("replay", path, "--json"))
    assert again["total"]["stored"] == again["total"]["rejected"] == 0
    assert again["reasons"].get("already_stored") == len(expected)
    records = tapeline.records()
    assert [comparable(row) for row in records] == expected
    assert {int(row["session"]) < 0 for row in records} == {True}

    elsewhere = tapeline.beside("elsewhere")
    assert check_end(elsewhere.call("replay", path, "--json")) == ledger
    assert elsewhere.records() == records


@pytest.mark.slow
@VENUES
def test_a_session_played_live_is_stored_like_its_capture(tapeline: Tapeline, venue: str) -> None:
    path = path_of(venue)
    expected, repeated = rows_in(path, venue)
    texts = [text for _, text in frames_of(path)]
    with LoopbackExchange() as exchange:
        config = tapeline.config(feed(exchange.url, *symbols_in(path, venue), venue=venue))
        with tapeline.start("run", "--json", "--config", config) as program:
            client = exchange.wait_for_client(timeout=40)
            client.wait_for_text(timeout=40)
            send_all(client, texts)
            program.send(signal.SIGINT)
            ledger = check_end(tapeline.ended(program))

    assert ledger["total"]["received"] == len(expected) + repeated
    assert ledger["reasons"].keys() <= {"crossed_market", "critical_z", "repeated"}
    live = tapeline.records()
    assert cut_to([comparable(row) for row in live], ALIVE) == cut_to(expected, ALIVE)
    assert {row["session"] for row in live} == {"1"}


def line_of(number: int) -> bytes:
    """Give a line of a capture by hand; every third frame is a quote."""
    text = quote("X-Y", number) if number % 3 == 0 else trade("X-Y", number)
    entry = {
        "ts_recv_ns": 1_768_487_400_000_000_000 + number,
        "venue": "generic",
        "dir": "recv",
        "data": text,
    }
    return json.dumps(entry).encode() + b"\n"


@pytest.mark.slow
def test_captures_made_by_hand_are_read_in_order_whatever_packs_them(tapeline: Tapeline) -> None:
    others = b'{"ts_recv_ns": 1, "venue": "generic", "dir": "%s", "data": "not read"}\n'
    parts = [b"".join(map(line_of, range(start, start + 100))) for start in (0, 100, 200)]
    packed = (
        parts[0] + others % b"open" + others % b"sent",
        gzip.compress(parts[1]),
        zstandard.compress(parts[2]),
    )
    paths = [tapeline.directory / name for name in ("z.jsonl", "y.jsonl.gz", "x.jsonl.zst")]
    for path, content in zip(paths, packed, strict=True):
        path.write_bytes(content)

    total = check_end(tapeline.call("replay", *paths, "--json"))["total"]

    assert (total["received"], total["stored"]) == (300, 300)
    rows = tapeline.records("frame", "ts_recv_ns", "kind")
    assert [int(row["frame"]) for row in rows] == list(range(300))
    assert [int(row["ts_recv_ns"]) - BEGAN_NS for row in rows] == list(range(300))
    assert [row["kind"] for row in rows] == ["quote" if n % 3 == 0 else "trade" for n in range(300)]


def cut_plain(content: bytes) -> tuple[bytes, int]:
    """Cut a capture in its last line; give what is left and how many lines of it are whole."""
    return content[:-20], content.count(b"\n") - 1


def cut_gzip(content: bytes) -> tuple[bytes, int]:
    """Cut it in its compressed data."""
    cut = gzip.compress(content)[:-200]
    return cut, zlib.decompressobj(31).decompress(cut).count(b"\n")


def cut_zstandard(content: bytes) -> tuple[bytes, int]:
    """Cut it behind its first frame of compressed data, in the second."""
    return zstandard.compress(content) + zstandard.compress(line_of(300))[:-20], content.count(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "cut"), [(".jsonl", cut_plain), (".jsonl.gz", cut_gzip), (".jsonl.zst", cut_zstandard)]
)
def test_a_capture_that_was_cut_is_read_up_to_the_cut(
    tapeline: Tapeline, suffix: str, cut: Callable[[bytes], tuple[bytes, int]]
) -> None:
    content, whole = cut(b"".join(map(line_of, range(300))))
    path = tapeline.directory / f"cut{suffix}"
    path.write_bytes(content)

    ended = tapeline.call("replay", path, "--json")

    total = check_end(ended)["total"]
    assert len(ended.errors) == 1, ended
    assert f"{path} is cut off" in ended.errors[0]
    assert 0 < whole <= 300
    assert (total["received"], total["stored"]) == (whole, whole)
    assert len(tapeline.query("ticks")) == whole

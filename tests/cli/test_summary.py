"""The ledger in words."""

from typing import Any

import pytest
from hypothesis import given

from cli.summary import WIDTH, summarize, verdict
from core.ledger import FRAME_PLACES, PLACES, SOURCES, Ledger
from tests.support.statuses import HOSTILE, anything, ledger


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def feeds(n: int) -> dict[str, Any]:
    """Give the ledger of so many feeds, with two stores."""
    shared = {(f"feed-number-{i}", "received"): 1_000 + i for i in range(n)}
    stored = {(f"feed-number-{i}", "stored"): 1_000 + i for i in range(n)}
    return Ledger(shared, {"lake": stored, "archive": {**stored, ("feed-number-0", "stored"): 997}}).as_json()


def test_every_place_and_frame_is_told() -> None:
    text = summarize(ledger())
    assert text.startswith("Ledger: BALANCED\n")
    for key, names in (("total", (*SOURCES, *PLACES)), ("frames", ("frames", *FRAME_PLACES))):
        for name in names:
            label = name.removesuffix("_frames").replace("_", " ")
            assert [*label.split(), f"{ledger()[key][name]:,}"] in cells(text)
    assert "reasons: critical_z 76, crossed_market 11, mailbox 54" in text
    assert text.endswith("events:  gap 7")


def test_one_feed_and_one_store_need_no_columns_of_their_own() -> None:
    assert "demo" not in summarize(ledger())
    assert "lake" not in summarize(ledger())


def test_several_feeds_and_stores_get_columns() -> None:
    text = summarize(feeds(2))
    assert ["total", "feed-number-0", "feed-number-1"] in cells(text)
    assert ["received", "2,001", "1,000", "1,001"] in cells(text)
    assert ["lake", "archive"] in cells(text)
    assert ["stored", "2,001", "1,998"] in cells(text)


def test_many_feeds_go_into_several_tables() -> None:
    text = summarize(feeds(40))
    assert all(len(line) <= WIDTH for line in text.splitlines()[1:])
    assert all(text.count(f"feed-number-{i} ") + text.count(f"feed-number-{i}\n") >= 1 for i in range(40))


def test_columns_are_aligned() -> None:
    table = summarize(feeds(3)).split("\n\n")[1]
    assert len({len(line) for line in table.splitlines()}) == 1


def test_what_does_not_balance_is_named() -> None:
    assert verdict(feeds(2)) == "NOT BALANCED; store archive: 3 records unaccounted for"
    assert verdict(ledger(lost=-1)) == (
        "NOT BALANCED; store lake: 1 record too many; feed demo: 1 record too many"
    )
    frames = Ledger({("demo", "frames"): 2}, {"lake": {}}).as_json()
    assert verdict(frames) == "NOT BALANCED; frames: 2 frames unaccounted for"


def test_faults_that_cancel_out_are_still_told() -> None:
    shared = {("a", "received"): 1, ("b", "received"): 1}
    text = verdict(Ledger(shared, {"lake": {("a", "stored"): 2}}).as_json())
    assert text == "NOT BALANCED; feed a: 1 record too many; feed b: 1 record unaccounted for"


def test_nothing_counted_is_a_ledger_too() -> None:
    text = summarize(Ledger({}, {"lake": {}}).as_json())
    assert text.startswith("Ledger: BALANCED\n")
    assert text.endswith("reasons: none\nevents:  none")


def test_foreign_names_are_harmless() -> None:
    text = summarize(
        Ledger({(HOSTILE, "received"): 1, ("b", "rejected." + HOSTILE): 1}, {"lake": {}}).as_json()
    )
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.slow
@given(anything)
def test_any_mapping_gives_a_text(value: object) -> None:
    keys = ("balanced", "total", "reasons", "frames", "feeds", "stores", "events")
    text = summarize({key: {"x": value, "received": value} for key in keys})
    assert all(line.isprintable() for line in text.splitlines())
    assert summarize(dict.fromkeys(keys, value)).startswith("Ledger: ")


def test_how_long_ticks_took_is_told_where_any_came() -> None:
    measured = {"count": 5, "p50_us": 81.4, "p99_us": 2_345.6}
    told = summarize(
        {"latency": {"signal": measured, "stored": {"lake": {**measured, "p99_us": 1.5e6}, "pg": {}}}}
    )
    last = told.splitlines()[-1]
    assert last == "latency: to signal p50 81 µs, p99 2.3 ms; to stored in lake p50 81 µs, p99 1.50 s"
    assert "latency" not in summarize({})

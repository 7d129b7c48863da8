"""The ledger: when it balances, and the object that the command line prints."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger import EVENTS, FRAME_PLACES, PLACES, SENT, SOURCES, Counts, Ledger, add, sent_to, total

ACCOUNT = (*SOURCES, *PLACES)
FRAMES = ("frames", *FRAME_PLACES)
names = st.sampled_from([*ACCOUNT, *FRAMES, "shed.overload", "rejected.bad_price", "event.gap", "event.warn"])
counts = st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), names), st.integers(0, 3), max_size=12)


def account(**given_: int) -> dict[str, int]:
    """Give a whole account of zeros but for these."""
    return {**dict.fromkeys(ACCOUNT, 0), **given_}


def frames(**given_: int) -> dict[str, int]:
    """Give a whole line of frames, likewise."""
    return {**dict.fromkeys(FRAMES, 0), **given_}


def example() -> Ledger:
    """Two feeds and two stores, balanced."""
    shared: Counts = {
        ("a", "frames"): 9, ("a", "decoded"): 5, ("a", "control"): 2, ("a", "shed_frames"): 2,
        ("a", "received"): 10, ("a", "duplicate.repeated"): 1, ("a", "dead_letter"): 1,
        ("a", "event.gap"): 2, ("a", "event.reconnect"): 1,
        ("b", "frames"): 1, ("b", "ignored"): 1, ("b", "recovered"): 4, ("b", "shed.drain_deadline"): 1,
        ("", "event.warn"): 3,
    }  # fmt: skip
    first: Counts = {
        ("a", "carried_in"): 2, ("a", "stored"): 6, ("a", "spooled"): 1,
        ("a", "rejected.bad_price"): 1, ("a", "rejected.critical_z"): 2,
        ("b", "stored"): 2, ("b", "dead_letter.refused_by_store"): 1,
    }  # fmt: skip
    second: Counts = {("a", "stored"): 8, ("b", "shed.overload"): 3}
    return Ledger(shared, {"lake": first, "other": second})


def test_the_object_that_is_printed_has_the_shape_that_was_promised() -> None:
    a = account(received=10, carried_in=2, stored=6, rejected=3, duplicate=1, dead_letter=1, spooled=1)
    b = account(recovered=4, stored=2, shed=1, dead_letter=1)
    assert example().as_json() == {
        "balanced": True,
        "total": {name: a[name] + b[name] for name in ACCOUNT},
        "reasons": {
            "bad_price": 1, "critical_z": 2, "drain_deadline": 1, "refused_by_store": 1, "repeated": 1,
        },
        "frames": frames(frames=10, decoded=5, control=2, ignored=1, shed_frames=2),
        "feeds": {
            "a": {**a, "frames": frames(frames=9, decoded=5, control=2, shed_frames=2)},
            "b": {**b, "frames": frames(frames=1, ignored=1)},
        },
        "stores": {
            "lake": {name: a[name] + b[name] for name in ACCOUNT},
            "other": account(received=10, recovered=4, stored=8, duplicate=1, shed=4, dead_letter=1),
        },
        "events": {"gap": 2, "reconnect": 1, "stale_time": 0, "warn": 3},
    }  # fmt: skip


@pytest.mark.parametrize("stores", [{}, {"lake": {}}])
def test_an_empty_ledger_balances_and_shows_every_place(stores: dict[str, Counts]) -> None:
    assert Ledger({}, stores).as_json() == {
        "balanced": True,
        "total": account(),
        "reasons": {},
        "frames": frames(),
        "feeds": {},
        "stores": dict.fromkeys(stores, account()),
        "events": dict.fromkeys(EVENTS, 0),
    }


@pytest.mark.slow
@given(counts, st.dictionaries(st.sampled_from(["s", "t"]), counts, max_size=2))
def test_it_balances_exactly_when_every_sum_agrees(shared: Counts, stores: dict[str, Counts]) -> None:
    ledger = Ledger(shared, stores)

    def amount(part: Counts, feed: str, places: tuple[str, ...]) -> int:
        return sum(n for (of, name), n in part.items() if of == feed and name.split(".")[0] in places)

    agree = [
        amount(shared, feed, SOURCES) + amount(own, feed, SOURCES)
        == amount(shared, feed, PLACES) + amount(own, feed, PLACES)
        for own in stores.values() or [{}]
        for feed in ("a", "b")
    ]
    agree += [amount(shared, feed, ("frames",)) == amount(shared, feed, FRAME_PLACES) for feed in ("a", "b")]
    assert ledger.balanced == all(agree)
    assert ledger.as_json()["balanced"] == all(agree)


@pytest.mark.slow
@given(counts, st.dictionaries(st.sampled_from(["s", "t"]), counts, min_size=1, max_size=2))
def test_the_totals_are_the_sums_of_the_feeds(shared: Counts, stores: dict[str, Counts]) -> None:
    told = Ledger(shared, stores).as_json()
    feeds: list[dict[str, Any]] = list(told["feeds"].values())
    assert told["total"] == {name: sum(feed[name] for feed in feeds) for name in ACCOUNT}
    assert told["frames"] == {name: sum(feed["frames"][name] for feed in feeds) for name in FRAMES}
    assert told["total"] == told["stores"][next(iter(stores))]


@pytest.mark.parametrize("place", PLACES)
def test_one_record_too_few_or_too_many_shows(place: str) -> None:
    ledger = example()
    add(ledger.shared, "a", place)
    assert not ledger.balanced
    add(ledger.shared, "a", "received")
    assert ledger.balanced


def test_records_of_one_feed_do_not_make_up_for_those_of_another() -> None:
    assert not Ledger({("a", "received"): 1, ("b", "shed"): 1}, {"s": {}}).balanced


def test_records_of_one_store_do_not_make_up_for_those_of_another() -> None:
    shared: Counts = {("a", "received"): 2}
    assert not Ledger(shared, {"s": {("a", "stored"): 1}, "t": {("a", "stored"): 3}}).balanced


def test_frames_have_a_balance_of_their_own() -> None:
    assert not Ledger({("a", "frames"): 1}, {"s": {}}).balanced
    assert Ledger({("a", "frames"): 1, ("a", "in_flight_frames"): 1}, {"s": {}}).balanced


@pytest.mark.slow
@given(st.lists(counts, max_size=4))
def test_a_total_holds_what_its_parts_hold(parts: list[Counts]) -> None:
    added = total(parts)
    assert added.keys() == {key for part in parts for key in part}
    assert all(n == sum(part.get(key, 0) for part in parts) for key, n in added.items())


def test_what_was_sent_before_a_store_came_is_shed_as_far_as_it_is_concerned() -> None:
    """Only the records that left for the writers: what was lost before is lost for all."""
    shared: Counts = {
        ("a", "received"): 10, ("a", "shed.overload"): 2,
        ("a", SENT): 8, ("a", sent_to("old")): 8, ("a", sent_to("new")): 3,
    }  # fmt: skip
    ledger = Ledger(shared, {"new": {("a", "stored"): 3}, "old": {("a", "stored"): 8}})
    assert ledger.balanced
    told = ledger.as_json()
    assert told["stores"]["new"] == told["total"] == account(received=10, stored=3, shed=7)
    assert told["stores"]["old"] == account(received=10, stored=8, shed=2)
    assert told["reasons"] == {"overload": 2, "store_absent": 5}


def test_a_row_that_a_store_was_sent_and_has_not_shows_beside_those_that_it_was_not_sent() -> None:
    """Absence is counted by the senders: it makes up for nothing that a writer lost."""
    shared: Counts = {("a", "received"): 8, ("a", SENT): 8, ("a", sent_to("new")): 3}
    assert not Ledger(shared, {"new": {("a", "stored"): 2}}).balanced
    assert not Ledger({**shared, ("a", sent_to("new")): 9}, {"new": {("a", "stored"): 9}}).balanced


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), max_size=8))
def test_accounts_balance_whenever_stores_come_and_go(spells: list[tuple[bool, bool, int]]) -> None:
    """Each spell has its stores, and so many records."""
    shared: Counts = {}
    stores: dict[str, Counts] = {"s": {}, "t": {}}
    for *there, records in spells:
        add(shared, "a", "received", records)
        add(shared, "a", SENT, records)
        for store in (name for name, is_there in zip(stores, there, strict=True) if is_there):
            add(shared, "a", sent_to(store), records)
            add(stores[store], "a", "stored", records)
    assert Ledger(shared, stores).balanced


@given(counts, st.dictionaries(st.sampled_from(["s", "t"]), counts, max_size=2))
def test_every_count_can_be_had_one_by_one(shared: Counts, stores: dict[str, Counts]) -> None:
    found = list(Ledger(shared, stores).counts())
    assert {(feed, name): n for store, feed, name, n in found if store is None} == shared
    for each, own in stores.items():
        assert {(feed, name): n for store, feed, name, n in found if store == each} == own

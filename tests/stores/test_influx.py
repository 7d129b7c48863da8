"""InfluxDB keeps the contract of stores, as far as a server without transactions can; and its own."""

import logging
import random
import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.errors import PermanentStoreError, RetryableStoreError, StoreVersionError, UsageError
from core.records import QUOTE
from stores.influx import InfluxWriter
from stores.influx_http import InfluxConnection
from stores.influx_lines import bodies
from stores.influx_reader import InfluxReader
from stores.rows import alert_rows, gap_rows
from stores.store import BatchId, Query, pack_origins
from stores.writing import write_part
from tests.stores.contract import Opening, StoreContract
from tests.stores.making import DAY_NS, NOON_NS, alert, empty, gap, part, rows_of, ticks
from tests.support.influx import ORG, TOKEN, Front, Influxd, VictoriaMetrics, free_port

pytestmark = pytest.mark.slow

NASTY = [
    "a\\",
    "a,b=c d",
    '"',
    "'",
    "\\'",
    "%",
    "%0A",
    "a\nb\r",
    "\x00\x1f",
    "",
    " ",
    "#",
    "\\n",
    "比特币 🚀",
]
_numbers = count()


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture
def front(influxd: Influxd) -> Iterator[Front]:
    with Front(influxd) as front:
        yield front


@pytest.fixture
def bucket(influxd: Influxd) -> str:
    """Make an empty bucket."""
    name = f"bucket {next(_numbers)}"
    influxd.query(f'CREATE DATABASE "{name}"')
    return name


@pytest.fixture
def writer(front: Front, bucket: str) -> Iterator[InfluxWriter]:
    with closing(writer_of(front.url, bucket)) as opened:
        opened.open()
        yield opened


def writer_of(url: str, bucket: str, token: str = TOKEN, **options: Any) -> InfluxWriter:
    return InfluxWriter(url, org=ORG, bucket=bucket, token=token, **options)


def reader_of(url: str, bucket: str) -> InfluxReader:
    return InfluxReader(url, org=ORG, bucket=bucket, token=TOKEN)


def read(front: Front, bucket: str, table: str = "ticks", **query: Any) -> list[dict[str, Any]]:
    with closing(reader_of(front.url, bucket)) as reader:
        return rows_of(reader.read(Query(table, **query)))


class TestInflux(StoreContract):
    """Every test of the contract, in a bucket of its own."""

    cannot = {  # noqa: RUF012 - declared by the contract
        "test_a_thread_reads_whole_batches_while_the_writer_writes_and_tidies": (
            "InfluxDB has no transactions: a query may see a part of a batch that is being written"
        ),
    }

    @pytest.fixture
    def terms(self, front: Front, bucket: str) -> Opening:
        """Name an empty bucket."""
        return Opening(partial(writer_of, front.url, bucket), partial(reader_of, front.url, bucket))


# Points


def test_writing_rows_again_in_any_pieces_changes_nothing(
    influxd: Influxd, front: Front, bucket: str, writer: InfluxWriter
) -> None:
    rows = ticks(50, ts_event_ns=NOON_NS + np.arange(50) // 20 * 10**6, symbol="a b", price=np.arange(50.0))
    writer.write("ticks", rows, BatchId(1, 0))
    before = influxd.query('SELECT * FROM "ticks"', bucket), read(front, bucket)
    for number, (start, stop) in enumerate([(0, 50), (0, 7), (7, 50), (30, 40)]):
        writer.write("ticks", rows.slice(start, stop - start), BatchId(1, number))
    assert (influxd.query('SELECT * FROM "ticks"', bucket), read(front, bucket)) == before
    assert len(before[1]) == 50


def test_a_replay_of_what_was_received_live_is_kept_beside_it(
    front: Front, bucket: str, writer: InfluxWriter
) -> None:
    for session in (1, 2, -(2**62) + 1):
        writer.write("ticks", ticks(3, session=session), BatchId(session, 0))
    assert [row["session"] for row in read(front, bucket)] == [-(2**62) + 1, 1, 2] * 3
    assert writer.origins("ticks", 2)["spot/0/A"].tolist() == pack_origins([0, 1, 2], 0).tolist()


def test_strange_texts_come_back_from_tags_and_from_fields(
    front: Front, bucket: str, writer: InfluxWriter
) -> None:
    for number, text in enumerate(NASTY):
        rows = ticks(symbol=text, line=text, frame=number)
        writer.write("ticks", rows, BatchId(1, number))
        writer.write("alerts", alert_rows([alert(text=text, actor=text, symbol=text)]), BatchId(1, number))
    for text in NASTY:
        (row,) = read(front, bucket, symbol=text)
        assert (row["symbol"], row["line"]) == (text, text)
        (note,) = read(front, bucket, "alerts", symbol=text)
        assert (note["text"], note["actor"]) == (text, text)
    assert set(writer.origins("ticks", 1)) == set(NASTY)


def test_gaps_behind_one_frame_are_kept_apart(front: Front, bucket: str, writer: InfluxWriter) -> None:
    rows = gap_rows(
        [gap(symbol=symbol, cause=cause) for symbol in ("A", "B", None) for cause in ("shed", "sequence")]
    )
    writer.write("gaps", rows, BatchId(1, 0))
    assert len(read(front, bucket, "gaps")) == 6


def test_any_range_and_limit_give_the_rows_of_a_plain_search(
    front: Front, bucket: str, writer: InfluxWriter
) -> None:
    rng = random.Random(5)
    offsets = [rng.randrange(5) * 10**6 + rng.choice([0, 1, 999_999]) for _ in range(60)]
    writer.write("ticks", ticks(60, ts_event_ns=[NOON_NS + at for at in offsets]), BatchId(1, 0))
    ordered = sorted((NOON_NS + at, frame) for frame, at in enumerate(offsets))
    with closing(reader_of(front.url, bucket)) as reader:
        for _ in range(40):
            start, end = (rng.choice([None, NOON_NS + rng.choice(offsets)]) for _ in range(2))
            limit = rng.choice([None, 0, 1, 5, 59, 60, 100])
            found = rows_of(reader.read(Query("ticks", start_ns=start, end_ns=end, limit=limit)))
            inside = [
                row for row in ordered if (start or -(2**63)) <= row[0] < (2**63 if end is None else end)
            ]
            assert [(row["ts_event_ns"], row["frame"]) for row in found] == inside[
                len(inside) - min(len(inside), 2**63 if limit is None else limit) :
            ]


def test_times_at_the_ends_of_time_are_kept(front: Front, bucket: str, writer: InfluxWriter) -> None:
    times = [-(2**63) + 1, -(2**63) + 2, -1, 0, 2**63 - 2, 2**63 - 1]
    writer.write("ticks", ticks(6, ts_event_ns=times), BatchId(1, 0))
    assert [row["ts_event_ns"] for row in read(front, bucket)] == times
    assert [row["ts_event_ns"] for row in read(front, bucket, start_ns=2**63 - 1)] == times[-1:]
    assert [row["ts_event_ns"] for row in read(front, bucket, end_ns=-(2**63) + 2)] == times[:1]


def test_many_rows_are_sent_in_bodies_that_a_server_takes(
    front: Front, bucket: str, writer: InfluxWriter
) -> None:
    writer.write("ticks", ticks(30_000, ts_event_ns=NOON_NS + np.arange(30_000) * 10**6), BatchId(1, 0))
    sizes = [len(body) for body in front.bodies()]
    assert len([size for size in sizes if size > 2**20]) > 2
    assert max(sizes) <= 4 * 2**20
    assert len(read(front, bucket)) == 30_000


def test_victoria_metrics_takes_what_is_written_once(tmp_path: Path) -> None:
    rows = ticks(20, ts_event_ns=NOON_NS + np.arange(20) * 10**6, symbol="A,B =C", price=np.arange(20.0))
    with VictoriaMetrics(tmp_path) as server:
        connection = InfluxConnection(server.url, org=ORG, bucket="bucket", token=TOKEN, timeout_seconds=10)
        with closing(connection):
            for body in [*bodies("ticks", rows, 2**20)] * 2:
                connection.write(body)
        (found,) = server.points('{__name__="ticks_price"}')
    assert found["metric"]["symbol"] == "A,B =C"
    # It has no identity of points: what is written twice is twice in the export.
    assert dict(zip(found["timestamps"], found["values"], strict=True)) == {
        NOON_NS // 10**6 + i: float(i) for i in range(20)
    }


# Buckets and versions


def test_a_bucket_that_is_not_there_is_created_with_its_retention(influxd: Influxd, front: Front) -> None:
    with closing(writer_of(front.url, "made here", retention_days=30)) as writer:
        writer.open()
    (policies,) = influxd.query("SHOW RETENTION POLICIES", "made here")
    assert dict(zip(policies["columns"], policies["values"][0], strict=True))["duration"] == "720h0m0s"
    with closing(writer_of(front.url, "made here", retention_days=5)) as writer:
        writer.open()
    assert influxd.query("SHOW RETENTION POLICIES", "made here") == [policies]


def test_a_server_that_knows_no_buckets_is_taken_as_it_is(
    front: Front, bucket: str, writer: InfluxWriter
) -> None:
    front.answers["/api/v2/buckets"] = (404, {}, b"404 page not found")
    writer.open()
    writer.write("ticks", ticks(2), BatchId(1, 0))
    assert len(read(front, bucket)) == 2


def test_a_retention_does_not_reach_what_tells_of_batches(front: Front) -> None:
    with closing(writer_of(front.url, "short lived", retention_days=1)) as writer:
        writer.open()
        with pytest.raises(PermanentStoreError, match="retention policy"):
            writer.write("ticks", ticks(2), BatchId(-(2**62), 0))
        assert not writer.holds("ticks", BatchId(-(2**62), 0))
        writer.write("ticks", empty("ticks"), BatchId(-(2**62), 0))
        assert writer.holds("ticks", BatchId(-(2**62), 0))


def test_tables_of_a_newer_version_are_left_alone(
    influxd: Influxd, front: Front, bucket: str, writer: InfluxWriter
) -> None:
    writer.write("ticks", ticks(), BatchId(1, 0))
    assert influxd.ask("POST", "/write", {"db": bucket}, b"tapeline_schema version=99i 5")[0] == 204
    with closing(writer_of(front.url, bucket)) as other, pytest.raises(StoreVersionError, match="version 99"):
        other.open()
    with pytest.raises(StoreVersionError, match="upgrade Tapeline"):
        read(front, bucket)


def test_a_bucket_for_reading_must_be_there(front: Front) -> None:
    with pytest.raises(RetryableStoreError, match="not found"):
        read(front, "no such bucket")


# What a server refuses


def test_a_row_that_the_server_refuses_stands_alone_in_the_end(
    influxd: Influxd, front: Front, bucket: str, writer: InfluxWriter
) -> None:
    taken = f'ticks price="a text" {NOON_NS}'.encode()
    assert influxd.ask("POST", "/write", {"db": bucket}, taken)[0] == 204
    prices = [np.nan] * 3 + [100.0] + [np.nan] * 6
    written = write_part(writer, part(10, kind=QUOTE, price=prices), unsure=False)
    assert [refusal.row.rows["frame"].to_pylist() for refusal in written.refused] == [[3]]
    assert "type" in written.refused[0].error
    assert written.counts == {("spot", "stored"): 9}
    found = influxd.query('SELECT "frame" FROM "ticks"', bucket)[0]["values"]
    assert sorted(frame for _, frame in found) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_a_limit_of_the_server_is_for_its_operator_to_lift(tmp_path: Path) -> None:
    rows = pa.concat_tables([ticks(symbol=f"S{number}") for number in range(9)])
    with (
        Influxd(tmp_path, series=4) as server,
        Front(server) as front,
        closing(writer_of(front.url, "small")) as writer,
    ):
        writer.open()
        with pytest.raises(RetryableStoreError, match="limit exceeded"):
            writer.write("ticks", rows, BatchId(1, 0))


def test_only_rows_can_be_refused_for_good(
    influxd: Influxd, front: Front, bucket: str, writer: InfluxWriter
) -> None:
    """Whoever writes could do nothing about the rest: it would lose rows that are in order."""
    front.answers["/query"] = (400, JSON, b'{"error":"cannot parse the query"}')
    with pytest.raises(RetryableStoreError, match="cannot parse the query"):
        writer.holds("ticks", BatchId(1, 0))
    with pytest.raises(RetryableStoreError, match="cannot parse the query"):
        writer.open()
    del front.answers["/query"]
    front.answers["/api/v2/orgs"] = (422, JSON, b'{"message":"no"}')
    with closing(writer_of(front.url, "not there")) as other, pytest.raises(RetryableStoreError, match="no"):
        other.open()
    front.answers["/api/v2/buckets"] = (200, JSON, b'{"buckets":5}')
    with pytest.raises(RetryableStoreError, match="not that of an InfluxDB"):
        writer.open()
    del front.answers["/api/v2/buckets"]
    writer.open()
    taken = f'tapeline_batches,session=1,table=ticks number="a text" {NOON_NS}'.encode()
    assert influxd.ask("POST", "/write", {"db": bucket}, taken)[0] == 204
    with closing(writer_of(front.url, bucket, clock_ns=lambda: NOON_NS)) as other:
        other.open()
        with pytest.raises(RetryableStoreError, match="type"):
            other.write("ticks", ticks(), BatchId(1, 0))


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "text"),
    [
        (400, JSON, b'{"code":"invalid","message":"cannot parse"}', PermanentStoreError, "cannot parse"),
        (422, JSON, b'{"code":"unprocessable","message":"dropped=1"}', PermanentStoreError, "dropped=1"),
        (413, {}, b"<html>too large</html>", PermanentStoreError, "413"),
        (400, {}, b"<html>bad gateway configuration</html>", RetryableStoreError, "400"),
        (400, {}, b"\xff\xfe", RetryableStoreError, "cannot write to"),
        (401, JSON, b'{"code":"unauthorized","message":"no"}', RetryableStoreError, "check the token"),
        (403, JSON, b'{"code":"forbidden","message":"no"}', RetryableStoreError, "write access"),
        (404, JSON, b'{"code":"not found","message":"no bucket"}', RetryableStoreError, "the bucket"),
        (429, JSON | {"Retry-After": "17"}, b'{"message":"slow down"}', RetryableStoreError, "wait 17 s"),
        (503, {"Retry-After": "5"}, b"", RetryableStoreError, "wait 5 s"),
        (500, JSON, b'{"code":"internal error","message":"timeout"}', RetryableStoreError, "timeout"),
        (302, {}, b"", RetryableStoreError, "302"),
        (400, JSON, TOKEN.encode().join([b'{"message":"got ', b'"}']), PermanentStoreError, "got \\*\\*\\*"),
        (500, {}, b"x" * 290 + TOKEN.encode(), RetryableStoreError, "x\\*\\*\\*$"),
    ],
)  # fmt: skip
def test_what_a_server_answers_decides_who_is_to_act(
    front: Front,
    writer: InfluxWriter,
    status: int,
    headers: dict[str, str],
    body: bytes,
    error: type[Exception],
    text: str,
) -> None:
    front.answers["/api/v2/write"] = (status, headers, body)
    with pytest.raises(error, match=text) as caught:
        writer.write("ticks", ticks(), BatchId(1, 0))
    assert TOKEN[:5] not in str(caught.value)
    assert "\n" not in str(caught.value)
    del front.answers["/api/v2/write"]
    assert not writer.holds("ticks", BatchId(1, 0))


@pytest.mark.parametrize(
    "body", [b"<html>", b"\xff", b'{"results":[{"error":"boom"}]}', b'{"results":[{"ser']
)
def test_a_strange_answer_to_a_question_is_not_taken_for_no(
    front: Front, bucket: str, writer: InfluxWriter, body: bytes
) -> None:
    front.answers["/query"] = (200, JSON, body)
    for ask in (
        lambda: writer.holds("ticks", BatchId(1, 0)),
        lambda: writer.origins("ticks", 1),
        lambda: read(front, bucket),
        writer.open,
    ):
        with pytest.raises(RetryableStoreError):
            ask()


def test_the_token_is_shown_nowhere(
    front: Front, bucket: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "another-secret-9876543210"
    with closing(writer_of(front.url, bucket, wrong)) as refused:
        with pytest.raises(RetryableStoreError, match="check the token") as caught:
            refused.open()
        assert wrong not in repr(refused)
    with closing(writer_of(front.url, bucket)) as writer:
        writer.open()
        writer.write("ticks", ticks(), BatchId(1, 0))
        assert TOKEN not in repr(writer)
    with pytest.raises(UsageError) as unfit:
        writer_of(front.url, bucket, wrong + "\n")
    printed = "".join([str(caught.value), str(unfit.value), caplog.text, *capfd.readouterr()])
    assert not re.search(f"{wrong}|{TOKEN}", printed)


# Faults


def test_nobody_listens() -> None:
    with closing(writer_of(f"http://127.0.0.1:{free_port()}", "bucket")) as writer:
        with pytest.raises(RetryableStoreError, match="cannot look for"):
            writer.open()
        with pytest.raises(RetryableStoreError, match="cannot write"):
            writer.write("ticks", ticks(), BatchId(1, 0))


def test_a_server_that_is_killed_has_what_it_acknowledged(tmp_path: Path) -> None:
    with Influxd(tmp_path) as server, Front(server) as front:
        with closing(writer_of(front.url, "bucket")) as writer:
            writer.open()
            writer.write("ticks", ticks(10), BatchId(1, 0))
            server.kill()
            for ask in (
                lambda: writer.write("ticks", ticks(10, frame=10 + np.arange(10)), BatchId(1, 1)),
                lambda: writer.holds("ticks", BatchId(1, 1)),
            ):
                with pytest.raises(RetryableStoreError):
                    ask()
            server.start()
            assert [writer.holds("ticks", BatchId(1, number)) for number in (0, 1)] == [True, False]
            writer.write("ticks", ticks(10, frame=10 + np.arange(10)), BatchId(1, 1))
        assert sorted(row["frame"] for row in read(front, "bucket")) == [*range(20)]


def test_a_server_that_stalls_is_given_up_in_time(influxd: Influxd, front: Front, bucket: str) -> None:
    rows = ticks(10)
    with closing(writer_of(front.url, bucket)) as patient:
        patient.open()
        with closing(writer_of(front.url, bucket, timeout_seconds=0.2)) as writer:
            writer.open()
            with influxd.stalled(), pytest.raises(RetryableStoreError, match="no answer in time"):
                writer.write("ticks", rows, BatchId(1, 0))
        patient.write("ticks", rows, BatchId(1, 0))
    assert len(read(front, bucket)) == 10


def test_a_write_whose_answer_was_cut_can_be_written_again(
    influxd: Influxd, front: Front, bucket: str, writer: InfluxWriter
) -> None:
    rows = ticks(10, ts_event_ns=NOON_NS)
    front.cut.add("/api/v2/write")
    with pytest.raises(RetryableStoreError):
        writer.write("ticks", rows, BatchId(1, 0))
    front.cut.clear()
    before = influxd.query('SELECT * FROM "ticks"', bucket)
    assert len(before[0]["values"]) == 10
    assert not writer.holds("ticks", BatchId(1, 0))
    writer.write("ticks", rows, BatchId(1, 0))
    assert writer.holds("ticks", BatchId(1, 0))
    assert influxd.query('SELECT * FROM "ticks"', bucket) == before


def test_what_a_replaced_writer_still_writes_does_no_harm(front: Front, bucket: str) -> None:
    rows = ticks(10)
    with closing(writer_of(front.url, bucket)) as old, closing(writer_of(front.url, bucket)) as new:
        old.open()
        new.open()
        new.write("ticks", rows, BatchId(1, 0))
        new.write("ticks", ticks(10, frame=10 + np.arange(10)), BatchId(1, 64))
        old.write("ticks", rows, BatchId(1, 0))
        assert old.holds("ticks", BatchId(1, 0))
    assert len(read(front, bucket)) == 20


def test_batches_are_told_of_by_few_points(influxd: Influxd, front: Front, bucket: str) -> None:
    now = [NOON_NS]
    with closing(writer_of(front.url, bucket, clock_ns=lambda: now[0])) as writer:
        writer.open()
        for number in range(10):
            now[0] += DAY_NS // 2 if number == 5 else 10**9
            writer.write("ticks", empty("ticks"), BatchId(1, number))
        assert [writer.holds("ticks", BatchId(1, number)) for number in (0, 9, 10)] == [True, True, False]
    assert len(influxd.query('SELECT * FROM "tapeline_batches"', bucket)[0]["values"]) == 2

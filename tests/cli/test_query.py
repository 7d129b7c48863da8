"""`query`: what is asked of a store, what comes of it, and what is said about it."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.arguments import parse
from cli.query import build, choose, choose_format, comment, run
from core.errors import UsageError
from core.settings import Settings
from core.settings_loading import load
from stores.lake import LakeWriter
from stores.schema import RESULTS, TABLES
from stores.store import BatchId, Query

ROOT = Path(__file__).parents[2]
SUPERVISOR = str(ROOT / "supervisor.py")
T0 = 1_768_487_400_000_000_000
"""2026-01-15T14:30:00Z."""
SECOND = 10**9
TICKS = 120


def origin(frame: int) -> dict[str, Any]:
    return {"session": 1, "line": "demo/0/A", "frame": frame, "item": 0}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a configuration whose lake holds two minutes of ticks, a reject and an alert."""
    directory = tmp_path_factory.mktemp("query")
    writer = LakeWriter(str(directory / "data" / "lake"))
    writer.open()
    ticks = [
        {"venue": "demo", "symbol": "BTC-USD", "kind": "trade", "ts_event_ns": T0 + n * SECOND,
         "ts_recv_ns": T0 + n * SECOND + 7, "price": 100.0 + n, "size": 0.1, "verdict": "ok", **origin(n)}
        for n in range(TICKS)
    ]  # fmt: skip
    reject = {"venue": "demo", "ts_recv_ns": T0, "reason": "malformed_json", "raw": b'\xff"', **origin(999)}
    alert = {"ts_ns": T0, "kind": "warn", "symbol": "BTC-USD", "actor": "a", "text": "odd", "held_back": 0}
    for table, rows in (("ticks", ticks), ("rejects", [reject]), ("alerts", [alert])):
        writer.write(table, pa.Table.from_pylist(rows, schema=TABLES[table]), BatchId(1, 1))
    writer.close()
    path = directory / "config.toml"
    path.touch()
    return path


@pytest.fixture(scope="module")
def settings(config: Path) -> Settings:
    return load(config, (), {})


def request_of(*argv: str) -> Query:
    return build(parse(["query", *argv]), T0, on_terminal=False)


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        request_of(*argv)
    return str(caught.value)


class TestRequest:
    def test_without_options_asks_for_everything(self) -> None:
        assert request_of("ticks") == Query("ticks")

    def test_passes_every_restriction_on(self) -> None:
        words = "bars --venue demo --symbol A --start -1h --end now --interval 5s --limit 7"
        assert request_of(*words.split()) == Query(
            "bars", "demo", "A", T0 - 3_600 * SECOND, T0, 5 * SECOND, 7
        )

    def test_for_bars_has_an_interval_of_a_minute_by_default(self) -> None:
        assert request_of("bars").interval_ns == 60 * SECOND

    def test_from_a_terminal_is_for_the_last_50(self) -> None:
        assert build(parse(["query", "ticks"]), T0, on_terminal=True).limit == 50
        assert build(parse(["query", "ticks", "--limit", "70"]), T0, on_terminal=True).limit == 70

    def test_may_be_for_a_moment(self) -> None:
        assert request_of("ticks", "--start", "now", "--end", "now") == Query("ticks", start_ns=T0, end_ns=T0)

    @pytest.mark.parametrize(
        ("argv", "text"),
        [
            ("ticks --interval 1m", "--interval is the length of bars; ticks have none"),
            ("alerts --venue demo", "alerts have no venue: leave --venue out"),
            ("ticks --start now --end -1h", '--start "now" is later than --end "-1h"'),
            ("ticks --start noon", '--start: "noon" is not a time'),
            ("ticks --end noon", '--end: "noon" is not a time'),
        ],
    )
    def test_that_cannot_be_met_is_refused(self, argv: str, text: str) -> None:
        assert refusal(*argv.split()).startswith(text)


class TestStore:
    def test_is_the_first_unless_named(self) -> None:
        stores = load(None, ['stores=[{name="a"}, {name="b", path="b"}]'], {}).stores
        assert choose(stores, None).name == "a"
        assert choose(stores, "b").name == "b"
        with pytest.raises(UsageError, match='--store: there is no "c"; known are a, b'):
            choose(stores, "c")


class TestFormat:
    @pytest.mark.parametrize(
        ("given", "output", "on_terminal", "chosen"),
        [
            (None, None, True, "table"),
            (None, None, False, "csv"),
            ("json", None, True, "json"),
            (None, "a.parquet", False, "parquet"),
            (None, "a.JSONL", False, "json"),
            (None, "a.unknown", False, "csv"),
            ("table", "a.csv", False, "table"),
            ("parquet", "a.bin", False, "parquet"),
        ],
    )
    def test_suits_the_place(
        self, given: str | None, output: str | None, on_terminal: bool, chosen: str
    ) -> None:
        assert choose_format(given, Path(output) if output else None, on_terminal) == chosen

    def test_parquet_is_kept_from_a_terminal(self) -> None:
        with pytest.raises(UsageError, match="nothing for a terminal"):
            choose_format("parquet", None, True)


class TestComment:
    def test_says_what_was_not_found_and_what_is_spelled_nearly_so(self, settings: Settings) -> None:
        query = Query("ticks", venue="dmeo", symbol="BTCUSD", start_ns=0)
        text = comment(query, 0, settings, settings.stores[0], cut=False)
        lake = settings.data_dir / "lake"
        assert text == (
            f'no ticks of venue "dmeo", symbol "BTCUSD", this time in store lake ({lake}); '
            'did you mean "demo" and "BTC-USD"?'
        )

    def test_suggests_nothing_that_was_asked_for(self, settings: Settings) -> None:
        text = comment(Query("ticks", symbol="BTC-USD"), 0, settings, settings.stores[0], cut=False)
        assert text is not None
        assert text.endswith("lake)")

    def test_says_when_there_may_be_more(self, settings: Settings) -> None:
        query, store = Query("ticks", limit=50), settings.stores[0]
        text = comment(query, 50, settings, store, cut=True)
        assert text == "these are the last 50 rows; --limit or --output gives more"
        assert comment(query, 49, settings, store, cut=True) is None
        assert comment(query, 50, settings, store, cut=False) is None


@pytest.mark.slow
class TestAnswer:
    @pytest.fixture(autouse=True)
    def _capture(self, config: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        self.config, self.captured = config, capsysbinary

    def ask(self, *argv: str) -> bytes:
        assert run(parse(["query", *argv, "--config", str(self.config)])) == 0
        self.said = ""
        out, err = self.captured.readouterr()
        self.said = err.decode()
        return out

    def test_as_csv_is_all_rows_with_exact_numbers(self) -> None:
        rows = list(csv.DictReader(io.StringIO(self.ask("ticks").decode())))
        assert list(rows[0]) == RESULTS["ticks"].names
        assert [int(row["ts_event_ns"]) for row in rows] == [T0 + n * SECOND for n in range(TICKS)]
        assert {row["size"] for row in rows} == {"0.1"}
        assert {row["bid"] for row in rows} == {""}
        assert self.said == ""

    def test_is_restricted_by_time_and_number(self) -> None:
        out = self.ask(
            "ticks", "--start", "2026-01-15T14:30:10Z", "--end", str(T0 // SECOND + 20), "--limit", "3"
        )
        prices = [row["price"] for row in csv.DictReader(io.StringIO(out.decode()))]
        assert prices == ["117.0", "118.0", "119.0"]

    def test_as_json_has_raw_bytes_in_base64(self) -> None:
        (line,) = self.ask("rejects", "--format", "json").splitlines()
        assert json.loads(line)["raw"] == "/yI="

    def test_of_bars_counts_trades(self) -> None:
        lines = self.ask("bars", "--format", "json").splitlines()
        bars = [json.loads(line) for line in lines]
        assert [(bar["ts_ns"], bar["open"], bar["close"], bar["trades"]) for bar in bars] == [
            (T0, 100.0, 159.0, 60),
            (T0 + 60 * SECOND, 160.0, 219.0, 60),
        ]

    def test_as_a_table_has_readable_times(self) -> None:
        head, _, line = self.ask("alerts", "--format", "table").decode().splitlines()
        assert head.split()[0] == "ts_ns"
        assert line.split()[0] == "2026-01-15T14:30:00Z"

    def test_in_a_file_is_what_the_name_says(self, tmp_path: Path) -> None:
        assert self.ask("ticks", "--output", str(tmp_path / "a.parquet")) == b""
        assert pq.read_table(tmp_path / "a.parquet").num_rows == TICKS
        assert os.listdir(tmp_path) == ["a.parquet"]

    def test_with_nothing_found_is_a_header_and_a_hint(self) -> None:
        out = self.ask("ticks", "--symbol", "btc-usd")
        assert out.decode() == ",".join(RESULTS["ticks"].names) + "\n"
        assert self.said.startswith('tapeline: no ticks of symbol "btc-usd" in store lake (')
        assert self.said.endswith('did you mean "BTC-USD"?\n')

    def test_of_a_store_that_cannot_be_read_is_one_line_and_1(self, tmp_path: Path) -> None:
        writer = LakeWriter(str(tmp_path / "data" / "lake"))
        writer.open()
        rows = [{"venue": "demo", "ts_recv_ns": T0, "reason": "bad_type", **origin(1)}]
        writer.write("rejects", pa.Table.from_pylist(rows, schema=TABLES["rejects"]), BatchId(1, 1))
        writer.close()
        for path in (tmp_path / "data").rglob("*.parquet"):
            path.unlink()
        (tmp_path / "a.toml").touch()
        output = tmp_path / "a.csv"
        argv = ["query", "rejects", "--config", str(tmp_path / "a.toml"), "--output", str(output)]
        assert run(parse(argv)) == 1
        out, err = self.captured.readouterr()
        assert re.fullmatch(r"tapeline: store lake: [^\n]+\n", err.decode())
        assert (out, output.exists()) == (b"", False)


@pytest.mark.slow
class TestProgram:
    def test_ends_quietly_when_its_reader_has_enough(self, config: Path) -> None:
        command = [sys.executable, SUPERVISOR, "query", "ticks", "--config", str(config)]
        reader, writer = os.pipe()
        os.close(reader)
        try:
            ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
        finally:
            os.close(writer)
        assert (ran.returncode, ran.stderr) == (0, b"")

    @pytest.mark.parametrize("form", ["csv", "json", "parquet"])
    def test_writes_to_a_pipe(self, config: Path, form: str) -> None:
        command = [sys.executable, SUPERVISOR, "query", "ticks", "--config", str(config), "--format", form]
        ran = subprocess.run(command, capture_output=True, timeout=60, check=True)
        rows = (
            pq.read_table(io.BytesIO(ran.stdout)).num_rows if form == "parquet" else ran.stdout.count(b"\n")
        )
        assert (rows, ran.stderr) == (TICKS + (form == "csv"), b"")

    def test_shows_a_terminal_the_last_50(self, config: Path) -> None:
        terminal, stdout = pty.openpty()
        command = [sys.executable, SUPERVISOR, "query", "ticks", "--config", str(config)]
        environ = {**os.environ, "COLUMNS": "100"}
        with subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environ) as process:
            os.close(stdout)
            lines = terminal_text(terminal).splitlines()
            assert process.stderr is not None
            said = process.stderr.read()
        os.close(terminal)
        assert process.returncode == 0
        assert "BTC-USD" in lines[2]
        assert len([line for line in lines if "BTC-USD" in line]) == 50
        assert lines[-1].startswith("not shown, as empty or too wide: ")
        assert said == b"tapeline: these are the last 50 rows; --limit or --output gives more\n"

    def test_tells_a_mistake_in_one_line_with_status_2(self, config: Path) -> None:
        command = [sys.executable, SUPERVISOR, "query", "ticks", "--config", str(config), "--store", "x"]
        ran = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr == 'tapeline: --store: there is no "x"; known are lake\n'


def terminal_text(terminal: int) -> str:
    """Read a terminal until the program at its other end is gone."""
    chunks = []
    try:
        while chunk := os.read(terminal, 65_536):
            chunks.append(chunk)
    except OSError:
        pass
    return b"".join(chunks).decode()

"""The data in a researcher's hands: run the demo, then plot it, export it, and read it from Python."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import polars
import pyarrow.dataset as pa_dataset
import pytest

from core.settings_loading import load
from stores import open_store
from tests.e2e.tapeline import PROJECT, Tapeline, check_end

pytestmark = pytest.mark.slow


@pytest.fixture
def collected(tapeline: Tapeline) -> dict[str, Any]:
    """Run the demo for some seconds, and give the ledger's total."""
    words = ("--duration", "6s", "--json", "--set", "monitor.page=false", "--set", "demo.seed=3")
    ended = tapeline.call("run", *words)
    total: dict[str, Any] = check_end(ended)["total"]
    assert total["stored"] > 500
    return total


def test_a_run_is_plotted_exported_and_read(tapeline: Tapeline, collected: dict[str, Any]) -> None:
    shown = tapeline.call("plot", "BTC-USD")
    assert shown.status == 0, shown
    assert shown.stdout.startswith("BTC-USD.png: BTC-USD (demo): ")
    image: Any = matplotlib.image.imread(tapeline.directory / "BTC-USD.png")
    assert image.shape[:2] == (1_000, 1_600)
    page = tapeline.directory / "btc.html"
    assert tapeline.call("plot", "BTC-USD", "-o", page).status == 0
    assert page.stat().st_size > 1_000_000, "plotly's script is inside"

    there = tapeline.directory / "ticks"
    written = tapeline.call("export", "ticks", "--output", there)
    assert written.status == 0, written
    assert f"{collected['stored']:,} ticks in " in written.stdout
    assert pa_dataset.dataset(there, partitioning="hive").count_rows() == collected["stored"]
    assert tapeline.call("export", "ticks", "--output", there).status == 2

    with open_store(load(None, [f"data_dir={tapeline.data_dir}"], {})) as store:
        ticks = store.ticks()
        assert ticks.num_rows == collected["stored"]
        assert store.rejects().num_rows == collected["rejected"]
        assert store.bars("BTC-USD", "1s", start="-1h").num_rows > 1
        frame: Any = polars.from_arrow(ticks)
        assert set(frame["symbol"].unique()) == {"BTC-USD", "ETH-USD", "SOL-USD"}
        traded = frame.filter((polars.col("symbol") == "BTC-USD") & polars.col("price").is_not_null())
        assert polars.Series(store.bars("BTC-USD")["trades"]).sum() == traded.height


def test_the_store_is_read_and_the_doctor_asked_while_it_runs(tapeline: Tapeline) -> None:
    with tapeline.start("run", "--json", "--set", "monitor.page=false") as program:
        tapeline.wait_for_count(program, "stored")
        with open_store(load(None, [f"data_dir={tapeline.data_dir}"], {})) as store:
            assert store.ticks(limit=10).num_rows > 0
        told = tapeline.call("doctor", "--json")
        document = json.loads(told.stdout)
        found = {one["subject"]: one for one in document["findings"]}
        assert found["lock"]["text"] == f"held by the pipeline that runs, process {program.pid}"
        assert found["journal"]["level"] == found["store lake"]["level"] == "ok"


def test_light_commands_stay_light(tapeline: Tapeline) -> None:
    """What draws is imported by `plot` alone."""
    heavy = {"matplotlib", "plotly", "pyarrow.dataset"}
    for words in (
        ["check"],
        ["query", "bars"],
        ["plot", "--help"],
        ["export", "--help"],
        ["doctor", "--help"],
    ):
        imported = modules_of(words, tapeline.data_dir)
        assert heavy.isdisjoint(imported), words


def modules_of(words: list[str], data_dir: Path) -> set[str]:
    """Give the modules that a command imports."""
    code = (
        "import sys, contextlib\nfrom cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\nprint(*sys.modules, file=sys.stderr)"
    )
    more = [] if "--help" in words else ["--set", f"data_dir={data_dir}"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *words, *more], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return set(ran.stderr.split())

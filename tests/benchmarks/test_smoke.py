"""The benchmarks still run: each with tiny numbers, and no figure is held against anything."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES, main

pytestmark = pytest.mark.slow

TINY = {
    "throughput": ["--frames", "1000", "--stores", "lake,no_such_store"],
    "latency": ["--seconds", "0.5", "--rates", "1000"],
    "scale": ["--frames", "1000", "--symbols", "7", "--shards-only"],
    "stores": ["--sizes", "50", "--batches", "2"],
    "query": ["--rows", "20000"],
    "start": ["--frames", "100"],
    "micro": ["--frames", "2000"],
    "peers": ["--frames", "1000", "--pythons", sys.executable, "--store", "none", "--no-postgres"],
}


def measured(name: str, tmp_path: Path) -> dict[str, Any]:
    """Run a benchmark once and give its JSON."""
    path = tmp_path / "figures.json"
    assert main([name, "--runs", "1", "--json", str(path), *TINY[name]]) == 0
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def column(document: dict[str, Any], head: str) -> list[Any]:
    """Give a column of the first table."""
    return [row[head] for row in document["tables"][0]["rows"]]


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_benchmark_runs_and_reports(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = measured(name, tmp_path)

    assert document["benchmark"] == name
    assert document["machine"].keys() >= {"cpu", "cores", "memory_gb", "kernel", "python", "packages"}
    assert not [note for note in document["notes"] if "does not count" in note]
    shown = capsys.readouterr().out
    for row in document["tables"][0]["rows"]:
        assert next(iter(row.values())) is not None
        figures = [value for value in row.values() if isinstance(value, dict)]
        assert figures
        assert all(one["min"] <= one["median"] <= one["max"] for one in figures)
        assert all(head in shown for head in row if row[head] is not None)
    absent = [note for note in document["notes"] if "apt-get install" in note or "Debian package" in note]
    if absent:
        pytest.skip(f"ran, but {'; '.join(absent)}")


def test_every_benchmark_has_a_smoke_test() -> None:
    assert TINY.keys() == NAMES.keys()


def test_a_page_gets_tables_and_a_picture_and_keeps_its_own_words(tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    spread = {"median": 2_000.0, "min": 1_000.0, "max": 3_000.0, "runs": 3}
    share = {name: value / 2_000 for name, value in spread.items()}
    row = {"subject": "the limit <1>", "messages/s": spread, "of the limit": share}
    machine = {"cpu": "C", "cores": 2, "memory_gb": 4, "kernel": "L 6", "python": "3", "packages": {"p": "1"}}
    table = {"title": "Throughput", "rows": [row]}
    document = {"benchmark": "throughput", "tables": [table], "notes": [], "options": {}, "machine": machine}
    figures.write_text(json.dumps(document))
    page.write_text(
        "# Mine\n\n<!-- throughput: generated -->\nold\n<!-- end of throughput -->\n\nlast words\n"
    )

    assert main(["report", str(figures), "-o", str(page)]) == 0
    once = page.read_text()
    assert main(["report", str(figures), "-o", str(page)]) == 0

    assert page.read_text() == once
    assert once.startswith("# Mine\n")
    assert "last words\n" in once
    assert "old" not in once
    assert "| the limit <1> | 2,000 (1,000 to 3,000) |" in once
    assert "C, 2 cores" in once
    assert "the limit &lt;1&gt;" in page.with_suffix(".svg").read_text()

"""The metrics: as Prometheus reads them, and as those files name them that are shipped beside."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser
from prometheus_client.samples import Sample

from tests.support.snapshots import snapshot
from web.metric_families import BY_NAME, FAMILIES, PROCESS
from web.metrics import Exposition
from web.newest import Newest

ROOT = Path(__file__).resolve().parents[2]
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
ALERTS, DASHBOARD = ROOT / "ops" / "prometheus-alerts.yml", ROOT / "ops" / "grafana-dashboard.json"
SAMPLE_NAMES = {name for family in FAMILIES for name in family.sample_names} | set(PROCESS)


def exposed(*, told: bool = True) -> Exposition:
    model = Newest(lambda text: None)
    if told:
        model.take(snapshot())
    return Exposition(model, 1)


def samples(*, told: bool = True) -> list[Sample]:
    """Give what a strict reader of OpenMetrics finds."""
    text = exposed(told=told).written(OPEN_METRICS)[0].decode()
    families = parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples]


def values(name: str) -> dict[tuple[str, ...], float]:
    """Give the values of a metric by its labels, in the order in which these are listed."""
    (labels,) = {family.labels for family in FAMILIES if name in family.sample_names}
    found = [sample for sample in samples() if sample.name == name]
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in found}


def promtool(*arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    return subprocess.run([program, *arguments], input=text, capture_output=True, timeout=60, check=False)


def test_records_are_told_by_place_and_reason() -> None:
    assert values("tapeline_records_total") == {
        ("demo", "", "shed", "overload"): 54,
        ("demo", "lake", "stored", ""): 1_234_147,
        ("demo", "lake", "rejected", "critical_z"): 76,
    }
    assert values("tapeline_records_received_total") == {("demo", "received"): 1_234_567}
    assert values("tapeline_records_in_flight") == {("demo", ""): 65}
    assert values("tapeline_events_total") == {("demo", "gap"): 7}


def test_actors_are_told_by_kind() -> None:
    assert values("tapeline_mailbox_messages") == {("writer",): 1_777, ("detector",): 0}
    assert values("tapeline_actor_restarts_total") == {("writer",): 2, ("detector",): 5}


def test_a_breaker_is_in_one_state() -> None:
    states = values("tapeline_breaker_state")
    assert states["archive", "open"] == states["lake", "closed"] == 1
    assert sum(states.values()) == 2


def test_histograms_count_up_to_all() -> None:
    buckets = {sample.labels["le"]: sample.value for sample in samples() if sample.name == HISTOGRAM}
    assert (buckets["5e-05"], buckets["0.0025"], buckets["+Inf"]) == (1, 2, 3)
    assert list(buckets.values()) == sorted(buckets.values())
    assert values("tapeline_signal_latency_seconds_sum")[()] == pytest.approx(0.07153, rel=0.02)


HISTOGRAM = "tapeline_signal_latency_seconds_bucket"


def test_every_metric_is_listed_and_every_listed_one_told() -> None:
    found = samples()
    told = {sample.name.removesuffix("_created") for sample in found}
    assert told - {name for name in told if name.startswith("tapeline_process_")} == SAMPLE_NAMES - set(
        PROCESS
    )
    for sample in found:
        family = next((each for each in FAMILIES if sample.name in each.sample_names), None)
        if family is not None and family.kind != "info":
            assert set(sample.labels) - {"le"} == set(family.labels), sample


def test_before_anything_is_heard_that_is_what_is_told() -> None:
    told = {sample.name: sample.value for sample in samples(told=False)}
    assert told["tapeline_connected"] == 0
    assert "tapeline_ledger_balanced" not in told


def test_thousands_of_symbols_and_actors_make_no_more_series() -> None:
    model = Newest(lambda text: None)
    model.take(snapshot())
    few = len(Exposition(model, 1).written()[0].splitlines())
    status = snapshot().status or {}
    model.take(
        snapshot(
            symbols=[{**status["symbols"][0], "symbol": f"S{i}"} for i in range(2_000)],
            actors=[{**status["actors"][1], "child": f"detector/demo/S{i}"} for i in range(2_000)]
            + status["actors"],
        )
    )
    assert len(Exposition(model, 1).written()[0].splitlines()) == few


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_names_follow_the_conventions(family: object) -> None:
    assert isinstance(family, type(FAMILIES[0]))
    assert re.fullmatch(r"tapeline_[a-z_]+", family.name)
    assert not family.name.endswith(("_total", "_ms", "_us"))
    assert family.text.endswith(".")
    assert BY_NAME[family.name] is family


def test_promtool_finds_no_fault() -> None:
    done = promtool("check", "metrics", text=exposed().written()[0])
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", str(ALERTS))
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: str(path.name))
def test_every_metric_that_is_named_is_there(path: Path) -> None:
    named = set(re.findall(r"\btapeline_[a-z_]+", path.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert named - SAMPLE_NAMES == set()


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert all(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])

"""The metrics: worked out from the newest view whenever they are asked for."""

import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from core.latency import Latencies
from core.ledger import FRAME_PLACES, PLACES, SOURCES
from core.version import VERSION
from web.metric_families import BY_NAME
from web.newest import Newest

Row = Mapping[str, Any]
Values = Iterable[tuple[Sequence[str], float]]
AnyFamily = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily

BREAKER_STATES: Final = ("closed", "open", "half-open")
BOUNDS_SECONDS: Final = (
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Of the histograms' buckets."""
_BOUNDS_NS: Final = tuple(round(bound * 1e9) for bound in BOUNDS_SECONDS)
_GAUGES: Final = {"in_flight": "tapeline_records_in_flight", "spooled": "tapeline_records_spooled"}
"""Places that records also leave."""


class Exposition:
    """Writes the metrics as whoever asks would like to read them."""

    def __init__(self, model: Newest, pid: int) -> None:
        """`pid`: the pipeline's."""
        self._registry = CollectorRegistry()
        self._registry.register(_Pipeline(model))
        ProcessCollector("tapeline", lambda: pid, registry=self._registry)

    def written(self, accept: str = "") -> tuple[bytes, str]:
        """Give the metrics and their media type: OpenMetrics if `accept` names it, else Prometheus' text."""
        encoder, media_type = choose_encoder(accept)
        body: bytes = encoder(self._registry)
        return body, media_type


class _Pipeline(Collector):
    def __init__(self, model: Newest) -> None:
        self._model = model

    def collect(self) -> Iterator[AnyFamily]:
        """Give all families that there is anything to tell of."""
        build = InfoMetricFamily("tapeline_build", BY_NAME["tapeline_build"].text)
        build.add_metric([], {"version": VERSION, "python": platform.python_version()})
        yield build
        yield gauge("tapeline_connected", [((), self._model.connected)])
        status = self._model.view.status
        if status:
            yield gauge("tapeline_snapshot_timestamp_seconds", [((), self._model.view.at_ns / 1e9)])
            yield gauge("tapeline_start_time_seconds", [((), status["started_ns"] / 1e9)])
            yield from ledger(status)
            yield from standing(status)
            yield from actors(status["actors"])
            yield from symbols(status["symbols"])
            yield from progress(status)
        yield from latencies(self._model.latencies)


def ledger(status: Row) -> Iterator[AnyFamily]:
    """Give what was counted; a count's name may hold its reason behind a dot."""
    values: dict[str, dict[tuple[str, ...], float]] = defaultdict(lambda: defaultdict(float))
    for store, feed, counted, n in status["counts"]:
        place, _, reason = counted.partition(".")
        where = store or ""
        if place in _GAUGES:
            values[_GAUGES[place]][feed, where] += n
        elif place in PLACES:
            values["tapeline_records"][feed, where, place, reason] += n
        elif place in SOURCES:
            values["tapeline_records_received"][feed, place] += n
        elif place == "frames":
            values["tapeline_frames_received"][feed,] += n
        elif place == "in_flight_frames":
            values["tapeline_frames_in_flight"][feed,] += n
        elif place in FRAME_PLACES:
            values["tapeline_frames"][feed, place] += n
        elif place == "event":
            values["tapeline_events"][feed, reason] += n
    for name, found in values.items():
        yield family(name, found.items())
    if status["ledger"] is not None:
        yield gauge("tapeline_ledger_balanced", [((), status["ledger"]["balanced"])])


def standing(status: Row) -> Iterator[AnyFamily]:
    """Give lines and stores."""
    yield gauge("tapeline_line_up", [((row["line"],), row["state"] == "up") for row in status["lines"]])
    stores: Sequence[Row] = status["stores"]
    yield gauge(
        "tapeline_breaker_state",
        [((row["store"], state), row["state"] == state) for row in stores for state in BREAKER_STATES],
    )
    yield gauge("tapeline_spool_rows", [((row["store"],), row["spooled_rows"]) for row in stores])


def actors(rows: Sequence[Row]) -> Iterator[AnyFamily]:
    """Give actors by kind: there may be thousands."""
    states: Counter[tuple[str, str]] = Counter()
    restarts: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    fullest: dict[str, int] = {}
    for row in rows:
        kind = row["child"].partition("/")[0]
        states[kind, row["state"]] += 1
        restarts[kind] += row["restarts"]
        waiting[kind] += row["waiting"]
        fullest[kind] = max(fullest.get(kind, 0), row["waiting"])
    yield gauge("tapeline_actors", states.items())
    yield family("tapeline_actor_restarts", _alone(restarts))
    yield gauge("tapeline_mailbox_messages", _alone(waiting))
    yield gauge("tapeline_mailbox_messages_fullest", _alone(fullest))


def symbols(rows: Sequence[Row]) -> Iterator[AnyFamily]:
    """Give symbols by feed: there may be thousands."""
    there_are, scored, rejected = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        feed = row["feed"]
        there_are[feed] += 1
        scored[feed] += row["ticks"]
        rejected[feed] += row["rejects"]
    yield gauge("tapeline_symbols", _alone(there_are))
    yield family("tapeline_ticks_scored", _alone(scored))
    yield family("tapeline_ticks_rejected", _alone(rejected))


def progress(status: Row) -> Iterator[AnyFamily]:
    """Give how far a recovery is, and what became of reloads."""
    recovery, reload = status["recovery"], status["reload"]
    if recovery is not None:
        yield gauge("tapeline_recovery_read_bytes", [((), recovery["read_bytes"])])
        yield gauge("tapeline_recovery_bytes", [((), recovery["of_bytes"])])
    yield family("tapeline_reloads", [((), reload["begun"])])
    yield gauge("tapeline_reload_refused", [((), bool(reload["error"]))])


def latencies(found: Mapping[str, Latencies]) -> Iterator[AnyFamily]:
    """Give the histograms."""
    names = {
        "signal": "tapeline_signal_latency_seconds",
        "signal_from_event": "tapeline_event_latency_seconds",
    }
    for key, name in names.items():
        if key in found:
            yield histogram(name, {(): found[key]})
    stored: dict[tuple[str, ...], Latencies] = {
        (key.removeprefix("stored/"),): each for key, each in found.items() if key.startswith("stored/")
    }
    if stored:
        yield histogram("tapeline_store_latency_seconds", stored)


def histogram(name: str, found: Mapping[tuple[str, ...], Latencies]) -> HistogramMetricFamily:
    """Give one histogram, by its labels' values."""
    made = HistogramMetricFamily(name, BY_NAME[name].text, labels=BY_NAME[name].labels)
    for labels, each in found.items():
        counts = [*each.cumulative(_BOUNDS_NS), sum(each.counts.values())]
        buckets = list(zip([*map(str, BOUNDS_SECONDS), "+Inf"], counts, strict=True))
        made.add_metric(labels, buckets, each.sum_seconds)
    return made


def gauge(name: str, values: Values) -> GaugeMetricFamily:
    """Give a gauge."""
    made = GaugeMetricFamily(name, BY_NAME[name].text, labels=BY_NAME[name].labels)
    for labels, value in values:
        made.add_metric(labels, float(value))
    return made


def family(name: str, values: Values) -> CounterMetricFamily | GaugeMetricFamily:
    """Give a counter, or a gauge, as the name is listed."""
    if BY_NAME[name].kind == "gauge":
        return gauge(name, values)
    made = CounterMetricFamily(name, BY_NAME[name].text, labels=BY_NAME[name].labels)
    for labels, value in values:
        made.add_metric(labels, float(value))
    return made


def _alone(values: Mapping[str, float]) -> Values:
    return (((key,), value) for key, value in values.items())

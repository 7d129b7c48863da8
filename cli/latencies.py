"""How long ticks took, from the actors' slots: for the end of a run."""

from typing import Any

from actors.assembly import Assembly
from core.latency import together


def latencies(assembly: Assembly) -> dict[str, Any]:
    """Give percentiles in µs: from receiving or from the venue's time to the signal, and to each store."""
    there_were = [*assembly.specs.values(), *assembly.retired.values()]
    detectors = [spec.slot.state for spec in there_were if spec.kind == "detector"]
    writers = {spec.arguments["terms"].store: spec.slot.state for spec in there_were if spec.kind == "writer"}
    return {
        "signal": together(state.signal for state in detectors).as_json(),
        "signal_from_event": together(state.signal_from_event for state in detectors).as_json(),
        "stored": {store: state.stored.as_json() for store, state in writers.items()},
    }

"""How long ticks take, added up over all detectors while these run, a few detectors at a time."""

from collections.abc import Iterator, Mapping
from typing import Final

from actors.assembly import Assembly
from core.latency import Latencies, together

DETECTORS_A_STEP: Final = 250


class LatencyRound:
    """Adds up latencies bit by bit: of thousands of detectors at once it would take a tenth of a second."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._newest: dict[str, Latencies] = {}
        self._steps = self._begun()

    def step(self) -> Mapping[str, Latencies]:
        """Look at some more; give the newest sums: `signal`, `signal_from_event`, `stored/<store>`."""
        if next(self._steps, None) is None:
            self._steps = self._begun()
        return {**self._newest, **self._stored()}

    def _begun(self) -> Iterator[bool]:
        there_were = [*self._assembly.specs.values(), *self._assembly.retired.values()]
        states = [spec.slot.state for spec in there_were if spec.kind == "detector"]
        signal, signal_from_event = Latencies(), Latencies()
        for start in range(0, len(states), DETECTORS_A_STEP):
            if start:
                yield True
            some = states[start : start + DETECTORS_A_STEP]
            signal = together([signal, *(_copy(state.signal) for state in some)])
            signal_from_event = together(
                [signal_from_event, *(_copy(state.signal_from_event) for state in some)]
            )
        self._newest = {"signal": signal, "signal_from_event": signal_from_event}

    def _stored(self) -> Mapping[str, Latencies]:
        writers = [spec for spec in list(self._assembly.specs.values()) if spec.kind == "writer"]
        return {f"stored/{spec.arguments['terms'].store}": _copy(spec.slot.state.stored) for spec in writers}


def _copy(latencies: Latencies) -> Latencies:
    """Copy in one step, since the actor goes on counting."""
    return Latencies(dict(latencies.counts), latencies.longest_ns)

"""Every metric: its name, kind, labels and meaning. `docs/metrics.md` is written from this."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram", "info"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, as the Prometheus conventions have it; a counter's samples end in `_total`."""

    name: str
    """Without `_total` and `_info`."""
    kind: Kind
    text: str
    labels: Sequence[str] = ()

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Names that its samples have."""
        endings = {
            "counter": ("_total",),
            "gauge": ("",),
            "histogram": ("_bucket", "_count", "_sum"),
            "info": ("_info",),
        }
        return tuple(f"{self.name}{ending}" for ending in endings[self.kind])


FAMILIES: Final = (
    Family("tapeline_build", "info", "Which Tapeline this is; always 1.", ("version", "python")),
    Family("tapeline_connected", "gauge", "Whether the pipeline was heard of in the last 5 s."),
    Family(
        "tapeline_snapshot_timestamp_seconds", "gauge", "When all else was taken; UTC, since the epoch."
    ),
    Family("tapeline_start_time_seconds", "gauge", "When the pipeline was started; UTC, since the epoch."),
    # The ledger
    Family(
        "tapeline_records", "counter",
        "Records that have come to rest, by where. What is shared by all stores has an empty store.",
        ("feed", "store", "place", "reason"),
    ),
    Family("tapeline_records_received", "counter", "Records that came, by where from.", ("feed", "source")),
    Family(
        "tapeline_records_in_flight", "gauge", "Records that were on their way at the last cut.",
        ("feed", "store"),
    ),
    Family("tapeline_records_spooled", "gauge", "Records of this run in spools.", ("feed", "store")),
    Family("tapeline_frames_received", "counter", "Frames that came in.", ("feed",)),
    Family("tapeline_frames", "counter", "Frames that came to rest, by where.", ("feed", "place")),
    Family("tapeline_frames_in_flight", "gauge", "Frames that were on their way at the last cut.", ("feed",)),
    Family(
        "tapeline_events", "counter",
        "What happened beside: gap, reconnect, stale_time, warn and others.", ("feed", "event"),
    ),
    Family("tapeline_ledger_balanced", "gauge", "Whether every record of the last cut is in one place."),
    # Lines and stores
    Family("tapeline_line_up", "gauge", "Whether a line is up.", ("line",)),
    Family("tapeline_breaker_state", "gauge", "1 for the state that a breaker is in.", ("store", "state")),
    Family("tapeline_spool_rows", "gauge", "Rows that wait in a store's spool.", ("store",)),
    # Actors
    Family("tapeline_actors", "gauge", "Actors, by kind and state.", ("kind", "state")),
    Family("tapeline_actor_restarts", "counter", "Restarts of the actors of a kind.", ("kind",)),
    Family("tapeline_mailbox_messages", "gauge", "Messages that wait in all mailboxes of a kind.", ("kind",)),
    Family(
        "tapeline_mailbox_messages_fullest", "gauge", "Messages that wait in the fullest mailbox of a kind.",
        ("kind",),
    ),
    # Ticks
    Family("tapeline_symbols", "gauge", "Symbols that any tick came of.", ("feed",)),
    Family("tapeline_ticks_scored", "counter", "Ticks that detectors have scored.", ("feed",)),
    Family("tapeline_ticks_rejected", "counter", "Ticks that detectors have rejected.", ("feed",)),
    Family(
        "tapeline_signal_latency_seconds", "histogram",
        "From our receiving a tick to its signal. The sum is right to about 1.5 percent.",
    ),
    Family(
        "tapeline_event_latency_seconds", "histogram",
        "From the venue's time of a tick to its signal. The sum is right to about 1.5 percent.",
    ),
    Family(
        "tapeline_store_latency_seconds", "histogram",
        "From our receiving a tick to its commit. The sum is right to about 1.5 percent.", ("store",),
    ),
    # Recovery and reloads
    Family("tapeline_recovery_read_bytes", "gauge", "How much of a killed run's journal is read."),
    Family("tapeline_recovery_bytes", "gauge", "How much of a killed run's journal there is to read."),
    Family("tapeline_reloads", "counter", "Reloads of the settings that have begun."),
    Family("tapeline_reload_refused", "gauge", "Whether the last reload was refused."),
)  # fmt: skip
BY_NAME: Final = {family.name: family for family in FAMILIES}

PROCESS: Final = {
    "tapeline_process_cpu_seconds_total": "Processor time of the pipeline's process.",
    "tapeline_process_resident_memory_bytes": "Memory that it holds.",
    "tapeline_process_virtual_memory_bytes": "Memory that it has reserved.",
    "tapeline_process_open_fds": "Files and sockets that it has open.",
    "tapeline_process_max_fds": "How many it may have open.",
    "tapeline_process_start_time_seconds": "When it was started; UTC, since the epoch.",
}
"""What is told of the pipeline's process where the system has /proc; by the Prometheus library."""

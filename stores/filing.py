"""Filing: records into parts, parts into pieces, and what a part counts for in the ledger."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.ledger import Counts, add
from core.records import RAW_LIMIT, Alert, DeadLetter, Gap, Malformed, ScoredBlock
from stores import rows as rows_of
from stores.parts import Part, cut_runs, joined_runs, runs_of, scored_runs
from stores.store import BatchId

RECORD_TABLES: Final = ("ticks", "rejects")
"""The tables whose rows are records of the ledger."""


def file_batch(
    batch: BatchId,
    scored: Sequence[ScoredBlock],
    malformed: Sequence[Malformed],
    gaps: Sequence[Gap],
    alerts: Sequence[Alert],
    letters: Sequence[DeadLetter],
) -> tuple[Part, ...]:
    """Make the parts of a batch, `ticks` first; tables without a row have none."""
    import pyarrow as pa

    ticks, rejects = rows_of.scored_rows(scored)
    accepted_runs, refused_runs = scored_runs(scored)
    parts = (
        Part("ticks", ticks, batch, accepted_runs),
        Part(
            "rejects",
            pa.concat_tables([rejects, rows_of.malformed_rows(malformed)]),
            batch,
            joined_runs([*refused_runs, *runs_of(row.feed for row in malformed)]),
        ),
        Part("gaps", rows_of.gap_rows(gaps), batch, runs_of(row.feed for row in gaps)),
        Part("dead_letters", rows_of.dead_letter_rows(letters), batch, runs_of(row.feed for row in letters)),
        Part("alerts", rows_of.alert_rows(alerts), batch, runs_of("" for _ in alerts)),
    )
    return tuple(part for part in parts if len(part))


def piece(part: Part, start: int, stop: int) -> Part:
    """Give the rows from start to before stop, under the same batch id."""
    _, behind = cut_runs(part.runs, start)
    runs, _ = cut_runs(behind, stop - start)
    return Part(part.table, part.rows.slice(start, stop - start), part.batch, runs)


def chosen(part: Part, keep: npt.NDArray[np.bool_]) -> Part:
    """Give the rows that the mask keeps, under the same batch id."""
    feeds = np.repeat(np.array([feed for feed, _ in part.runs], object), [count for _, count in part.runs])
    return Part(part.table, part.rows.filter(keep), part.batch, runs_of(feeds[keep]))


def committed(part: Part) -> Counts:
    """Give what the ledger counts once a part is committed: `stored`, or `rejected` with the reason."""
    counts: Counts = {}
    if part.table == "ticks":
        for feed, rows in part.tally().items():
            add(counts, feed, "stored", rows)
    for feed, reasons in part.reasons().items():
        for reason, rows in reasons.items():
            add(counts, feed, f"rejected.{reason}", rows)
    return counts


def counted(part: Part, name: str) -> Counts:
    """Count a part's records by feed under a name; rows that are no records do not count."""
    return {(feed, name): rows for feed, rows in part.tally().items()} if part.table in RECORD_TABLES else {}


def letter_of(row: Part, actor: str, error: str) -> DeadLetter:
    """Make the dead letter of a record that a store refuses for good: a part of one row."""
    values: dict[str, Any] = row.rows.to_pylist()[0]
    return DeadLetter(
        row.runs[0][0], values["venue"], values["symbol"], actor, error,
        msgspec.json.encode({name: value for name, value in values.items() if value is not None})[:RAW_LIMIT],
        values["ts_recv_ns"], values["session"], values["line"], values["frame"], values["item"],
    )  # fmt: skip

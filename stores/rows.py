"""Records turned into rows: the only place that knows both `core.records` and the tables.

Text that is not valid Unicode (JSON may carry half of a surrogate pair) is stored with U+FFFD in the
place of each half: no table format takes it as it is, and refusing the row would lose a tick.
A whole number outside of int64 becomes NULL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.records import (
    KINDS,
    NO_ID,
    NO_TIME,
    REASONS,
    REJECT,
    SELL,
    SIDES,
    VERDICTS,
    Alert,
    DeadLetter,
    Gap,
    Ids,
    Malformed,
    ScoredBlock,
    Scores,
    TickBlock,
)
from stores.schema import ALERTS, BYTES, DEAD_LETTERS, GAPS, REJECTS, TEXT, TICKS

_KINDS: Final = pa.array(KINDS)
_SIDES: Final = pa.array([SIDES[side] for side in sorted(SIDES)])
_VERDICTS: Final = pa.array(VERDICTS)
_REASONS: Final = pa.array(REASONS)
_TICK_FLOATS: Final = ("price", "size", "bid", "bid_size", "ask", "ask_size")
_SCORE_FLOATS: Final = ("z", "vwap", "spread_mean", "momentum", "imbalance", "volatility")
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1

Record = TypeVar("Record", Malformed, Gap, Alert, DeadLetter)


def scored_rows(blocks: Sequence[ScoredBlock]) -> tuple[pa.Table, pa.Table]:
    """Give the accepted rows as of `ticks`, and the refused ones as of `rejects`, in the blocks' order."""
    divided = [_divided(block) for block in blocks]
    accepted = [part for part, _ in divided if part is not None]
    refused = [part for _, part in divided if part is not None]
    ticks = pa.table(_columns(accepted), schema=TICKS) if accepted else TICKS.empty_table()
    if not refused:
        return ticks, REJECTS.empty_table()
    reasons = _words(_REASONS, np.concatenate([block.scores.reason for block in refused]))
    told = {**_columns(refused), "reason": reasons, "raw": pa.nulls(len(reasons), BYTES)}
    return ticks, pa.table(told, schema=REJECTS)


def malformed_rows(records: Sequence[Malformed]) -> pa.Table:
    """Give the rows of `rejects` that stand for records which could not become ticks."""
    return _rows(REJECTS, records, verdict=pa.repeat(pa.scalar(VERDICTS[REJECT], TEXT), len(records)))


def gap_rows(records: Sequence[Gap]) -> pa.Table:
    """Give the rows of `gaps`."""
    return _rows(GAPS, records)


def alert_rows(records: Sequence[Alert]) -> pa.Table:
    """Give the rows of `alerts`."""
    return _rows(ALERTS, records)


def dead_letter_rows(records: Sequence[DeadLetter]) -> pa.Table:
    """Give the rows of `dead_letters`."""
    return _rows(DEAD_LETTERS, records)


def _divided(block: ScoredBlock) -> tuple[ScoredBlock | None, ScoredBlock | None]:
    """Give the accepted and the refused ticks of a block, None where there are none: few blocks have both."""
    refused = block.scores.verdict == REJECT
    if not refused.any():
        return block, None
    return (None if refused.all() else _chosen(block, ~refused)), _chosen(block, refused)


def _chosen(block: ScoredBlock, keep: npt.NDArray[np.bool_]) -> ScoredBlock:
    return ScoredBlock(TickBlock(**_kept(block.ticks, keep)), Scores(**_kept(block.scores, keep)))


def _kept(block: TickBlock | Scores, keep: npt.NDArray[np.bool_]) -> dict[str, Any]:
    values = {field.name: getattr(block, field.name) for field in fields(block)}
    return {name: value[keep] if isinstance(value, np.ndarray) else value for name, value in values.items()}


def _columns(blocks: Sequence[ScoredBlock]) -> dict[str, Any]:
    ticks = [block.ticks for block in blocks]
    scores = [block.scores for block in blocks]
    lengths = [len(block) for block in ticks]
    return {
        "venue": _spread([block.venue for block in ticks], lengths),
        "symbol": _spread([block.symbol for block in ticks], lengths),
        "line": _spread([block.line for block in ticks], lengths),
        "session": np.repeat(np.array([block.session for block in ticks], np.int64), lengths),
        "kind": _words(_KINDS, _joined(ticks, "kind")),
        "side": _words(_SIDES, _joined(ticks, "side") - SELL),
        "verdict": _words(_VERDICTS, _joined(scores, "verdict")),
        "ts_event_ns": _times(_joined(ticks, "ts_event_ns")),
        "ts_recv_ns": _times(_joined(ticks, "ts_recv_ns")),
        "venue_id": _venue_ids(ticks),
        "frame": _joined(ticks, "frame"),
        "item": _joined(ticks, "item"),
        **{name: pa.array(_joined(ticks, name), from_pandas=True) for name in _TICK_FLOATS},
        **{name: pa.array(_joined(scores, name), from_pandas=True) for name in _SCORE_FLOATS},
    }


def _joined(parts: Sequence[Any], name: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(part, name) for part in parts])


def _words(words: Any, codes: npt.NDArray[Any]) -> Any:
    return words.take(pa.array(codes))


def _times(times: npt.NDArray[np.int64]) -> Any:
    return pa.array(times, mask=times == NO_TIME)


def _spread(words: Sequence[str], lengths: Sequence[int]) -> Any:
    return _text(words).take(pa.array(np.repeat(np.arange(len(words)), lengths)))


def _venue_ids(ticks: Sequence[TickBlock]) -> Any:
    if all(block.venue_id.dtype == np.int64 for block in ticks):
        return _id_text(_joined(ticks, "venue_id"))
    return pa.chunked_array([_id_text(block.venue_id) for block in ticks], TEXT)


def _id_text(ids: Ids) -> Any:
    if ids.dtype == np.int64:
        return pa.array(ids, mask=ids == NO_ID).cast(TEXT)
    return _text(ids.tolist())


def _text(words: Sequence[str | None]) -> Any:
    try:
        return pa.array(words, TEXT)
    except UnicodeEncodeError:
        return pa.array([None if word is None else _mended(word) for word in words], TEXT)


def _mended(word: str) -> str:
    return word.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _whole(numbers: Iterable[int | None], kind: pa.DataType) -> Any:
    kept = [n if n is not None and _INT64_MIN < n <= _INT64_MAX else None for n in numbers]
    return pa.array(kept, kind)


def _rows(schema: pa.Schema, records: Sequence[Record], **given: Any) -> pa.Table:
    if not records:
        return schema.empty_table()
    columns = {}
    for field in schema:
        values = [getattr(record, field.name, None) for record in records]
        if field.name in given:
            columns[field.name] = given[field.name]
        elif field.type == TEXT:
            columns[field.name] = _text(values)
        elif pa.types.is_integer(field.type):
            columns[field.name] = _whole(values, field.type)
        else:
            columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=schema)

"""The newest ticks of a symbol as columns of plain values, refused ones in their places."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.records import NO_TIME, REASONS, VERDICTS, ScoredBlock
from web.model import Recent


def recent_of(feed: str, symbol: str, blocks: Sequence[ScoredBlock], n: int) -> Recent | None:
    """Give the newest n of the ticks in all blocks, in the order of their origins; None if there is none.

    The blocks may overlap in time, as those of accepted and of refused ticks do, but hold no tick twice.
    """
    if not blocks:
        return None
    order = _order(blocks)[-n:]

    def column(name: str, *, of_scores: bool = False) -> Any:
        parts = [getattr(block.scores if of_scores else block.ticks, name) for block in blocks]
        return np.concatenate(parts)[order]

    event, received, price = column("ts_event_ns"), column("ts_recv_ns"), column("price")
    bid, ask = column("bid"), column("ask")
    vwap, spread, z, verdict, reason = (
        column(name, of_scores=True) for name in ("vwap", "spread_mean", "z", "verdict", "reason")
    )
    return Recent(
        feed, symbol,
        np.where(event == NO_TIME, received, event).tolist(),
        _plain(np.where(np.isnan(price), (bid + ask) / 2, price)),
        _plain(bid), _plain(ask), _plain(vwap), _plain(spread), _plain(z),
        [VERDICTS[code] for code in verdict],
        [REASONS[code] for code in reason],
    )  # fmt: skip


def _order(blocks: Sequence[ScoredBlock]) -> Any:
    """Give the order of origins: of sessions and lines by when they began, within one by frame and item.

    The time of receiving alone would not do: many ticks share one, and clocks are set back.
    """
    streams: dict[tuple[int, str], int] = {}
    for block in blocks:
        stream, first = (block.ticks.session, block.ticks.line), int(block.ticks.ts_recv_ns[0])
        streams[stream] = min(first, streams.get(stream, first))
    began = np.concatenate(
        [np.full(len(block), streams[block.ticks.session, block.ticks.line]) for block in blocks]
    )
    frame, item = (
        np.concatenate([getattr(block.ticks, name) for block in blocks]) for name in ("frame", "item")
    )
    return np.lexsort((item, frame, began))


def _plain(values: Any) -> list[float | None]:
    return [value if value - value == 0.0 else None for value in values.tolist()]

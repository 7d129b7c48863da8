"""The ledger in words: how a run and a replay end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cli.wording import count, duration_us, part, plain, whole
from core.ledger import FRAME_PLACES, PLACES, SOURCES

WIDTH: Final = 100
NAME_CHARACTERS: Final = 24
FRAME_NAMES: Final = {"shed_frames": "shed", "in_flight_frames": "in flight"}
Columns = Mapping[str, Mapping[str, Any]]


def summarize(ledger: Mapping[str, Any]) -> str:
    """Give the text for a ledger as `Ledger.as_json` has it; several lines, the last one without an end."""
    return "\n".join(_lines(ledger))


def _lines(ledger: Mapping[str, Any]) -> Iterator[str]:
    yield f"Ledger: {verdict(ledger)}"
    total, frames = part(ledger, "total"), part(ledger, "frames")
    feeds, stores = _columns(ledger, "feeds"), _columns(ledger, "stores")
    by_feed = {name: {**account, "frames": part(account, "frames")} for name, account in feeds.items()}
    columns: dict[str, Mapping[str, Any]] = {"total": {**total, "frames": frames}}
    columns |= by_feed if len(feeds) > 1 else {}
    yield from _tables(columns, (*SOURCES, *PLACES))
    yield from _tables(
        {name: column["frames"] for name, column in columns.items()}, ("frames", *FRAME_PLACES)
    )
    if len(stores) > 1:
        yield from _tables(stores, (*SOURCES, *PLACES))
    yield ""
    yield f"reasons: {_named_counts(part(ledger, 'reasons'))}"
    yield f"events:  {_named_counts(part(ledger, 'events'))}"
    if latency := part(ledger, "latency"):
        yield f"latency: {'; '.join(_latencies(latency))}"


def _latencies(latency: Mapping[str, Any]) -> Iterator[str]:
    """Say how long ticks took from receiving to the signal, and to each store."""
    stores = {
        f"stored in {plain(store, NAME_CHARACTERS)}": told for store, told in part(latency, "stored").items()
    }
    for what, told in {"signal": part(latency, "signal"), **stores}.items():
        if whole(told.get("count")):
            halves = (f"{name[:-3]} {duration_us(told.get(name))}" for name in ("p50_us", "p99_us"))
            yield f"to {what} {', '.join(halves)}"


def verdict(ledger: Mapping[str, Any]) -> str:
    """Say whether the ledger balances, and if not, by how much where the totals tell."""
    if ledger.get("balanced") is True:
        return "BALANCED"
    gaps = [
        *(
            _gap(f"store {name}", "record", account, SOURCES, PLACES)
            for name, account in _columns(ledger, "stores").items()
        ),
        *(
            _gap(f"feed {name}", "record", account, SOURCES, PLACES)
            for name, account in _columns(ledger, "feeds").items()
        ),
        _gap("frames", "frame", part(ledger, "frames"), ("frames",), FRAME_PLACES),
    ]
    return "; ".join(["NOT BALANCED", *filter(None, gaps)])


def _gap(
    where: str, what: str, account: Mapping[str, Any], sources: Sequence[str], places: Sequence[str]
) -> str:
    gap = sum(whole(account.get(name)) for name in sources) - sum(whole(account.get(name)) for name in places)
    if not gap:
        return ""
    things = what if abs(gap) == 1 else f"{what}s"
    return f"{where}: {count(abs(gap))} {things} {'unaccounted for' if gap > 0 else 'too many'}"


def _columns(ledger: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    return {
        plain(name, NAME_CHARACTERS): account
        for name, account in part(ledger, key).items()
        if isinstance(account, Mapping)
    }


def _tables(columns: Columns, names: Sequence[str]) -> Iterator[str]:
    """Write the columns side by side, in as many tables as the width asks for."""
    labels = [FRAME_NAMES.get(name, name.replace("_", " ")) for name in names]
    label_width = max(map(len, ("dead letter", *labels)))
    texts = [[heading, *(count(column.get(name)) for name in names)] for heading, column in columns.items()]
    widths = [max(map(len, column)) for column in texts]
    at = 0
    while at < len(texts):
        room, end = WIDTH - label_width, at
        while end < len(texts) and (end == at or room >= widths[end] + 2):
            room -= widths[end] + 2
            end += 1
        yield ""
        for i, label in enumerate(["", *labels]):
            cells = [texts[column][i].rjust(widths[column]) for column in range(at, end)]
            yield "  ".join([label.ljust(label_width), *cells]).rstrip()
        at = end


def _named_counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{plain(name, 60)} {count(n)}" for name, n in counts.items() if whole(n)) or "none"

"""Statuses for the tests of the operator's views: a plausible one, and whatever may come instead."""

from typing import Any

from hypothesis import strategies as st

from core.ledger import Ledger

HOSTILE = "[red]x[/red] [/] \x1b[2J\x07\r\n\u202e\ud800 :smile: 币安"

RELOAD: dict[str, Any] = {
    "number": 3, "at_ns": 1_700_000_000_000_000_000, "changed": ["detector.warn_z: 2.5 -> 3.0"],
    "next_start": ["spool.max_mb: 1 -> 2", "demo.seed: 1 -> 2"], "error": "",
}  # fmt: skip


def ledger(*, lost: int = 0) -> dict[str, Any]:
    """Give a ledger in which every figure is another; it balances but for those lost."""
    shared = {
        ("demo", "received"): 1_234_567 + lost,
        ("demo", "recovered"): 21,
        ("demo", "carried_in"): 32,
        ("demo", "duplicate"): 43,
        ("demo", "shed.mailbox"): 54,
        ("demo", "in_flight"): 65,
        ("demo", "event.gap"): 7,
        ("demo", "frames"): 400_010,
        ("demo", "decoded"): 400_000,
        ("demo", "control"): 4,
        ("demo", "ignored"): 3,
        ("demo", "shed_frames"): 2,
        ("demo", "in_flight_frames"): 1,
    }
    own = {
        ("demo", "stored"): 1_234_147,
        ("demo", "rejected.critical_z"): 76,
        ("demo", "rejected.crossed_market"): 11,
        ("demo", "dead_letter"): 98,
        ("demo", "spooled"): 126,
    }
    return Ledger(shared, {"lake": own}).as_json()


def symbol(name: str = "BTC-USD", **changes: object) -> dict[str, Any]:
    """Give a symbol's row."""
    row = {
        "feed": "demo", "symbol": name, "last": 65_012.35, "bid": 65_012.3, "ask": 65_012.45,
        "spread_mean": 0.1534, "vwap": 65_011.987654321, "momentum": 1.234e-5, "z": 1.25,
        "ticks": 1_000, "rejects": 1_017, "ticks_per_second": 133.4,
    }  # fmt: skip
    return {**row, **changes}


def status(**changes: object) -> dict[str, Any]:
    """Give a status in which something of everything is the case."""
    whole = {
        "ledger": ledger(),
        "lines": [
            {"line": "demo/0/A", "state": "up", "text": "", "wait_seconds": 0.0},
            {"line": "coinbase/0/A", "state": "waiting", "text": "refused", "wait_seconds": 12.34},
        ],
        "stores": [
            {"store": "lake", "state": "closed", "spooled_rows": 0},
            {"store": "archive", "state": "open", "spooled_rows": 4_321},
        ],
        "actors": [
            {"child": "writer/lake", "state": "running", "restarts": 2, "text": "", "waiting": 1_777},
            {"child": "detector/demo/X", "state": "parked", "restarts": 5, "text": "boom", "waiting": 0},
        ],
        "symbols": [symbol()],
        "alerts": [
            {
                "ts_ns": 1_700_000_000_000_000_000, "kind": "reject", "feed": "demo", "symbol": "BTC-USD",
                "actor": "detector/demo/BTC-USD", "text": "z is 14.2", "held_back": 1_023,
            }
        ],
    }  # fmt: skip
    return {**whole, **changes}


nothing: dict[str, Any] = {
    "ledger": None,
    "lines": [],
    "stores": [],
    "actors": [],
    "symbols": [],
    "alerts": [],
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(HOSTILE) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""Whatever JSON can hold, and NaN."""

_scalars = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.just(HOSTILE),
    st.just("waiting"),
    anything,
)


def _like(model: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Give rows like this one, with any values, and some of them missing."""
    return st.fixed_dictionaries(
        {}, optional={name: st.just(value) | _scalars for name, value in model.items()}
    )


def _rows(name: str) -> st.SearchStrategy[Any]:
    return st.lists(_like(status()[name][0]), max_size=4) | anything


statuses: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "ledger": st.none() | anything | _like(ledger()),
        "reload": anything | _like(RELOAD),
        **{name: _rows(name) for name in ("lines", "stores", "actors", "symbols", "alerts")},
    },
)
"""Statuses of the right shape down to any depth, and from there on anything."""

"""`plot`: what is drawn, that rejected ticks can be seen, and what is said where there is nothing."""

import io
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pyarrow as pa
import pytest

from cli.arguments import parse
from cli.plot import file_name, run
from cli.plot_frame import REJECTED, marks
from cli.plot_html import html
from cli.plot_png import png
from cli.plot_points import Points, read_points
from core.errors import UsageError
from core.records import CRITICAL_Z, CROSSED_MARKET, QUOTE, REJECT, TRADE
from stores.lake import LakeWriter
from stores.lake_reader import LakeReader
from stores.rows import malformed_rows, scored_rows
from stores.store import BatchId, Query
from tests.stores.making import NOON_NS, block, malformed, ticks

pytestmark = pytest.mark.slow
SECOND = 10**9
MANY = 30_000


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a configuration whose lake holds many trades, quotes, and rejected ticks of three kinds."""
    directory = tmp_path_factory.mktemp("plot")
    writer = LakeWriter(str(directory / "data" / "lake"))
    writer.open()
    at = NOON_NS + np.arange(MANY) * SECOND
    price = 100 + np.sin(np.arange(MANY) / 3_000)
    writer.write("ticks", ticks(MANY, ts_event_ns=at, price=price, vwap=price, z=1.0), BatchId(1, 1))
    quotes = ticks(MANY, ts_event_ns=at, kind=QUOTE, price=np.nan, bid=price - 0.1, ask=price + 0.1, item=1)
    writer.write("ticks", quotes, BatchId(1, 2))
    late = NOON_NS + (MANY - 2_000) * SECOND
    for number, table in enumerate(
        (
            refused(3, late, price=1e6, reason=CRITICAL_Z, z=9.0),
            refused(2, late, price=np.nan, bid=101.0, ask=100.0, reason=CROSSED_MARKET, kind=QUOTE, item=1),
            malformed_rows([malformed(symbol="BTC-USD", reason="bad_price", ts_recv_ns=late, item=2)]),
        )
    ):
        writer.write("rejects", table, BatchId(1, 3 + number))
    writer.write("ticks", ticks(1, symbol="TWO", venue="demo"), BatchId(1, 7))
    writer.write("ticks", ticks(1, symbol="TWO", venue="other", item=1), BatchId(1, 8))
    writer.close()
    path = directory / "config.toml"
    path.touch()
    return path


def refused(count: int, at: int, **given: Any) -> pa.Table:
    """Make refused ticks."""
    kind = given.pop("kind", TRADE)
    return scored_rows([block(count, ts_event_ns=at, verdict=REJECT, kind=kind, **given)])[1]


@pytest.fixture(scope="module")
def points(config: Path) -> Points:
    """Give what is drawn of the symbol that has everything."""
    reader = LakeReader(str(config.parent / "data" / "lake"))
    found = read_points(reader, Query("ticks", symbol="BTC-USD"))
    reader.close()
    assert found is not None
    return found


def coloured(picture: bytes, colour: str) -> int:
    """Count the pixels of exactly this colour in the right half of the upper half: beside the legend."""
    image: Any = matplotlib.image.imread(io.BytesIO(picture), format="png")
    assert image.shape[:2] == (1_000, 1_600)
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    found = np.round(image[:500, 800:, :3] * 255).astype(int) == wanted
    return int(found.all(axis=2).sum())


class TestPoints:
    def test_are_thinned_and_say_so(self, points: Points) -> None:
        assert points.ticks == 2 * MANY
        assert points.is_thinned
        times, prices = points.lines["price"].points()
        assert len(times) < MANY
        assert (times[0], times[-1]) == (NOON_NS, NOON_NS + (MANY - 1) * SECOND)
        assert prices.max() == (100 + np.sin(np.arange(MANY) / 3_000)).max()
        assert points.title() == (
            "BTC-USD (demo): 60,000 ticks, 6 rejected; lines thinned to the lowest and highest of each "
            "column of pixels"
        )

    def test_have_every_rejected_tick_where_it_can_be_seen(self, points: Points) -> None:
        assert [(each.reason, len(each.heights)) for each in marks(points)] == [
            ("bad_price", 1), ("critical_z", 3), ("crossed_market", 2),
        ]  # fmt: skip
        heights = {each.reason: each.heights[0] for each in marks(points)}
        assert 99 < heights["bad_price"] < 101.5
        assert heights["crossed_market"] == 100.5
        assert heights["critical_z"] < 103, "a wild price is marked at the edge"


class TestPictures:
    def test_show_the_marks(self, points: Points) -> None:
        picture = png(points, 2.5, 4.0)
        for number in range(3):
            assert coloured(picture, REJECTED[number]) > 20, REJECTED[number]
        calm = Points("BTC-USD", "demo", points.lines, [], points.ticks)
        assert not any(coloured(png(calm, 2.5, 4.0), REJECTED[number]) for number in range(3))

    def test_in_html_fetch_nothing(self, points: Points) -> None:
        found = Fetched()
        page = html(points, 2.5, 4.0).decode()
        found.feed(page)
        assert found.addresses == []
        assert "rejected: critical_z (3)" in page
        assert "6 rejected" in page


class Fetched(HTMLParser):
    """Finds what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses."""
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


class TestCommand:
    def test_writes_a_picture_named_after_the_symbol(
        self,
        config: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run(parse(["plot", "BTC-USD", "--config", str(config)])) == 0
        assert os.listdir(tmp_path) == ["BTC-USD.png"]
        assert capsys.readouterr().out.startswith("BTC-USD.png: BTC-USD (demo): 60,000 ticks")

    def test_says_where_there_is_nothing(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        output = tmp_path / "a.html"
        assert run(parse(["plot", "btc-usd", "--config", str(config), "-o", str(output)])) == 1
        out, err = capsys.readouterr()
        assert err.startswith('tapeline: nothing to draw: no ticks of symbol "btc-usd" in store lake (')
        assert err.endswith('did you mean "BTC-USD"?\n')
        assert (out, output.exists()) == ("", False)

    def test_asks_for_one_of_several_venues(self, config: Path, tmp_path: Path) -> None:
        argv = ["plot", "TWO", "--config", str(config), "-o", str(tmp_path / "a.png")]
        with pytest.raises(UsageError, match=r'"TWO" is of several venues.*--venue: demo, other'):
            run(parse(argv))
        assert run(parse([*argv, "--venue", "other"])) == 0

    def test_draws_rejected_ticks_alone(self, config: Path, tmp_path: Path) -> None:
        argv = ["plot", "BTC-USD", "--config", str(config), "-o", str(tmp_path / "a.png")]
        at = NOON_NS + (MANY - 2_000) * SECOND
        assert run(parse([*argv, "--start", str(at), "--end", str(at + 1)])) == 0

    def test_takes_two_kinds_of_file(self, config: Path) -> None:
        with pytest.raises(UsageError, match=r"must end in .png or .html"):
            run(parse(["plot", "A", "--config", str(config), "-o", "a.jpg"]))


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("BTC-USD", "BTC-USD.png"), ("BTC/USD", "BTC_USD.png"), ("../x", "_x.png"), ("..", "_.png")],
)
def test_a_file_name_leads_nowhere_else(symbol: str, name: str) -> None:
    assert file_name(symbol) == name

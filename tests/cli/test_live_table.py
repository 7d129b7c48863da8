"""The live view: what it shows, that it fits, and that nothing that comes in can break it."""

import io
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from cli.live_table import LiveTable, render
from cli.quiet_console import QuietConsole
from core.ledger import FRAME_PLACES, PLACES, SOURCES
from tests.support.statuses import HOSTILE, RELOAD, ledger, nothing, status, statuses, symbol

SECONDS = 83.2


def drawn(
    shown: Mapping[str, Any],
    *,
    width: int = 100,
    height: int | None = 30,
    colors: bool = False,
    **options: Any,
) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, height=height or 500, force_terminal=colors,
        color_system="standard" if colors else None, _environ={},
    )  # fmt: skip
    console.print(render(shown, SECONDS, width=width, height=height, **options))
    return file.getvalue()


def row_with(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


class TestWhatIsShown:
    def test_the_header_tells_time_speed_and_lines(self) -> None:
        header = drawn(status(symbols=[symbol(), symbol("ETH-USD")])).splitlines()[0]
        for text in ("Tapeline", "running 0:01:23", "267 ticks/s", "2 symbols", "lines 1/2 up"):
            assert text in header

    def test_a_symbol_has_all_its_values(self) -> None:
        row = row_with(drawn(status()), "BTC-USD ")
        assert row.strip("│ ").split() == [
            "BTC-USD", "65,012.35", "65,012.30", "65,012.45", "0.153", "65,011.99", "+0.12", "1.25", "133",
            "1,017",
        ]  # fmt: skip

    def test_small_prices_keep_their_digits(self) -> None:
        row = row_with(
            drawn(status(symbols=[symbol("PEPE", last=0.00001234, bid=0.00001233, ask=None)])), "PEPE"
        )
        assert row.split()[2:5] == ["0.00001234", "0.00001233", "-"]

    def test_values_that_are_not_there_yet_are_dashes(self) -> None:
        row = row_with(drawn({"symbols": [{"symbol": "NEW"}]}), "NEW")
        assert row.strip("│ ").split() == ["NEW", *"--------", "0"]

    def test_several_feeds_are_told_apart(self) -> None:
        text = drawn(status(symbols=[symbol(), symbol(feed="coinbase")]))
        assert "feed" in text
        assert row_with(text, "coinbase  ")

    @pytest.mark.parametrize(("z", "code"), [(2.49, None), (2.5, "33"), (3.99, "33"), (4.0, "1;31")])
    def test_z_is_coloured_by_its_thresholds(self, z: float, code: str | None) -> None:
        text = drawn(status(symbols=[symbol(z=z)]), colors=True)
        written = f"{z:.2f}"
        assert written in text
        assert any(f"\x1b[{code}m{' ' * n}{written}\x1b[0m" in text for n in range(9)) == (code is not None)

    def test_the_last_reload_has_a_line_if_there_was_one(self) -> None:
        assert "reload" not in drawn(status())
        assert "reload" not in drawn(status(reload={**RELOAD, "number": 0}))
        row = row_with(drawn(status(reload=RELOAD), width=140), "reload ")
        assert "22:13:20 1 changed, 2 at the next start" in row
        row = row_with(drawn(status(reload={**RELOAD, "error": "no such file"}), width=140), "reload ")
        assert "22:13:20 refused: no such file" in row

    def test_thresholds_can_be_others(self) -> None:
        text = drawn(status(symbols=[symbol(z=2.6)]), colors=True, warn_z=1.0, critical_z=2.0)
        assert any(f"\x1b[1;31m{' ' * n}2.60" in text for n in range(9))

    def test_lines_stores_and_actors_have_their_states(self) -> None:
        text = drawn(status())
        for shown in (
            "demo/0/A up",
            "coinbase/0/A waiting 12.3 s: refused",
            "lake breaker closed, 0 rows spooled",
            "archive breaker open, 4,321 rows spooled",
            "1 parked  1 running  7 restarts",
            "detector/demo/X parked: boom",
            "writer/lake 1,777 waiting",
        ):
            assert shown in text

    def test_states_have_colours(self) -> None:
        text = drawn(status(), colors=True)
        for coded in (
            "\x1b[32m up",
            "\x1b[33m waiting",
            "\x1b[32m breaker closed",
            "\x1b[1;31m breaker open",
        ):
            assert coded in text

    def test_every_place_of_the_ledger_is_shown(self) -> None:
        text = " ".join(drawn(status()).replace("│", " ").split())
        account = ledger()
        for key, names in (("total", (*SOURCES, *PLACES)), ("frames", ("frames", *FRAME_PLACES))):
            for name in names:
                label = name.removesuffix("_frames").replace("_", " ")
                assert f"{label} {account[key][name]:,}" in text

    def test_billions_are_not_cut(self) -> None:
        account = ledger()
        total = dict.fromkeys(account["total"], 12_345_678_901)
        text = drawn(status(ledger={**account, "total": total}))
        assert text.count("12,345,678,901") == len(total)

    def test_whether_the_ledger_balances_is_plain_to_see(self) -> None:
        assert "\x1b[1;32m BALANCED" in drawn(status(), colors=True)
        assert "\x1b[1;31m NOT BALANCED" in drawn(status(ledger=ledger(lost=1)), colors=True)
        assert "BALANCED" not in drawn(status(ledger=None))

    def test_alerts_come_newest_first_with_their_time(self) -> None:
        first = status()["alerts"][0]
        second = {**first, "ts_ns": first["ts_ns"] + 10**9, "feed": None, "symbol": None, "kind": "breaker"}
        lines = drawn(status(alerts=[first, second])).splitlines()
        shown = [line.strip("│ ") for line in lines if "22:13:2" in line]
        assert shown == [
            "22:13:21 breaker (and 1,023 more like it) z is 14.2",
            "22:13:20 reject demo BTC-USD (and 1,023 more like it) z is 14.2",
        ]

    def test_an_alert_that_names_its_place_does_so_once(self) -> None:
        alert = {**status()["alerts"][0], "held_back": 0, "text": "BTC-USD: price 1.0: critical_z"}
        row = row_with(drawn(status(alerts=[alert])), "22:13:20")
        assert row.strip("│ ") == "22:13:20 reject demo BTC-USD: price 1.0: critical_z"

    @pytest.mark.parametrize("empty", [nothing, {}, dict.fromkeys(nothing)])
    def test_nothing_known_is_said_in_words(self, empty: Mapping[str, Any]) -> None:
        text = drawn(empty)
        for shown in ("lines 0/0 up", "none yet", "nothing known yet", "nothing counted yet", "none"):
            assert shown in text

    def test_without_a_running_time_none_is_shown(self) -> None:
        console = Console(file=io.StringIO(), width=100)
        with console.capture() as capture:
            console.print(render(status(), None))
        assert "running 0" not in capture.get()


def crowded(n: int) -> dict[str, Any]:
    lines = [{"line": f"demo/{i}/A", "state": "up", "text": "", "wait_seconds": 0} for i in range(n)]
    lines.append({"line": "last/0/A", "state": "waiting", "text": "x" * 200, "wait_seconds": 1.0})
    return status(symbols=[symbol(f"S{i}") for i in range(n)], alerts=status()["alerts"] * n, lines=lines)


class TestThatItFits:
    @pytest.mark.parametrize("height", [24, 30, 50, 100])
    @pytest.mark.parametrize("n", [0, 1, 3, 7, 8, 9, 10, 200])
    def test_no_more_rows_than_the_terminal_has(self, height: int, n: int) -> None:
        assert len(drawn(crowded(n), height=height).splitlines()) <= height

    def test_what_is_cut_is_counted(self) -> None:
        text = drawn(crowded(200))
        symbols = sum(f" S{i} " in text for i in range(200))
        assert symbols >= 5
        assert f"... and {200 - symbols} more" in text

    def test_symbols_that_fit_are_not_cut(self) -> None:
        text = drawn(crowded(8))
        assert all(f" S{i} " in text for i in range(8))

    def test_a_line_in_trouble_is_not_cut(self) -> None:
        assert "last/0/A waiting 1.0 s" in drawn(crowded(200))

    def test_without_a_height_nothing_is_cut(self) -> None:
        text = drawn(crowded(60), height=None)
        assert all(f" S{i} " in text for i in range(60))
        assert all(f"demo/{i}/A" in text for i in range(60))
        assert "more\n" not in text

    @pytest.mark.parametrize("width", [20, 60, 80, 100, 200])
    def test_no_row_is_wider_than_the_terminal(self, width: int) -> None:
        hostile = status(symbols=[symbol(HOSTILE, feed="x" * 300), symbol("币" * 90, last=1e11 + 0.123456)])
        assert all(cell_len(line) <= width for line in drawn(hostile, width=width).splitlines())

    def test_a_narrow_terminal_keeps_prices_and_z(self) -> None:
        row = row_with(drawn(status(), width=80), "BTC-USD ")
        assert row.strip("│ ").split() == [
            "BTC-USD", "65,012.35", "65,012.30", "65,012.45", "+0.12", "1.25", "133", "1,017",
        ]  # fmt: skip


class TestHostileText:
    def test_markup_is_shown_and_control_characters_are_not_obeyed(self) -> None:
        row = {"line": HOSTILE, "state": HOSTILE, "text": HOSTILE}
        text = drawn({"lines": [row], "alerts": [{"kind": HOSTILE, "text": HOSTILE, "feed": HOSTILE}]})
        assert text.count("[red]x[/red] [/]") >= 2
        assert r"\x1b[2J" in text
        assert all(line.isprintable() for line in text.splitlines())
        text.encode()

    @pytest.mark.slow
    @settings(max_examples=60, deadline=None)
    @given(statuses, st.integers(1, 150), st.integers(1, 60) | st.none())
    def test_no_status_breaks_it(self, any_status: dict[str, Any], width: int, height: int | None) -> None:
        text = drawn(any_status, width=width, height=height)
        assert all(line.isprintable() for line in text.splitlines())
        text.encode()


class Terminal(io.StringIO):
    """A terminal that can be unplugged."""

    error: type[Exception] | None = None

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


def console_on(file: io.TextIOBase) -> Console:
    environ = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    return Console(file=file, force_terminal=True, width=100, height=30, _environ=environ)  # type: ignore[arg-type]


class TestLiveTable:
    def test_it_draws_what_it_is_given_with_the_time_since_it_began(self) -> None:
        file, seconds = Terminal(), iter([0.0, 100.0, 161.0])
        with LiveTable(console_on(file), clock=lambda: next(seconds)) as table:
            table.update(status())
        assert "running 0:01:01" in file.getvalue()
        assert "65,012.35" in file.getvalue()

    def test_it_gives_the_cursor_back(self) -> None:
        file = Terminal()
        with suppress(KeyboardInterrupt), LiveTable(console_on(file)) as table:
            table.update(status())
            raise KeyboardInterrupt
        assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")

    def test_it_knows_the_thresholds(self) -> None:
        file = Terminal()
        with LiveTable(console_on(file)) as table:
            table.update(status(), warn_z=0.5, critical_z=1.0)
        assert any(f"31m{' ' * n}1.25" in file.getvalue() for n in range(9))

    @pytest.mark.parametrize("error", [OSError, ValueError, BrokenPipeError])
    def test_a_terminal_that_is_gone_ends_nothing_else(self, error: type[Exception]) -> None:
        file = Terminal()
        with LiveTable(QuietConsole(file)) as table:
            table.update(status())
            file.error = error
            table.update(status())
            file.error = None
            before = file.getvalue()
            table.update(status())
            assert file.getvalue() == before

    def test_a_terminal_without_the_characters_shows_their_numbers(self) -> None:
        raw = io.BytesIO()
        file = io.TextIOWrapper(raw, encoding="ascii")
        with LiveTable(QuietConsole(file)) as table:
            table.update(status(symbols=[symbol("币安")]))
            QuietConsole(file).print(render(status(symbols=[symbol("币安")]), 1.0))
        file.flush()
        assert rb"\u5e01\u5b89" in raw.getvalue()

"""The progress of a replay."""

import io
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import pytest

from cli.replay_progress import ReplayProgress


class Terminal(io.StringIO):
    """A terminal that can be unplugged."""

    error: type[Exception] | None = None

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


@pytest.fixture(autouse=True)
def _terminal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


def clock(*times: float) -> Callable[[], float]:
    seconds = iter(times)
    return lambda: next(seconds)


def test_elsewhere_than_on_a_terminal_only_the_end_is_told() -> None:
    file = io.StringIO()
    with ReplayProgress(12_345, file, clock(0, 10, 12)) as progress:
        progress.update(5_000)
        progress.show()
        assert file.getvalue() == ""
        progress.update(12_345)
    assert file.getvalue() == "replayed 12,345 frames in 0:00:02, 6,172 a second\n"


def test_a_terminal_gets_a_bar_and_the_same_end() -> None:
    file = Terminal()
    with ReplayProgress(200, file, clock(0, 0, 4)) as progress:
        progress.update(50)
        progress.show()
        assert "50/200" in file.getvalue()
        progress.update(200)
        progress.show()
        assert "200/200" in file.getvalue()
    assert file.getvalue().endswith("replayed 200 frames in 0:00:04, 50 a second\n")
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")


def test_a_replay_that_ends_early_says_so() -> None:
    file = io.StringIO()
    with ReplayProgress(200, file, clock(0, 0, 5)) as progress:
        progress.update(50)
    assert file.getvalue() == "broken off after 50 of 200 frames in 0:00:05, 10 a second\n"


def test_an_error_is_no_success() -> None:
    file = io.StringIO()
    with suppress(KeyboardInterrupt), ReplayProgress(2, file, clock(0, 0, 1)) as progress:
        progress.update(2)
        raise KeyboardInterrupt
    assert file.getvalue() == "broken off after 2 frames in 0:00:01, 2.0 a second\n"


def test_without_a_total_something_moves_all_the_same() -> None:
    file = Terminal()
    with ReplayProgress(None, file, clock(0, 0, 0)) as progress:
        progress.update(7)
        progress.show()
    assert "7/?" in file.getvalue()
    assert file.getvalue().endswith("replayed 7 frames in 0:00:00\n")


def test_an_empty_replay_is_one() -> None:
    file = Terminal()
    with ReplayProgress(0, file, clock(0, 0, 1)) as progress:
        progress.show()
    assert file.getvalue().endswith("replayed 0 frames in 0:00:01, 0.0 a second\n")


def test_updates_may_come_from_another_thread() -> None:
    file = Terminal()
    with ReplayProgress(1_000, file) as progress:
        thread = Thread(target=lambda: deque(map(progress.update, range(1_001)), maxlen=0))
        thread.start()
        progress.show()
        thread.join()
        progress.show()
    assert "1000/1000" in file.getvalue()


@pytest.mark.parametrize("error", [OSError, ValueError, BrokenPipeError])
def test_a_terminal_that_is_gone_ends_nothing_else(error: type[Exception]) -> None:
    file = Terminal()
    with ReplayProgress(10, file) as progress:
        progress.show()
        file.error = error
        progress.update(5)
        progress.show()
        progress.show()


def test_a_closed_file_ends_nothing_else() -> None:
    file = io.StringIO()
    with ReplayProgress(10, file) as progress:
        file.close()
        progress.show()

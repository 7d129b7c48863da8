"""The data directory: one supervisor at a time, in this process or another."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import UsageError
from stores.data_dir import DataDirectory, holder

HOLD = """
import sys
from pathlib import Path
from stores.data_dir import DataDirectory, holder

directory = DataDirectory(Path(sys.argv[1]))
directory.open()
print("open", flush=True)
sys.stdin.read()
"""
WAIT = "import sys; print('here', flush=True); sys.stdin.read()"


@contextmanager
def child(project: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run Python until its input ends, from when it has said its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", *arguments], cwd=project, close_fds=False, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip()
        yield process
    finally:
        process.communicate(timeout=60)


def refuse(path: Path, seconds: float = 0.0) -> str:
    """Give what a second opener is told; no time is spent waiting."""
    with pytest.raises(UsageError) as raised:
        DataDirectory(path).open(seconds, pause=lambda _: None)
    return str(raised.value)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[DataDirectory]:
    """Give a directory that this process holds."""
    directory = DataDirectory(tmp_path / "deep" / "er")
    directory.open()
    yield directory
    directory.close()


def test_a_directory_is_made_for_its_owner_alone(opened: DataDirectory) -> None:
    assert opened.path.is_dir()
    assert opened.path.stat().st_mode & 0o077 == 0


def test_a_second_opener_is_told_who_holds_it(opened: DataDirectory) -> None:
    """And does no harm to the first: its name still stands there for a third."""
    for _ in range(2):
        text = refuse(opened.path)
        assert text.startswith(f"another supervisor (process {os.getpid()}) uses the data directory")
        assert "\n" not in text


def test_a_start_waits_for_a_supervisor_that_is_just_ending(opened: DataDirectory) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            opened.close()

    second = DataDirectory(opened.path)
    second.open(5.0, pause)
    second.close()
    assert len(pauses) == 3


def test_a_start_does_not_wait_for_ever(opened: DataDirectory) -> None:
    pauses: list[float] = []
    with pytest.raises(UsageError):
        DataDirectory(opened.path).open(5.0, pauses.append)
    assert sum(pauses) == pytest.approx(5.0, abs=0.2)


def test_a_closed_directory_can_be_opened_again(opened: DataDirectory) -> None:
    opened.close()
    opened.close()
    second = DataDirectory(opened.path)
    second.open(0.0)
    assert (opened.path / "lock").read_text() == str(os.getpid())
    second.close()


@pytest.mark.slow
def test_another_process_is_kept_out_until_the_first_ends(tmp_path: Path, project_root: Path) -> None:
    """However it ends: here it is killed."""
    with child(project_root, HOLD, str(tmp_path)) as other:
        assert f"(process {other.pid})" in refuse(tmp_path)
        other.kill()
        other.wait(60)
        directory = DataDirectory(tmp_path)
        directory.open(0.0)
        directory.close()


@pytest.mark.slow
def test_a_child_does_not_inherit_the_lock(opened: DataDirectory, project_root: Path) -> None:
    """Not even one that outlives the supervisor and was started without closing files."""
    with child(project_root, WAIT):
        opened.close()
        second = DataDirectory(opened.path)
        second.open(0.0)
        second.close()


@pytest.mark.parametrize("inside", ["file", "file/deeper"])
def test_a_place_that_cannot_be_a_directory_is_a_clear_line(inside: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = refuse(tmp_path / inside)
    assert text.startswith(f"the data directory {tmp_path / inside} cannot be written: ")
    assert text.endswith("set data_dir to one that can")


def test_a_directory_that_may_not_be_written_is_a_clear_line() -> None:
    """The kernel's own tree may not be written by anybody, root included."""
    assert refuse(Path("/proc/tapeline")).startswith("the data directory /proc/tapeline cannot be written: ")


def test_sessions_count_up_from_one_across_runs(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        directory = DataDirectory(tmp_path)
        directory.open()
        numbers += [directory.next_session(), directory.next_session()]
        directory.close()
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "session"]


@pytest.mark.parametrize("content", [b"", b"seven", b"\xff\xfe"])
def test_a_broken_session_file_is_a_clear_line_and_not_a_number_twice(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "session").write_bytes(content)
    with pytest.raises(UsageError, match="does not hold a number; put the last session's number into it"):
        DataDirectory(tmp_path).next_session()
    assert (tmp_path / "session").read_bytes() == content


def test_word_of_the_monitor_is_left_while_the_directory_is_open(opened: DataDirectory) -> None:
    opened.tell_monitor({"port": 8321})
    assert (opened.path / "monitor.json").read_text() == '{"port": 8321}'
    opened.close()
    assert not (opened.path / "monitor.json").exists()


def test_whoever_was_refused_leaves_the_first_ones_word_alone(opened: DataDirectory) -> None:
    opened.tell_monitor({})
    second = DataDirectory(opened.path)
    with pytest.raises(UsageError):
        second.open(0.0, lambda _: None)
    second.close()
    assert (opened.path / "monitor.json").exists()


class TestHolder:
    def test_is_the_process_that_has_the_lock(self, opened: DataDirectory) -> None:
        assert holder(opened.path) == os.getpid()

    def test_is_nobody_where_nobody_ever_was(self, tmp_path: Path) -> None:
        assert holder(tmp_path / "nowhere") is None

    def test_is_nobody_once_the_lock_is_let_go(self, opened: DataDirectory) -> None:
        opened.close()
        assert holder(opened.path) is None

    @pytest.mark.parametrize("text", ["", "0", "-1", "x", "1.5", "9" * 40, "\ufffd"])
    def test_is_not_known_before_it_has_said_who_it_is(self, opened: DataDirectory, text: str) -> None:
        (opened.path / "lock").write_text(text, encoding="utf-8")
        assert holder(opened.path) is None

    def test_to_look_takes_nothing_from_anybody(self, opened: DataDirectory) -> None:
        holder(opened.path)
        assert "another supervisor" in refuse(opened.path)
        opened.close()
        holder(opened.path)
        opened.open(0.0)

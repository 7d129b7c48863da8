"""Where output goes: nothing half done is left behind."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from cli.destination import destination
from core.errors import UsageError


def write(path: Path | None, *chunks: bytes) -> None:
    with destination(path) as file:
        for chunk in chunks:
            file.write(chunk)


def fail_after(path: Path | None, chunk: bytes, error: BaseException) -> None:
    with destination(path) as file:
        file.write(chunk)
        raise error


def test_a_file_has_all_that_was_written(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", b"one,", b"two\n")
    assert (tmp_path / "a.csv").read_bytes() == b"one,two\n"
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    with pytest.raises(error):
        fail_after(path, b"new", error())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_file_is_not_there_before_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with destination(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch(0o600)
    write(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    master, slave = os.openpty()
    try:
        path = Path(os.ttyname(slave))
        write(path, b"new")
        assert path.is_char_device()
        assert os.read(master, 10) == b"new"
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(("name", "reason"), [("no/a.csv", "No such file"), (".", "Is a directory")])
def test_a_place_that_cannot_be_is_refused_in_one_line(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f'cannot write to "{tmp_path}.*": {reason}'):
        write(tmp_path / name, b"new")


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'a.csv": No space left on device'):
        fail_after(tmp_path / "a.csv", b"new", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert os.listdir(tmp_path) == []


def test_standard_output_comes_behind_what_was_printed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sys.stdout.write("first\n")
    write(None, b"second\n")
    assert capfdbinary.readouterr().out == b"first\nsecond\n"


def test_a_closed_pipe_is_for_the_caller_to_end_on() -> None:
    with pytest.raises(BrokenPipeError):
        fail_after(None, b"", BrokenPipeError())


def test_standard_output_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UsageError, match="cannot write to standard output: it is closed"):
        write(None, b"new")

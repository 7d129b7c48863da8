"""The reload command, against a supervisor that this process plays itself: lock, status and signal."""

import argparse
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.reload import run
from core.errors import SettingsError, UsageError
from stores.data_dir import DataDirectory
from tests.support.statuses import HOSTILE, status
from web.status_server import StatusServer


@dataclass
class Supervisor:
    """Says of its reloads what a test wants to be said: `answers`, one after the other from the signal on."""

    file: str | None
    answers: list[dict[str, Any]] = field(default_factory=list)
    standing: dict[str, Any] = field(default_factory=dict)
    signals: int = 0
    pid: int = field(default_factory=os.getpid)

    def status(self) -> dict[str, Any]:
        if self.signals and self.answers:
            self.standing |= self.answers.pop(0)
        return status(reload={"file": self.file, "pid": self.pid, "begun": 0, "number": 0, **self.standing})

    def on_signal(self, number: int, frame: Any) -> None:
        self.signals += 1


Reload = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the configuration file."""
    path = tmp_path / "a.toml"
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture
def reload(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> Reload:
    """Give what runs the command; it gives exit status, stdout and stderr."""

    def call(patience_seconds: float = 30.0, *, config: Path | None = file) -> tuple[int, str, str]:
        arguments = argparse.Namespace(config=config, set=[f"data_dir={tmp_path}"])
        code = run(arguments, patience_seconds)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[None]:
    """Hold the data directory, and take SIGHUP for no reason to end."""
    directory = DataDirectory(tmp_path)
    directory.open()
    yield
    directory.close()


@pytest.fixture
def supervisor(tmp_path: Path, file: Path, locked: None) -> Iterator[Supervisor]:
    """Give a supervisor that holds the directory, answers on a port, and hears signals."""
    played = Supervisor(str(file))
    before = signal.signal(signal.SIGHUP, played.on_signal)
    try:
        with StatusServer("127.0.0.1", 0, lambda: played.status()) as server:
            told = {"host": "127.0.0.1", "port": server.port}
            (tmp_path / "monitor.json").write_text(json.dumps(told), encoding="utf-8")
            yield played
    finally:
        signal.signal(signal.SIGHUP, before)


def over(number: int, **told: Any) -> dict[str, Any]:
    return {"begun": number, "number": number, "changed": [], "next_start": [], "error": "", **told}


class TestOutcome:
    def test_what_has_changed_and_what_will_is_printed(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.answers = [over(1, changed=["a.b: 1 -> 2"], next_start=["c.d: 3 -> 4 (takes ...)"])]
        code, out, err = reload()
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            f"process {os.getpid()} reads {supervisor.file}",
            "a.b: 1 -> 2",
            "c.d: 3 -> 4 (takes ...)",
        ]
        assert supervisor.signals == 1

    def test_it_says_so_if_nothing_has(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.answers = [over(1)]
        code, out, _ = reload()
        assert (code, out.splitlines()[-1]) == (0, "nothing has changed")

    def test_a_refusal_gives_its_reason(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.answers = [over(1, error="the run is ending")]
        code, _, err = reload()
        assert (code, err) == (1, f"tapeline: process {os.getpid()} has refused: the run is ending\n")

    def test_an_earlier_outcome_is_not_taken_for_ours(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.standing = over(5, error="long ago")
        supervisor.answers = [{}, {"begun": 6}, over(6, changed=["a.b: 1 -> 2"])]
        code, out, _ = reload()
        assert (code, out.splitlines()[-1]) == (0, "a.b: 1 -> 2")

    def test_one_that_was_under_way_is_not_taken_for_ours(
        self, reload: Reload, supervisor: Supervisor
    ) -> None:
        supervisor.standing = {**over(5), "begun": 6}
        supervisor.answers = [over(6, error="somebody else's"), over(7, changed=["a.b: 1 -> 2"])]
        code, out, _ = reload()
        assert (code, out.splitlines()[-1]) == (0, "a.b: 1 -> 2")

    def test_patience_ends(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.answers = [{"begun": 1}]
        code, _, err = reload(0.0)
        assert code == 1
        assert err.startswith(f"tapeline: process {os.getpid()} is not done with it yet; see: ")

    def test_another_file_is_pointed_out(
        self, reload: Reload, supervisor: Supervisor, tmp_path: Path, file: Path
    ) -> None:
        supervisor.file = str(tmp_path / "b.toml")
        supervisor.answers = [over(1)]
        _, out, _ = reload()
        assert out.splitlines()[0] == f"process {os.getpid()} reads {supervisor.file}, not {file}"

    def test_a_process_without_a_file_is_pointed_out(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.file = None
        supervisor.answers = [over(1)]
        _, out, _ = reload()
        assert out.splitlines()[0].endswith("was started without a configuration file")

    def test_no_file_on_our_side_is_no_other_file(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.answers = [over(1)]
        _, out, _ = reload(config=None)
        assert out.splitlines()[0] == f"process {os.getpid()} reads {supervisor.file}"

    def test_what_comes_over_the_wire_is_not_obeyed(self, reload: Reload, supervisor: Supervisor) -> None:
        supervisor.file = HOSTILE
        supervisor.answers = [over(1, changed=[HOSTILE, 1], next_start="x", error="")]
        code, out, _ = reload()
        assert code == 0
        assert all(line.isprintable() for line in out.splitlines())


class TestNothingSent:
    def test_to_anybody_for_a_file_with_errors(
        self, reload: Reload, supervisor: Supervisor, file: Path
    ) -> None:
        file.write_text("[detector]\nwarm_z = 3\n", encoding="utf-8")
        with pytest.raises(SettingsError, match="warm_z"):
            reload()
        assert supervisor.signals == 0

    def test_where_there_is_no_lock(self, reload: Reload) -> None:
        with pytest.raises(UsageError, match=r"no supervisor uses the data directory .*; is it running\?"):
            reload()

    def test_to_whom_an_old_lock_names(self, reload: Reload, tmp_path: Path) -> None:
        """SIGHUP would end this very process."""
        (tmp_path / "lock").write_text(str(os.getpid()))
        with pytest.raises(UsageError, match="no supervisor uses"):
            reload()

    def test_to_who_says_nothing_of_reloads(self, reload: Reload, tmp_path: Path, locked: None) -> None:
        """A replay holds the directory, too, and listens nowhere."""
        code, _, err = reload(0.0)
        assert code == 1
        assert err == f"tapeline: no supervisor has left its port in {tmp_path}; is it running?\n"

    @pytest.mark.parametrize("standing", [{"pid": 1}, {"pid": None}, {"pid": "x"}])
    def test_to_another_process_than_answers(
        self, reload: Reload, supervisor: Supervisor, standing: dict[str, Any]
    ) -> None:
        supervisor.standing = standing
        code, _, err = reload(0.0)
        assert (code, supervisor.signals) == (1, 0)
        assert err.endswith("is no run that can be tuned\n")

    def test_where_the_lock_cannot_be_read(self, reload: Reload, tmp_path: Path) -> None:
        (tmp_path / "lock").mkdir()
        with pytest.raises(UsageError, match="lock cannot be read: Is a directory"):
            reload()

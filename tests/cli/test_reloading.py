"""A reload in the process that runs: against a supervisor whose mailbox the test reads."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from actors.address import Address
from actors.mailbox import Mailbox
from cli.reloading import Reloading
from core.retuning import NEXT_START
from core.settings import Settings
from core.settings_loading import load
from messages.retuning import Retune, Retuned

NOW_NS = 1_700_000_000_000_000_000


class Running:
    """A pipeline as its host sees it: a file, the settings in effect, and a supervisor."""

    def __init__(self, file: Path, *overrides: str) -> None:
        self.file = file
        self.settings = load(file, overrides, {})
        self.mailbox = Mailbox()
        self.reloading = Reloading(
            lambda: load(file, overrides, {}), file, lambda: self.settings,
            Address("supervisor", self.mailbox), lambda: NOW_NS,
        )  # fmt: skip

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def told(self) -> Settings | None:
        """Give what the supervisor was told to bring into effect; None if it was told nothing."""
        message = self.mailbox.take_control()
        assert message is None or isinstance(message, Retune)
        return None if message is None else message.settings

    def answer(self, refused: str = "") -> None:
        """Answer as the supervisor does."""
        target = self.told()
        assert target is not None
        self.settings = self.settings if refused else target
        self.reloading.hear(Retuned(self.settings, refused))

    @property
    def outcome(self) -> tuple[int, list[str], list[str], str]:
        status: Any = json.loads(json.dumps(self.reloading.status))
        return status["number"], status["changed"], status["next_start"], status["error"]


@pytest.fixture
def starting(tmp_path: Path) -> Running:
    """Give a pipeline whose actors have not all started."""
    file = tmp_path / "a.toml"
    file.write_text("", encoding="utf-8")
    return Running(file, "monitor.port=0")


@pytest.fixture
def running(starting: Running) -> Running:
    """Give a pipeline that runs."""
    starting.reloading.begin()
    return starting


class TestApplied:
    def test_live_changes_are_told_to_the_supervisor_and_all_others_kept(self, running: Running) -> None:
        running.write("[detector]\nwarn_z = 3.0\n[journal]\nsync_ms = 7\n")
        running.reloading.ask()
        target = running.told()
        assert target is not None
        assert (target.detector.warn_z, target.journal.sync_ms, target.monitor.port) == (3.0, 100, 0)

    def test_the_outcome_is_known_once_the_supervisor_has_answered(self, running: Running) -> None:
        running.write("[detector]\nwarn_z = 3.0\n[journal]\nsync_ms = 7\n")
        running.reloading.ask()
        assert (running.reloading.status["begun"], running.reloading.status["number"]) == (1, 0)
        running.answer()
        assert running.outcome[:2] == (1, ["detector.warn_z: 2.5 -> 3.0"])
        assert [line.partition(" (")[0] for line in running.outcome[2]] == ["journal.sync_ms: 100 -> 7"]
        assert running.outcome[3] == ""
        assert running.reloading.status["at_ns"] == NOW_NS

    def test_what_has_changed_is_not_told_again(self, running: Running) -> None:
        running.write("[detector]\nwarn_z = 3.0\n")
        running.reloading.ask()
        running.answer()
        running.reloading.ask()
        assert running.told() is None
        assert running.outcome == (2, [], [], "")

    def test_what_waits_for_the_next_start_is_told_each_time(self, running: Running) -> None:
        running.write("[journal]\nsync_ms = 7\n")
        for number in (1, 2):
            running.reloading.ask()
            assert running.told() is None
            assert running.outcome[0] == number
            assert NEXT_START in running.outcome[2][0]

    def test_the_difference_and_the_outcome_are_logged(
        self, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        running.write("[detector]\nwarn_z = 3.0\nwindow = 100\n")
        with caplog.at_level(logging.INFO, "tapeline.reload"):
            running.reloading.ask()
            running.answer()
        assert caplog.messages == [
            "detector.window: 200 -> 100",
            "detector.warn_z: 2.5 -> 3.0",
            "reloaded: 2 settings have changed, 0 change at the next start",
        ]

    def test_the_status_names_the_file_and_the_process(self, running: Running) -> None:
        status = running.reloading.status
        assert (status["file"], status["pid"], status["begun"]) == (str(running.file), os.getpid(), 0)

    def test_a_relative_file_is_named_in_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        reloading = Reloading(Settings, Path("a.toml"), Settings, Address("supervisor", Mailbox()))
        assert reloading.status["file"] == str(tmp_path / "a.toml")

    def test_without_a_file_there_is_nothing_to_read(self) -> None:
        reloading = Reloading(Settings, None, Settings, Address("supervisor", Mailbox()))
        reloading.begin()
        reloading.ask()
        assert (reloading.status["file"], reloading.status["number"], reloading.status["error"]) == (
            None,
            1,
            "",
        )


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[detector", "line 1"),
            ("[detector]\nwarm_z = 3\n", 'detector.warm_z: unknown key; did you mean "warn_z"?'),
            ("[detector]\nwindow = 1\n", "detector.window: 1 is too low; at least 2"),
            ("[[feeds]]\nsymbols = []\nvenue = 'coinbase'\n", "needs at least one symbol"),
        ],
    )
    def test_a_bad_file_changes_nothing(self, running: Running, text: str, said: str) -> None:
        running.write(text)
        running.reloading.ask()
        assert running.told() is None
        number, changed, next_start, error = running.outcome
        assert (number, changed, next_start) == (1, [], [])
        assert said in error

    def test_every_error_has_a_line_of_its_own(
        self, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        running.write("[detector]\nwarm_z = 3\nwindow = 1\n")
        running.reloading.ask()
        assert sorted(caplog.messages) == [
            'not reloaded: detector.warm_z: unknown key; did you mean "warn_z"?',
            "not reloaded: detector.window: 1 is too low; at least 2",
        ]
        assert "; detector." in running.outcome[3]

    def test_a_file_that_is_gone_is_named(self, running: Running) -> None:
        running.file.unlink()
        running.reloading.ask()
        assert running.outcome[3] == f'"{running.file}": cannot be read: No such file or directory'

    def test_a_pipe_is_not_read_again(self, running: Running) -> None:
        """It would be empty by now, and an empty file means that everything has its default."""
        running.file.unlink()
        os.mkfifo(running.file)
        running.reloading.ask()
        assert running.outcome[3] == f'"{running.file}": is no file that can be read again'

    def test_halves_that_do_not_go_together_are_refused(self, starting: Running) -> None:
        starting.write('[[feeds]]\nsymbols = ["A", "B"]\nconnections = 2\n')
        starting.settings = load(starting.file, ("monitor.port=0",), {})
        starting.reloading.begin()
        starting.write('[[feeds]]\nsymbols = ["A"]\n')
        starting.reloading.ask()
        assert starting.told() is None
        assert "2 is above the number of symbols, 1" in starting.outcome[3]

    def test_what_the_supervisor_refuses_is_refused(
        self, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        running.write("[detector]\nwarn_z = 3.0\n")
        running.reloading.ask()
        running.answer("the pipeline is being stopped")
        assert running.outcome == (1, [], [], "the pipeline is being stopped")
        assert caplog.messages[-1] == "not reloaded: the pipeline is being stopped"

    def test_the_next_one_can_be_better(self, running: Running) -> None:
        running.write("[detector")
        running.reloading.ask()
        running.write("[detector]\nwarn_z = 3.0\n")
        running.reloading.ask()
        running.answer()
        assert running.outcome == (2, ["detector.warn_z: 2.5 -> 3.0"], [], "")

    def test_no_secret_is_told(self, running: Running, caplog: pytest.LogCaptureFixture) -> None:
        running.write('[alerts]\nwebhook = "https://host/hush"\n[detector]\nwarn_z = 3\n')
        with caplog.at_level(logging.INFO):
            running.reloading.ask()
            running.answer()
        assert "alerts.webhook: changed" in running.outcome[2][0]
        assert "hush" not in caplog.text + json.dumps(running.reloading.status)


class TestOneAtATime:
    def test_requests_meanwhile_wait_and_are_one(self, running: Running) -> None:
        running.write("[detector]\nwarn_z = 3.0\n")
        running.reloading.ask()
        running.write("[detector]\nwarn_z = 3.5\n")
        running.reloading.ask()
        running.reloading.ask()
        assert running.reloading.status["begun"] == 1
        running.answer()
        assert running.reloading.status["begun"] == 2
        assert running.outcome[1] == ["detector.warn_z: 2.5 -> 3.0"]
        running.answer()
        assert running.outcome == (2, ["detector.warn_z: 3.0 -> 3.5"], [], "")
        assert running.told() is None

    def test_a_request_waits_for_the_start(self, starting: Running) -> None:
        starting.write("[detector]\nwarn_z = 3.0\n")
        starting.reloading.ask()
        assert (starting.told(), starting.reloading.status["begun"]) == (None, 0)
        starting.reloading.begin()
        starting.answer()
        assert starting.outcome[:2] == (1, ["detector.warn_z: 2.5 -> 3.0"])

    def test_nothing_changes_while_the_run_ends(self, running: Running) -> None:
        running.write("[detector]\nwarn_z = 3.0\n")
        running.reloading.end()
        running.reloading.ask()
        assert running.told() is None
        assert running.outcome == (1, [], [], "the run is ending")

    def test_a_request_that_waits_for_the_start_is_answered_by_the_end(self, starting: Running) -> None:
        starting.reloading.ask()
        starting.reloading.end()
        assert starting.outcome == (1, [], [], "the run is ending")

    def test_the_one_under_way_has_its_answer_before_the_end(self, running: Running) -> None:
        running.write("[detector]\nwarn_z = 3.0\n")
        running.reloading.ask()
        running.reloading.ask()
        running.reloading.end()
        running.answer("the pipeline is being stopped")
        assert running.outcome == (2, [], [], "the run is ending")

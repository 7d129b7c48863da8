"""`check`: what it prints and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.arguments import parse
from cli.check import run
from core.settings_loading import load
from core.settings_text import effective

ROOT = Path(__file__).parents[2]


def test_what_is_printed_loads_to_the_same_settings(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "a.toml").write_text('[[feeds]]\nsymbols = ["日本-USD"]\n', encoding="utf-8")
    arguments = parse(["check", "--config", str(tmp_path / "a.toml"), "--set", "detector.window=300"])
    assert run(arguments, {}) == 0
    out, err = capsysbinary.readouterr()
    assert err == b""
    (tmp_path / "b.toml").write_bytes(out)
    assert effective(load(tmp_path / "b.toml", (), {})).encode() == out
    assert "window = 300" in out.decode()
    assert "日本-USD" in out.decode()


def test_every_error_has_a_line_that_begins_with_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[detector]\nwindow = 1\nwarm_z = 3\n", encoding="utf-8")
    assert run(parse(["check", "--config", str(path)]), {}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(err.splitlines()) == [
        f'{path}: detector.warm_z: unknown key; did you mean "warn_z"?',
        f"{path}: detector.window: 1 is too low; at least 2",
    ]


def test_a_file_that_cannot_be_read_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nowhere.toml"
    assert run(parse(["check", "--config", str(path)]), {}) == 2
    assert capsys.readouterr().err == f'tapeline: "{path}": cannot be read: No such file or directory\n'


def test_a_bad_override_is_not_laid_to_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parse(["check", "--set", "detector.window"]), {}) == 2
    assert capsys.readouterr().err.startswith('tapeline: --set "detector.window": write it as')


def test_secrets_come_from_the_environment_and_are_not_shown(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "a.toml").write_text('[alerts]\nwebhook = "env:HOOK"\n', encoding="utf-8")
    assert run(parse(["check", "--config", str(tmp_path / "a.toml")]), {"HOOK": "https://host/hidden"}) == 0
    out = capsysbinary.readouterr().out
    assert b'webhook = "env:HOOK"' in out
    assert b"hidden" not in out


@pytest.mark.slow
def test_check_imports_nothing_heavy() -> None:
    code = "import sys; from cli.main import main; main(['check']); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"numpy", "pyarrow", "duckdb", "numba", "rich", "pykka"}.isdisjoint(ran.stderr.split())

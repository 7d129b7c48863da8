"""The command line: commands, options, and what is said about mistakes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.arguments import find_config, overview, parse
from cli.commands import COMMANDS, QUERY_TABLES
from core.errors import UsageError
from stores.schema import RESULTS

ROOT = Path(__file__).parents[2]

WORDS = st.text(max_size=8).filter(lambda word: not word.startswith(("-h", "--help"))) | st.sampled_from(
    ["query", "ticks", "replay", "--set", "--limit", "--start", "-1h", "--"]
)


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    text = str(caught.value)
    assert "\n" not in text
    return text


class TestCommands:
    def test_without_a_command_run_is_meant(self) -> None:
        assert parse([]).command == "run"

    def test_options_of_run_need_not_the_word(self) -> None:
        assert vars(parse(["--duration", "5s", "--json"])) == vars(
            parse(["run", "--duration", "5s", "--json"])
        )

    @pytest.mark.parametrize("command", ["check", "status", "run"])
    def test_are_taken_by_name(self, command: str) -> None:
        assert parse([command]).command == command

    def test_a_misspelled_one_is_pointed_to_the_nearest(self) -> None:
        assert refusal("chekc").startswith('"chekc" is not a command; did you mean "check"?')

    def test_one_behind_its_options_is_sent_to_the_front(self) -> None:
        assert refusal("--config", "a.toml", "check").startswith("the command comes first")


class TestRun:
    def test_has_defaults(self) -> None:
        arguments = parse(["run"])
        assert (arguments.duration, arguments.json, arguments.set) == (None, False, [])

    @pytest.mark.parametrize(
        ("text", "seconds"), [("30s", 30.0), ("5m", 300.0), ("500ms", 0.5), ("12", 12.0)]
    )
    def test_takes_a_duration_in_seconds(self, text: str, seconds: float) -> None:
        assert parse(["run", "--duration", text]).duration == seconds

    def test_keeps_every_override_in_order(self) -> None:
        assert parse(["--set", "a.b=1", "--set", "a.b=-2"]).set == ["a.b=1", "a.b=-2"]

    def test_does_not_share_overrides_between_calls(self) -> None:
        parse([]).set.append("a=1")
        assert parse([]).set == []

    @pytest.mark.parametrize("text", ["-5s", "0", "soon", "1e3"])
    def test_refuses_a_bad_duration(self, text: str) -> None:
        assert refusal("--duration", text).startswith(f'--duration: "{text}"')

    def test_suffers_no_faults_unless_it_is_asked_to(self) -> None:
        assert parse(["run"]).chaos is None
        assert str(parse(["run", "--chaos", "crash=detector@5s,seed=7"]).chaos) == "crash=detector@5s,seed=7"

    def test_refuses_faults_that_it_does_not_know(self) -> None:
        assert refusal("--chaos", "crsh=x@5s").startswith(
            '--chaos: "crsh" is no fault; did you mean "crash"?'
        )

    def test_alone_takes_faults(self) -> None:
        assert refusal("check", "--chaos", "crash=x@5s").startswith('"--chaos" is not an option of check')


class TestReplay:
    def test_takes_files_in_order_wherever_they_stand(self) -> None:
        arguments = parse(["replay", "b.jsonl", "--json", "a.jsonl.gz"])
        assert (arguments.files, arguments.json) == ([Path("b.jsonl"), Path("a.jsonl.gz")], True)

    @pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("10", 10.0), ("0.5", 0.5)])
    def test_takes_a_speed(self, text: str, speed: float | None) -> None:
        assert parse(["replay", "a", "--speed", text]).speed == speed

    def test_is_as_fast_as_it_goes_by_default(self) -> None:
        assert parse(["replay", "a"]).speed is None

    @pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "fast", "1_0", ""])
    def test_refuses_a_speed_that_is_none(self, text: str) -> None:
        assert refusal("replay", "a", "--speed", text).startswith(
            f'--speed: "{text}" must be "max" or a number'
        )

    def test_needs_a_file(self) -> None:
        assert "required: FILE" in refusal("replay")


class TestQuery:
    def test_takes_every_option(self) -> None:
        words = (
            "query bars --store a --venue b --symbol c --start -1h --end now --interval 5s --limit 7 "
            "--format csv --output d.csv --config e.toml --set f=1"
        )
        arguments = parse(words.split())
        assert vars(arguments) == {
            "command": "query",
            "table": "bars",
            "store": "a",
            "venue": "b",
            "symbol": "c",
            "start": "-1h",
            "end": "now",
            "interval": 5 * 10**9,
            "limit": 7,
            "format": "csv",
            "output": Path("d.csv"),
            "config": Path("e.toml"),
            "set": ["f=1"],
        }

    def test_has_no_restriction_by_default(self) -> None:
        arguments = vars(parse(["query", "ticks"]))
        options = ("store", "venue", "symbol", "start", "end", "interval", "limit", "format", "output")
        assert [arguments[option] for option in options] == [None] * len(options)

    def test_knows_the_tables_that_stores_answer_for(self) -> None:
        assert set(QUERY_TABLES) == set(RESULTS)

    @pytest.mark.parametrize("table", QUERY_TABLES)
    def test_takes_every_table_before_and_after_options(self, table: str) -> None:
        assert parse(["query", table, "--limit", "1"]).table == table
        assert parse(["query", "--limit", "1", table]).table == table

    @pytest.mark.parametrize(
        ("argv", "beginning"),
        [
            ([], "the following arguments are required: TABLE"),
            (["tiks"], 'TABLE: there is no "tiks"; did you mean "ticks"?'),
            (
                ["ticks", "--format", "xml"],
                '--format: there is no "xml"; known are table, csv, json, parquet',
            ),
            (["ticks", "--limit", "0"], '--limit: "0" must be a whole number from 1 on'),
            (["ticks", "--limit", "-5"], '--limit: "-5" must be a whole number from 1 on'),
            (["ticks", "--limit", "٣"], "--limit: "),
            (["ticks", "--limit", "9" * 30], "--limit: "),
            (["bars", "--interval", "0s"], '--interval: "0s" must be more than 0'),
            (["bars", "--interval", "-5m"], '--interval: "-5m" is not a duration'),
            (["ticks", "--symbol", ""], '--symbol: "" is empty'),
            (["ticks", "--symbol", "a\udcff"], '--symbol: "a\\udcff" is empty or no valid text'),
            (["ticks", "--output", ""], "--output: must name a file"),
            (["ticks", "rejects"], '"rejects" is one argument too many'),
            (["ticks", "--forma", "csv"], '"--forma" is not an option of query; did you mean "--format"?'),
            (["ticks", "--json"], '"--json" is not an option of query'),
            (["ticks", "--start"], "--start: expected one argument"),
        ],
    )
    def test_says_what_is_wrong(self, argv: list[str], beginning: str) -> None:
        assert refusal("query", *argv).startswith(beginning)


class TestMistakes:
    def test_point_to_the_help_of_the_command(self) -> None:
        assert refusal("query", "tiks").endswith("; see python supervisor.py query --help")

    @pytest.mark.slow
    @settings(deadline=None)
    @given(st.lists(WORDS))
    def test_of_any_kind_are_told_in_one_line(self, argv: list[str]) -> None:
        told = ""
        try:
            parse(argv)
        except UsageError as error:
            told = str(error)
        assert "\n" not in told


class TestConfigurationFile:
    def test_that_is_given_counts_even_if_it_is_not_there(self) -> None:
        assert parse(["check", "--config", "nowhere.toml"]).config == Path("nowhere.toml")

    def test_is_looked_for_here_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "config.toml").touch()
        monkeypatch.chdir(tmp_path)
        assert find_config(None) == Path("config.toml")

    def test_is_then_looked_for_beside_the_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "config.toml").mkdir()
        monkeypatch.chdir(tmp_path)
        assert find_config(None) == ROOT / "config.toml"


class TestHelp:
    def test_shows_every_command_with_an_example_that_parses(self) -> None:
        text = overview()
        for name, command in COMMANDS.items():
            assert f"  {name} " in text
            assert f"python supervisor.py {command.example}\n" in text
            assert parse(command.example.split()).command == name

    @pytest.mark.parametrize("word", ["-h", "--help"])
    def test_of_all_is_shown_and_ends_with_0(self, word: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            parse([word])
        assert ended.value.code == 0
        assert capsys.readouterr().out == overview()

    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_a_command_explains_every_option(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            parse([command, "--help"])
        text = capsys.readouterr().out
        assert ended.value.code == 0
        assert {"--config", "--set", "--help"} <= set(re.findall(r"--[a-z]+", text))
        assert f"python supervisor.py {COMMANDS[command].example}" in text


@pytest.mark.slow
def test_parsing_imports_nothing_heavy() -> None:
    code = "import sys, cli.arguments; cli.arguments.parse(['query', 'ticks']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"numpy", "pyarrow", "duckdb", "numba", "pydantic", "rich"}.isdisjoint(ran.stdout.split())

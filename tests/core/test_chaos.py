"""What `run --chaos` says, read and written; and the plan that follows from it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from actors.launching import STAGES
from core.chaos import HIGHEST_RATE, LOWEST_RATE, STALL_NS, TARGETS, Chaos, Fault, parse
from core.chaos_plan import Injection, check, plan, rubbish
from core.durations import SECOND_NS, duration_ns, duration_text
from core.errors import SettingsError, UsageError
from core.settings_loading import load
from tests.venues.recording import told
from venues.dialect import FeedTerms
from venues.registry import VENUES, dialect_class

EXAMPLE = (
    "crash=detector:BTC-USD@5s,hang=writer:lake@10s,drop=line@7s,garble=line@8s,"
    "stall=store:lake@12s,rate=0.1/s,seed=7"
)
RUN = (
    "connection/demo/0/A", "connection/demo/1/A", "detector/demo/BTC-USD", "detector/demo/ETH-USD",
    "detector/other/ETH-USD", "journal", "line/demo/0/A", "line/demo/1/A", "monitor", "normalizer/demo/0",
    "store/lake", "store/second", "writer/lake", "writer/second",
)  # fmt: skip

times = st.integers(1, 2**62)
names = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), max_size=12).map(str.strip)


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """Give any fault that can be written."""
    kind = draw(st.sampled_from(sorted(TARGETS)))
    length = draw(times) if kind == "stall" else 0
    return Fault(kind, draw(st.sampled_from(TARGETS[kind])), draw(names), draw(times), length)


rates = st.just(0.0) | st.floats(LOWEST_RATE, HIGHEST_RATE)
specs = st.builds(Chaos, st.lists(faults(), max_size=6).map(tuple), rates, st.integers(0, 10**18 - 1))


def planned(text: str, targets: Sequence[str] = RUN, within: float = 60.0) -> list[Injection]:
    """Give the faults of the first minute."""
    return list(takewhile(lambda each: each.seconds < within, plan(parse(text), targets)))


def refusal(text: str) -> str:
    """Give what is said about a text that is no use."""
    with pytest.raises(UsageError) as caught:
        check(parse(text), RUN)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestText:
    def test_says_what_it_says(self) -> None:
        assert parse(EXAMPLE) == Chaos(
            (
                Fault("crash", "detector", "BTC-USD", 5 * SECOND_NS),
                Fault("hang", "writer", "lake", 10 * SECOND_NS),
                Fault("drop", "line", "", 7 * SECOND_NS),
                Fault("garble", "line", "", 8 * SECOND_NS),
                Fault("stall", "store", "lake", 12 * SECOND_NS, STALL_NS),
            ),
            0.1,
            7,
        )

    @given(specs)
    def test_is_read_back_as_it_was_written(self, chaos: Chaos) -> None:
        assume(chaos.faults or chaos.rate)
        assert parse(str(chaos)) == chaos

    @pytest.mark.parametrize(("text", "rate"), [("2/s", 2.0), ("6/m", 0.1), ("36/h", 0.01), ("0.5/s", 0.5)])
    def test_takes_a_rate_a_second_minute_or_hour(self, text: str, rate: float) -> None:
        assert parse(f"rate={text}") == Chaos((), rate, 0)

    def test_takes_the_length_of_a_stall(self) -> None:
        (fault,) = parse("stall=store@1m+500ms").faults
        assert (fault.at_ns, fault.length_ns) == (60 * SECOND_NS, SECOND_NS // 2)

    def test_minds_no_spaces_between_its_parts(self) -> None:
        assert parse(" crash=monitor@5s , seed=3 ") == parse("crash=monitor@5s,seed=3")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", '"" is no fault; known are crash, hang,'),
            ("crsh=detector@5s", '"crsh" is no fault; did you mean "crash"?'),
            ("crash=detectr@5s", '"detectr" is nothing that a crash can befall; did you mean "detector"?'),
            ("crash=line@5s", '"line" is nothing that a crash can befall; known are writer,'),
            ("crash=chaos@5s", '"chaos" is nothing that a crash can befall'),
            ("drop=store@5s", '"store" is nothing that a drop can befall; known are line'),
            ("crash=detector", "does not say when"),
            ("crash", "does not say when"),
            ("crash=detector:@5s", "no name behind detector:"),
            ("crash=detector@soon", '"soon" is not a duration'),
            ("crash=detector@0s", '"0s" must be more than 0'),
            ("drop=line@5s+2s", "only a stall has a length"),
            ("stall=store@5s+", '"" is not a duration'),
            ("rate=2", 'rate="2" must be a number of faults a second, minute or hour'),
            ("rate=0/s", "must be a number"),
            ("rate=1001/s", "at most 1000/s"),
            ("rate=1/s,rate=2/s", "rate is given twice"),
            ("rate=1/s,seed=x", 'seed="x" must be a whole number'),
            ("seed=5", "nothing would happen"),
            ("crash=detector:BTC-UDS@5s", 'there is no detector "BTC-UDS"; did you mean "BTC-USD"?'),
            ("hang=writer:x@5s", 'there is no writer "x"; known are lake, second'),
            ("crash=webhook@5s", "there is no webhook in this run"),
            ("crash=monitor:x@5s", "there is one monitor, and it has no name"),
        ],
    )
    def test_what_is_wrong_with_it_is_told(self, text: str, words: str) -> None:
        assert words in refusal(text)

    @given(
        st.text() | st.lists(st.sampled_from([*EXAMPLE, "crash=", "@", "+", "/s", "٣", "e-1"])).map("".join)
    )
    @example("rate=" + "9" * 5_000 + "/s")
    @example("rate=0.0000000000001e-99/s")
    @example("crash=detector@" + "9" * 5_000 + "s")
    @example("seed=" + "1" * 5_000)
    def test_whatever_it_is_it_is_read_or_refused(self, text: str) -> None:
        with suppress(UsageError):
            check(parse(text), RUN)


def test_it_is_no_setting(tmp_path: Path) -> None:
    """Faults are asked for anew each time: nobody should find them in a file."""
    config = tmp_path / "config.toml"
    config.write_text('chaos = "crash=detector@5s"\n')
    with pytest.raises(SettingsError, match="chaos: unknown key"):
        load(config, (), {})


@given(st.integers(1, 2**63 - 1))
def test_a_duration_is_read_back_as_it_was_written(ns: int) -> None:
    assert duration_ns(duration_text(ns)) == ns


def test_every_kind_of_actor_can_be_crashed_but_for_those_that_end_early() -> None:
    started = {kind for stage in STAGES for kind in stage}
    assert set(TARGETS["crash"]) == started - {"recoverer", "replayer", "chaos"}


class TestPlan:
    def test_has_what_was_asked_for_at_its_time(self) -> None:
        found = [
            (each.seconds, each.fault, each.target) for each in planned(EXAMPLE.replace("rate=0.1/s,", ""))
        ]
        drop, garble = found[1][2], found[2][2]
        assert found == [
            (5.0, "crash", "detector/demo/BTC-USD"),
            (7.0, "drop", drop),
            (8.0, "garble", garble),
            (10.0, "hang", "writer/lake"),
            (12.0, "stall", "store/lake"),
        ]
        assert {drop, garble} <= {"line/demo/0/A", "line/demo/1/A"}

    @pytest.mark.parametrize(
        ("named", "meant"),
        [
            ("detector:BTC-USD", {"detector/demo/BTC-USD"}),
            ("detector:demo/ETH-USD", {"detector/demo/ETH-USD"}),
            ("detector:ETH-USD", {"detector/demo/ETH-USD", "detector/other/ETH-USD"}),
            ("connection:demo/0/A", {"connection/demo/0/A"}),
            ("connection:1/A", {"connection/demo/1/A"}),
            ("normalizer", {"normalizer/demo/0"}),
            ("monitor", {"monitor"}),
        ],
    )
    def test_draws_one_of_those_that_are_meant(self, named: str, meant: set[str]) -> None:
        found = {planned(f"crash={named}@5s,seed={seed}")[0].target for seed in range(20)}
        assert found == meant

    def test_a_name_given_in_full_is_no_ending_of_others(self) -> None:
        targets = ("detector/f/A", "detector/f/f/A")
        assert {planned(f"crash=detector:f/A@5s,seed={seed}", targets)[0].target for seed in range(20)} == {
            "detector/f/A"
        }

    @given(st.integers(0, 10**9), st.floats(0.1, 50), st.randoms(use_true_random=False))
    def test_is_the_same_for_the_same_seed_whatever_the_order_of_the_targets(
        self, seed: int, rate: float, random: Random
    ) -> None:
        chaos = replace(parse(EXAMPLE), seed=seed, rate=rate)
        shuffled = random.sample(RUN, len(RUN))
        assert list(islice(plan(chaos, shuffled), 50)) == list(islice(plan(chaos, RUN), 50))

    def test_is_another_for_another_seed(self) -> None:
        assert planned("rate=1/s,seed=1") != planned("rate=1/s,seed=2")

    def test_what_was_asked_for_is_the_same_with_random_faults_beside_it(self) -> None:
        alone, beside = planned("garble=line@5s,seed=3"), planned("garble=line@5s,rate=2/s,seed=3")
        assert alone[0] in beside

    @given(st.integers(0, 10**9), st.sets(st.sampled_from(RUN), min_size=1))
    def test_goes_on_in_time_and_meets_only_what_is_there(self, seed: int, targets: set[str]) -> None:
        some = list(islice(plan(Chaos((), 5.0, seed), sorted(targets)), 100))
        assert [each.seconds for each in some] == sorted(each.seconds for each in some)
        for each in some:
            assert each.target in targets
            assert each.target.partition("/")[0] in TARGETS[each.fault]
            assert (each.length_seconds > 0) == (each.fault == "stall")
            assert each.payload == b"" or each.fault == "garble"

    def test_is_over_where_nothing_is_there(self) -> None:
        assert list(plan(Chaos((), 5.0, 0), ())) == []

    @given(st.integers(0, 10**9), st.floats(0.5, 20))
    def test_has_about_as_many_random_faults_as_the_rate_says(self, seed: int, rate: float) -> None:
        """Six standard deviations of a Poisson count: less than one draw in a hundred million is beyond."""
        expected = 200.0
        found = sum(
            1
            for _ in takewhile(lambda each: each.seconds < expected / rate, plan(Chaos((), rate, seed), RUN))
        )
        assert abs(found - expected) < 6 * expected**0.5

    def test_draws_every_fault_and_every_target_in_time(self) -> None:
        some = list(islice(plan(Chaos((), 1.0, 1), RUN), 1_000))
        assert {each.fault for each in some} == set(TARGETS)
        assert {each.target for each in some} == set(RUN)


@pytest.mark.parametrize("venue", VENUES)
@given(seed=st.integers(0, 10**9))
def test_no_venue_takes_rubbish_for_a_message(venue: str, seed: int) -> None:
    """It is a record that cannot be read, and only that: no control frame, no tick, no answer."""
    payload = rubbish(Random(seed))
    payload.decode()
    dialect = dialect_class(venue)(FeedTerms(("X",), (), "", {}))
    assert {call[0] for call in told(dialect, payload)} == {"malformed"}

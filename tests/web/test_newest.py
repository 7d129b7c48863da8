"""What the page's process knows, on a clock that the test sets."""

import asyncio

import pytest

from core.latency import Latencies
from tests.support.snapshots import AT_NS, ready, snapshot
from web.health import not_alive, not_ready, not_told
from web.model import Recent, View
from web.newest import ALIVE_SECONDS, CONNECTED_SECONDS, MOMENTS, MOST_QUESTIONS, Newest
from web.wire import Answer, Question, Snapshot, question


class Playing:
    """A model, its clock, and what it asks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[Question] = []
        self.model = Newest(lambda text: self.asked.append(question(text)), lambda: self.now)


@pytest.fixture
def playing() -> Playing:
    return Playing()


class TestHearing:
    def test_at_first_nothing_is_known(self, playing: Playing) -> None:
        assert playing.model.view == View()
        assert not playing.model.connected
        assert not_alive(playing.model) == ("the pipeline has not been heard of yet",)

    def test_the_newest_is_kept(self, playing: Playing) -> None:
        playing.model.take(snapshot(session=8))
        assert playing.model.view.at_ns == AT_NS
        assert playing.model.view.status["session"] == 8
        assert playing.model.connected

    def test_silence_is_noticed(self, playing: Playing) -> None:
        playing.model.take(snapshot(**ready()))
        assert not_ready(playing.model) == []
        playing.now += CONNECTED_SECONDS
        assert not playing.model.connected
        playing.now += ALIVE_SECONDS - CONNECTED_SECONDS
        assert not_alive(playing.model) == ("the pipeline was last heard of 10 s ago",)

    def test_a_monitor_that_does_not_answer_is_told_apart(self, playing: Playing) -> None:
        playing.model.take(snapshot())
        playing.now += ALIVE_SECONDS
        playing.model.take(Snapshot(AT_NS + 1, None))
        assert playing.model.view.at_ns == AT_NS
        assert not_alive(playing.model) == ()
        assert [*not_told(playing.model)] == not_ready(playing.model) == ["the monitor does not answer"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"lines": []}, "no line has been connected yet"),
            (
                {"recovery": {"read_bytes": 1, "of_bytes": 2, "frames": 0, "ended": False}},
                "a killed run is being recovered",
            ),
        ],
    )
    def test_what_keeps_it_from_being_ready_is_named(
        self, playing: Playing, changes: dict[str, object], reason: str
    ) -> None:
        playing.model.take(snapshot(**{**ready(), **changes}))
        assert not_ready(playing.model) == [reason]


class TestMoments:
    def test_latencies_are_those_since_the_moment_before(self, playing: Playing) -> None:
        first = snapshot()
        playing.model.take(first)
        assert playing.model.view.moments[-1].signal_p50_ms is None
        later = Latencies({**first.latencies["signal"].counts}, first.latencies["signal"].longest_ns)
        later.add(5_000_000, 10)
        playing.model.take(replace_latencies(first, signal=later))
        moment = playing.model.view.moments[-1]
        assert moment.signal_p50_ms == moment.signal_p99_ms == pytest.approx(5.0, rel=0.04)
        assert moment.stored_p50_ms is None
        assert moment.ticks_per_second == pytest.approx(133.4)

    def test_only_the_last_few_minutes_are_kept(self, playing: Playing) -> None:
        for _ in range(MOMENTS + 5):
            playing.model.take(snapshot())
        assert len(playing.model.view.moments) == MOMENTS


def replace_latencies(told: Snapshot, **changes: Latencies) -> Snapshot:
    return Snapshot(told.at_ns, told.status, {**told.latencies, **changes})


class TestAsking:
    def test_an_answer_finds_who_asked(self, playing: Playing) -> None:
        async def play() -> list[Recent | None]:
            asking = [asyncio.create_task(playing.model.recent("f", name, 5)) for name in "ab"]
            while len(playing.asked) < len(asking):
                await asyncio.wait(asking, timeout=0)
            for asked in reversed(playing.asked):
                playing.model.hear(Answer(asked.id, Recent(*asked.recent[:2])))
            playing.model.hear(Answer(99, None))
            return list(await asyncio.gather(*asking))

        assert asyncio.run(play()) == [Recent("f", "a"), Recent("f", "b")]

    def test_too_many_questions_are_not_asked(self, playing: Playing) -> None:
        async def play() -> Recent | None:
            asking = [asyncio.create_task(playing.model.recent("f", "a", 5)) for _ in range(MOST_QUESTIONS)]
            while len(playing.asked) < len(asking):
                await asyncio.wait(asking, timeout=0)
            turned_away = await playing.model.recent("f", "a", 5)
            for asked in playing.asked:
                playing.model.hear(Answer(asked.id, Recent("f", "a")))
            await asyncio.gather(*asking)
            return turned_away

        assert asyncio.run(play()) is None
        assert len(playing.asked) == MOST_QUESTIONS

"""The watch: who shows no sign of life for longer than the deadline, and who was only held up with it."""

from hypothesis import given
from hypothesis import strategies as st

from core.watch import FASTEST_SECONDS, SLOWEST_SECONDS, Sight, Watch, interval_of

INTERVAL = 0.5


def looks(*beats: int | None, deadline: float = 2.0, every: float = INTERVAL) -> list[bool]:
    """Look so many times at one actor, at these beats (None: it is in no handler); tell when it hung."""
    watch, told = Watch(), []
    for i, beat in enumerate(beats):
        sights = [] if beat is None else [Sight("actor", beat, deadline)]
        watch, hung = watch.look(sights, i * every, INTERVAL)
        told.append(hung == ("actor",))
    return told


def test_who_stays_at_one_beat_for_the_deadline_hangs() -> None:
    assert looks(1, 1, 1, 1, 1, 1) == [False, False, False, False, True, True]


def test_a_sign_of_life_begins_the_time_anew() -> None:
    assert not any(looks(1, 1, 1, 1, 2, 2, 2, 2, 3, 3))


def test_a_pause_between_handlers_begins_it_anew() -> None:
    assert not any(looks(1, 1, 1, None, 1, 1, 1, None, 1, 1, 1))


def test_a_watch_that_was_held_up_itself_holds_nobody_to_account() -> None:
    """A stopped process or a sleeping machine: no more than twice the interval counts."""
    watch, _ = Watch().look([Sight("actor", 1, 2.0)], 0.0, INTERVAL)
    watch, hung = watch.look([Sight("actor", 1, 2.0)], 3_600.0, INTERVAL)
    assert hung == ()
    _, hung = watch.look([Sight("actor", 1, 2.0)], 3_601.0, INTERVAL)
    assert hung == ("actor",)


@given(
    gaps=st.lists(st.floats(0.0, 100.0), max_size=30),
    beats=st.lists(st.integers(0, 3), max_size=31),
    deadline=st.floats(0.01, 20.0),
)
def test_nobody_hangs_who_has_not_been_seen_so_long(
    gaps: list[float], beats: list[int], deadline: float
) -> None:
    """Against a sum over the looks since the beat was first seen."""
    watch, now, since, seen = Watch(), 0.0, 0.0, None
    for gap, beat in zip([0.0, *gaps], beats, strict=False):
        now += gap
        since = since + min(gap, 2 * INTERVAL) if beat == seen else 0.0
        seen = beat
        watch, hung = watch.look([Sight("a", beat, deadline), Sight("idle", now, deadline)], now, INTERVAL)
        assert ("a" in hung) == (since >= deadline)
        assert "idle" not in hung or gap == 0.0


@given(st.floats(0.001, 86_400))
def test_looks_come_within_the_deadline_but_never_all_the_time(deadline: float) -> None:
    assert FASTEST_SECONDS <= interval_of(deadline) <= min(SLOWEST_SECONDS, max(FASTEST_SECONDS, deadline))
